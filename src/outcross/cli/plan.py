"""outcross plan: how much real data must stay, when a loss comes, and what else would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outcross.cli.options import RUNS, Debug, Json, Out, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from outcross.plan.outlook import Outlook
    from outcross.plan.safe import Answer, Plan, Point

_WIDE = 140  # columns of a table that goes elsewhere


# what the command takes; its parameters have the defaults
What = Annotated[
    list[str] | None,
    typer.Argument(
        help="With --snapshots: the real rows, then what each generation made. With --backtest: runs, or folders.",
        metavar="[FILE OR RUN]...",
        show_default=False,
    ),
]
Rows = Annotated[float | None, typer.Option("--rows", help="Rows of every training set.", show_default=False)]
Tolerance = Annotated[float, typer.Option("--tolerance", help="Loss that is tolerated, of the measure: 0.05 is 5 %.")]
Generations = Annotated[
    int | None,
    typer.Option(
        "--generations", "-g", help="By which generation; 20, or twice what was measured.", show_default=False
    ),
]
Lost = Annotated[
    str | None,
    typer.Option("--measure", "-m", help="variance, diversity, tail or perplexity.", show_default=False),
]
Anchor = Annotated[
    str | None,
    typer.Option(
        "--anchor",
        help="Which real rows are kept: fresh, fixed or redrawn; fresh, or the run's.",
        show_default=False,
    ),
]
Sampler = Annotated[
    float, typer.Option("--sampler", help="What sampling multiplies standard deviations by; below 1 narrows.")
]
From = Annotated[str | None, typer.Option("--from", help="Calibrate on this run, by path or name.", show_default=False)]
ArmName = Annotated[
    str | None, typer.Option("--arm", help="Which arm of the run; the first by default.", show_default=False)
]
First = Annotated[
    int | None,
    typer.Option("--first", help="Calibrate on generations up to this one; all by default.", show_default=False),
]
Snapshots = Annotated[bool, typer.Option("--snapshots", help="Calibrate on files of rows.")]
Column = Annotated[
    str | None,
    typer.Option("--column", "-c", help="Of snapshots: the column of categories.", show_default=False),
]
Real = Annotated[float, typer.Option("--real", help="Of snapshots: real share of the sets they come from.")]
Backtest = Annotated[bool, typer.Option("--backtest", help="Forecast recorded runs, and compare.")]
Scenario = Annotated[
    Path | None,
    typer.Option("--scenario", help="A YAML file: a pool that fills with generated rows.", show_default=False),
]
Curve = Annotated[bool, typer.Option("--curve", help="The whole trade-off: loss against real share.")]


def command(
    what: What = None,
    rows: Rows = None,
    tolerance: Tolerance = 0.05,
    generations: Generations = None,
    measure: Lost = None,
    anchor: Anchor = None,
    sampler: Sampler = 1.0,
    run: From = None,
    arm: ArmName = None,
    first: First = None,
    snapshots: Snapshots = False,
    column: Column = None,
    real: Real = 0.0,
    backtest: Backtest = False,
    scenario: Scenario = None,
    curve: Curve = False,
    out: Out = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    r"""Say how much real data keeps a loss within a tolerance, and what would do instead.

    By theorems, for models whose fit has the mean and variance of its rows (Gaussians, mixtures fitted by EM,
    frequencies); or calibrated on the generations of a run, or on snapshots of data, whatever made them.

    [dim]outcross plan --rows 100000 --tolerance 0.05 --generations 20[/dim]

    [dim]outcross plan --from gmm-f9a2 --arm mix10 -m tail --first 10[/dim]

    [dim]outcross plan --snapshots real.parquet gen1.parquet gen2.parquet[/dim]

    [dim]outcross plan --backtest runs[/dim]

    Exits with 6 where a calibration cannot tell whether the loss stays within the tolerance.
    """
    way = _way(
        {"--from": run is not None, "--snapshots": snapshots, "--backtest": backtest, "--scenario": bool(scenario)}
    )
    _check_what(what or [], way)
    size = _whole(rows)
    if scenario is not None:
        _scenario(scenario, tolerance, json)
    elif way == "--backtest":
        _backtest(what or [], out, measure, tolerance, json)
    elif run is not None:
        _outlook(_of_run(run, out, arm, measure, tolerance, generations, anchor, first), curve, json)
    elif way == "--snapshots":
        _outlook(_of_files(what or [], column, measure, size, real, anchor, tolerance, generations), curve, json)
    else:
        setting = (size, 20 if generations is None else generations, measure or "variance", anchor or "fresh", sampler)
        _exact(setting, tolerance, curve, json)


def _way(ways: dict[str, bool]) -> str | None:
    """What a plan rests on; None for theorems. Raises InputError where two are given."""
    from outcross.core.errors import require

    chosen = [name for name, given in ways.items() if given]
    require(len(chosen) < 2, f"{' and '.join(chosen)}: give one of them")
    return chosen[0] if chosen else None


def _check_what(what: Sequence[str], way: str | None) -> None:
    """Raise InputError for files or runs that nothing was said of."""
    from outcross.core.errors import require

    told = f"{(*what, '')[0]!r}: say what it is: --from RUN, --snapshots or --backtest"
    require(not what or way in ("--snapshots", "--backtest"), told)


def _backtest(what: Sequence[str], out: Path, measure: str | None, tolerance: float, json: bool) -> None:
    """Forecasts of recorded runs, beside what came."""
    from outcross.cli.outlook import say_backtest

    say_backtest(what, out, measure, tolerance, json)


def _outlook(found: Outlook, curve: bool, json: bool) -> None:
    """A plan that was calibrated."""
    from outcross.cli.outlook import say_outlook

    say_outlook(found, curve, json)


def _whole(rows: float | None) -> int | None:
    from outcross.core.errors import require

    if rows is None:
        return None
    require(rows.is_integer(), f"rows is a whole number, got {rows:g}")
    return int(rows)


def _exact(setting: Any, tolerance: float, curve: bool, json: bool) -> None:
    """A plan by theorems."""
    from outcross.core.errors import require
    from outcross.plan.chain import Setting
    from outcross.plan.safe import plan

    missing = "give --rows, the rows of every training set, or --from, --snapshots, --scenario"
    require(setting[0] is not None, missing)
    found = plan(Setting(*setting), tolerance)
    if json:
        print_json(found.json())
        return
    _say(found)
    if curve:
        _say_curve(found)


def _of_run(
    run: str,
    out: Path,
    arm: str | None,
    measure: str | None,
    tolerance: float,
    generations: int | None,
    anchor: Any,
    first: int | None,
) -> Outlook:
    """A plan calibrated on a run."""
    from outcross.report.frames import Frame
    from outcross.report.outlook import outlook
    from outcross.runs.upkeep import find

    return outlook(Frame(find(run, out)), arm, measure, tolerance, generations, anchor, first)


def _of_files(
    files: Sequence[str],
    column: str | None,
    measure: str | None,
    rows: int | None,
    real: float,
    anchor: Any,
    tolerance: float,
    generations: int | None,
) -> Outlook:
    """A plan calibrated on snapshots."""
    from outcross.plan.outlook import AGAIN, Outlook
    from outcross.plan.snapshots import snapshots

    lost = measure or ("diversity" if column else "variance")
    kept: Any = anchor or "redrawn"
    series = snapshots([Path(f) for f in files], lost, column, rows, real, kept)
    by = max(AGAIN, 2 * series.generations[-1]) if generations is None else generations
    return Outlook(series, f"the loss of {lost}", tolerance, by, kept)


def _say(found: Plan) -> None:
    from outcross.cli.progress import console
    from outcross.plan.safe import KEPT

    screen = console(stderr=False)
    screen.print(f"[bold]{found.sentence}[/]\n")
    print_answers(found.answers)
    screen.print(f"\n[dim]Assumed: {KEPT}; rows are independent; every set has {found.setting.rows:,} rows.[/]")
    screen.print("[dim]Without a range: exact in expectation, by the theorem named (docs/theory.md).[/]")


def print_answers(answers: list[Answer]) -> None:
    """Answers as a table."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name, justify in (("question", "left"), ("answer", "right"), ("95 of 100", "right"), ("rests on", "left")):
        table.add_column(name, justify=justify, no_wrap=name == "answer")  # type: ignore[arg-type]
    for a in answers:
        table.add_row(a.question, _value(a, a.value), _range(a), f"[dim]{a.basis.partition(':')[0]}[/]")
    _print(table)


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Numbers as a table, the first column to the left."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for i, name in enumerate(heads):
        table.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    _print(table)


def _print(table: Table) -> None:
    """A table, which is cut to the width of a terminal alone."""
    from outcross.cli.progress import console

    screen = console(stderr=False)
    if not screen.is_terminal:
        screen.width = _WIDE
    screen.print(table)


def _range(a: Answer) -> str:
    if a.low == a.high:
        return ""
    low, high = _value(a, a.low), _value(a, a.high)
    return f"{low.removesuffix(' %') if high.endswith(' %') else low} to {high}"


def _value(a: Answer, value: float) -> str:
    """An answer in its unit; what no number of generations, rows or real rows brings is `never` or `none`."""
    from math import isfinite

    from outcross.plan.safe import share

    if not isfinite(value):
        return "never" if a.unit == "generations" else "none does"
    if a.unit in ("generations", "rows"):
        return f"{value:,.0f}"
    return share(value)


def _say_curve(found: Plan) -> None:
    from outcross.plan.safe import share, shares

    def told(p: Point) -> str:
        return shares(p.low, p.high) if p.low == p.low else ""

    def ended(p: Point) -> str:
        return share(p.for_ever) if p.for_ever == p.for_ever else ""

    heads = ("real rows", "share", f"loss by {found.setting.generations:,}", "95 of 100 chains", "for ever")
    print("")
    print_table(heads, [(f"{p.real:,}", share(p.share), share(p.loss), told(p), ended(p)) for p in found.curve])


def _scenario(path: Path, tolerance: float, json: bool) -> None:
    """A pool over time: what is in it, and what its models lose of the variance."""
    from outcross.plan import web
    from outcross.runs.trees import read_plain

    wanted = web.parse(read_plain(path), str(path))
    found = web.periods(wanted)
    passed = web.passed(found, tolerance)
    if json:
        print_json({"periods": [p.json() for p in found], "tolerance": tolerance, "passed": passed})
        return
    from outcross.cli.progress import console
    from outcross.plan.safe import share, shares
    from outcross.report.charts import thinned

    heads = [head for name in wanted.models for head in (f"{name} loses", "95 of 100")]
    rows = []
    for p in thinned(found, 16):
        cells = [cell for name in wanted.models for cell in (share(p.loss[name]), shares(p.low[name], p.high[name]))]
        rows.append((f"{p.period:,}", f"{p.rows:,}", share(p.real), *cells))
    screen = console(stderr=False)
    for name, period in passed.items():
        when = f"in none of {wanted.periods:,} periods" if period is None else f"at period {period:,}"
        screen.print(f"[bold]{name}[/]: passes a loss of {share(tolerance)} of the variance {when}, in expectation")
    screen.print()
    print_table(("period", "rows", "real", *heads), rows)
    screen.print(
        "\n[dim]Expected losses are exact (A1, M1); chains: 2,000 drawn from the exact law of Gaussian ones.[/]"
    )
    screen.print("[dim]Assumed: a fit has the mean and variance of the pool; models are trained on all of it.[/]")
