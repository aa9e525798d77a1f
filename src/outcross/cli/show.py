"""outcross show: the verdicts and final numbers of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from outcross.cli.options import RUNS, Debug, Json, Out, Run, print_json

if TYPE_CHECKING:
    from outcross.api import Result
    from outcross.theory.live import Prediction


def command(
    run: Run,
    out: Out = RUNS,
    json: Json = False,
    samples: Annotated[
        bool, typer.Option("--samples", help="Of text: how each generation continues a prompt.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Show verdicts, final numbers with their intervals, and what went wrong."""
    from outcross.api import load
    from outcross.core.errors import one_line

    result = load(run, out)
    if samples:
        _samples(result, json)
        return
    if json:
        print_json(result.json())
        return
    print(result)
    for cell, p in _furthest(result):
        label = result.frame.cells[cell].label
        print(f"  {label}: {p.oracle} on {p.quantity}, generation {p.generation:,}: z {p.z:.1f}")
    for line in result.frame.seen("images") + result.frame.seen("text"):
        print(f"  {line}")
    _numbers(result)
    ended = [
        (key, status, reason)
        for key, (_, status, reason) in result.frame.chains.items()
        if status in ("degenerate", "failed")
    ]
    for (cell, chain), status, reason in ended[:10]:
        print(f"{result.frame.cells[cell].label}, chain {chain}: {status}: {one_line(reason or '')}")
    if len(ended) > 10:
        print(f"... and {len(ended) - 10} more")


def _samples(result: Result, json: bool) -> None:
    """The same prompts through the generations. Raises InputError for a run that has none."""
    from rich.markup import escape

    from outcross.cli.progress import console
    from outcross.core.errors import one_line, require
    from outcross.report.samples import continuations

    found = continuations(result.frame)
    require(bool(found), f"{result.directory}: no text was continued; runs on text (`outcross run lm`) do that")
    if json:
        print_json([{"prompt": prompt, "continued": [s.json() for s in said]} for prompt, said in found])
        return
    screen = console(stderr=False)
    for prompt, said in found:
        screen.print(f"[bold]prompt[/] {escape(one_line(prompt))}\n")
        for arm in dict.fromkeys(s.arm for s in said):
            screen.print(f"[bold]{escape(one_line(arm))}[/]")
            for s in said:
                if s.arm == arm:
                    screen.print(f"[dim]{s.generation:>4}[/] {escape(one_line(s.text))}")
            screen.print("")


def _furthest(result: Result) -> list[tuple[int, Prediction]]:
    """The three predictions that are furthest off, where theory does not hold."""
    if result.theory.holds is not False:
        return []
    return sorted(result.theory.predictions, key=lambda found: -abs(found[1].z))[:3]


def _numbers(result: Result) -> None:
    from rich.markup import escape
    from rich.table import Table

    from outcross.cli.progress import console

    frame = result.frame
    for v in result.verdicts:
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left")
        table.title = escape(f"{frame.cells[v.cell].label}, generation {v.generation:,}, {v.chains} chains")
        for name in ("measure", "median", "95 % interval", "real data", "unit"):
            table.add_column(name, no_wrap=name != "unit", overflow="fold", min_width=7 if name == "unit" else None)
        for s in frame.summaries:
            if s.cell == v.cell and s.generation == v.generation:
                unit = frame.quantities[s.measure].unit if s.measure in frame.quantities else ""
                note = unit if s.chains else escape(s.why or "")
                table.add_row(s.measure, number(s.value), span(s.low, s.high), span(s.floor_low, s.floor_high), note)
        console(stderr=False).print(table)


def number(value: float) -> str:
    """Three significant digits, thousands written out."""
    if value != value:
        return ""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def span(low: float, high: float) -> str:
    """An interval, or nothing."""
    return "" if low != low or high != high else f"{number(low)} .. {number(high)}"
