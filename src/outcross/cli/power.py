"""outcross power: how many chains show an effect."""

from __future__ import annotations

from typing import Annotated

import typer

from outcross.cli.options import RUNS, Debug, Json, Out, Run, print_json


def command(
    run: Run,
    measure: Annotated[str, typer.Option("--measure", "-m", help="In which the effect is to be shown.")],
    arm: Annotated[
        str | None, typer.Option("--arm", help="The arm that differs; the second by default.", show_default=False)
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", help="Another arm, the first by default, or `start`: its own generation 0.", show_default=False
        ),
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option(
            "--effect",
            help="As a share of the baseline's median: -0.1 is a tenth less; the pilot's own by default.",
            show_default=False,
        ),
    ] = None,
    power: Annotated[float, typer.Option("--power", help="Chance to show it.")] = 0.8,
    out: Out = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    r"""Say how many chains show an effect, and at which generation fewest do, from a pilot run.

    Shown is what `outcross compare` says: the 95 % interval of the median paired difference leaves out 0.

    [dim]outcross power gmm-f9a2 -m tail_99 --effect -0.1[/dim]

    [dim]outcross power gmm-f9a2 -m variance_ratio --arm mix10 --against start --effect -0.05 --power 0.9[/dim]
    """
    from outcross.report import power as powers
    from outcross.report.frames import Frame
    from outcross.runs.upkeep import find

    found = powers.power(Frame(find(run, out)), measure, arm, against, effect, power)
    if json:
        print_json(found.json())
        return
    from rich.markup import escape
    from rich.table import Table

    from outcross.cli.progress import console

    screen = console(stderr=False)
    screen.print(f"[bold]{escape(found.sentence)}[/]\n")
    table = Table(box=None, pad_edge=False)
    for head in ("generation", f"effect, {found.unit}", "on its side", "chains", "95 % interval"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in found.needs:
        table.add_row(*powers.told(one))
    screen.print(table)
    shifted = ", shifted to the stated effect" if effect is not None else ""
    screen.print(
        "\n[dim]Sign test of paired differences, as `outcross compare` speaks; the share of pairs on the effect's side "
        f"is that of {found.best.pilot:,} pilot chains{shifted}.[/]"
    )
