"""outcross compare: paired differences between policies, or between runs."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer

from outcross.cli.options import RUNS, Debug, Json, Out, Run, print_json

_COLUMNS = {"measure": 20, "difference": 10, "95 % interval": 15, "of pairs": 9, "unit": 5, "": 7}  # with least widths


def command(
    run: Run,
    other: Annotated[
        str | None,
        typer.Argument(
            help="A second run, compared cell by cell; without one, every arm is compared with the first.",
            show_default=False,
        ),
    ] = None,
    generation: Annotated[
        int | None,
        typer.Option("--generation", "-g", help="A recorded generation; the last by default.", show_default=False),
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", "-m", help="Measures to compare; the chief ones by default.", show_default=False),
    ] = None,
    out: Out = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare policies on the same seeds: median paired difference with its 95 % interval.

    Of two to five pairs it is the mean, with Student's interval, which takes the differences to be normal.
    """
    from outcross.report.compare import compare
    from outcross.report.frames import Frame
    from outcross.runs.upkeep import find

    first = Frame(find(run, out))
    found = compare(first, Frame(find(other, out)) if other else None, generation, measure)
    if json:
        print_json([d.json() for d in found])
        return
    from rich.markup import escape
    from rich.table import Table

    from outcross.cli.progress import console
    from outcross.cli.show import number, span

    shown = console(stderr=False)
    shown.print(f"generation {found[0].generation:,}")
    for pair, differences in groupby(found, lambda d: f"{d.arm} - {d.baseline}"):
        table = Table(box=None, pad_edge=False, title=escape(pair), title_justify="left")
        for name, width in _COLUMNS.items():
            table.add_column(name, no_wrap=name in ("measure", "95 % interval", "of pairs"), min_width=width)
        for d in differences:
            interval = span(d.difference.low, d.difference.high)
            table.add_row(d.measure, number(d.difference.value), interval, f"{d.of} of {d.pairs}", d.unit, d.says)
        shown.print()
        shown.print(table)
