"""outcross plan: how much real data must stay, when a loss comes, and what else would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outcross.cli.options import Debug, Json, print_json

if TYPE_CHECKING:
    from outcross.plan.safe import Answer, Plan, Point


def command(
    rows: Annotated[
        float | None, typer.Option("--rows", help="Rows of every training set.", show_default=False)
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Loss that is tolerated, of the measure: 0.05 is 5 %.")
    ] = 0.05,
    generations: Annotated[int, typer.Option("--generations", "-g", help="Retrainings after the first.")] = 20,
    measure: Annotated[
        str, typer.Option("--measure", "-m", help="variance, diversity, tail or perplexity.")
    ] = "variance",
    anchor: Annotated[
        str, typer.Option("--anchor", help="Which real rows are kept: fresh, fixed or redrawn.")
    ] = "fresh",
    sampler: Annotated[
        float, typer.Option("--sampler", help="What sampling multiplies standard deviations by; below 1 narrows.")
    ] = 1.0,
    scenario: Annotated[
        Path | None,
        typer.Option("--scenario", help="A YAML file: a pool that fills with generated rows.", show_default=False),
    ] = None,
    curve: Annotated[bool, typer.Option("--curve", help="The whole trade-off: loss against real share.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    r"""Say how much real data keeps a loss within a tolerance, and what would do instead.

    For models whose fit has the mean and variance of its rows (Gaussians, mixtures fitted by EM, frequencies):
    expected losses are theorems, single chains are simulated from the exact law.

    [dim]outcross plan --rows 100000 --tolerance 0.05 --generations 20[/dim]

    [dim]outcross plan --rows 1000 --measure tail --anchor fixed --curve[/dim]

    [dim]outcross plan --scenario web.yaml[/dim]
    """
    from outcross.core.errors import require

    if scenario is not None:
        _scenario(scenario, tolerance, json)
        return
    require(rows is not None, "give --rows, the rows of every training set, or --scenario FILE")
    assert rows is not None
    require(rows.is_integer(), f"rows is a whole number, got {rows:g}")
    from outcross.plan.chain import Setting
    from outcross.plan.safe import plan

    found = plan(Setting(int(rows), generations, measure, anchor, sampler), tolerance)  # type: ignore[arg-type]
    if json:
        print_json(found.json())
        return
    _say(found)
    if curve:
        _say_curve(found)


def _say(found: Plan) -> None:
    from rich.table import Table

    from outcross.cli.progress import console
    from outcross.plan.safe import KEPT

    screen = console(stderr=False)
    screen.print(f"[bold]{found.sentence}[/]\n")
    table = Table(box=None, pad_edge=False)
    for name, justify in (("question", "left"), ("answer", "right"), ("95 of 100", "right"), ("rests on", "left")):
        table.add_column(name, justify=justify, no_wrap=name == "answer")  # type: ignore[arg-type]
    for a in found.answers:
        table.add_row(a.question, _value(a, a.value), _range(a), f"[dim]{a.basis.partition(':')[0]}[/]")
    screen.print(table)
    screen.print(f"\n[dim]Assumed: {KEPT}; rows are independent; every set has {found.setting.rows:,} rows.[/]")
    screen.print("[dim]Without a range: exact in expectation, by the theorem named (docs/theory.md).[/]")


def _range(a: Answer) -> str:
    from outcross.plan.safe import shares

    if a.low == a.high:
        return ""
    return f"{a.low:,.0f} to {a.high:,.0f}" if a.unit == "generations" else shares(a.low, a.high)


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
    from rich.table import Table

    from outcross.cli.progress import console
    from outcross.plan.safe import share, shares

    def told(p: Point) -> str:
        return shares(p.low, p.high) if p.low == p.low else ""

    def ended(p: Point) -> str:
        return share(p.for_ever) if p.for_ever == p.for_ever else ""

    table = Table(box=None, pad_edge=False)
    for name in ("real rows", "share", f"loss by {found.setting.generations:,}", "95 of 100 chains", "for ever"):
        table.add_column(name, justify="right", no_wrap=True)
    for p in found.curve:
        table.add_row(f"{p.real:,}", share(p.share), share(p.loss), told(p), ended(p))
    console(stderr=False).print("")
    console(stderr=False).print(table)


def _scenario(path: Path, tolerance: float, json: bool) -> None:
    """A pool over time: what is in it, and what its models lose of the variance."""
    from outcross.plan import web
    from outcross.runs.spec import read_plain

    wanted = web.parse(read_plain(path), str(path))
    found = web.periods(wanted)
    passed = web.passed(found, tolerance)
    if json:
        print_json({"periods": [p.json() for p in found], "tolerance": tolerance, "passed": passed})
        return
    from rich.table import Table

    from outcross.cli.progress import console
    from outcross.plan.safe import share, shares
    from outcross.report.charts import thinned

    table = Table(box=None, pad_edge=False)
    heads = [head for name in wanted.models for head in (f"{name} loses", "95 of 100")]
    for head in ("period", "rows", "real", *heads):
        table.add_column(head, justify="right", no_wrap=True)
    for p in thinned(found, 16):
        cells = [cell for name in wanted.models for cell in (share(p.loss[name]), shares(p.low[name], p.high[name]))]
        table.add_row(f"{p.period:,}", f"{p.rows:,}", share(p.real), *cells)
    screen = console(stderr=False)
    for name, period in passed.items():
        when = f"in none of {wanted.periods:,} periods" if period is None else f"at period {period:,}"
        screen.print(f"[bold]{name}[/]: passes a loss of {share(tolerance)} of the variance {when}, in expectation")
    screen.print()
    screen.print(table)
    screen.print(
        "\n[dim]Expected losses are exact (A1, M1); chains: 2,000 drawn from the exact law of Gaussian ones.[/]"
    )
    screen.print("[dim]Assumed: a fit has the mean and variance of the pool; models are trained on all of it.[/]")
