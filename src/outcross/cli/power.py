"""outcross power: how many chains show an effect."""

from __future__ import annotations

from typing import Annotated

import typer

from outcross.cli.options import RUNS, Debug, Json, Out, print_json


def command(
    run: Annotated[
        str | None,
        typer.Argument(help="A pilot run, by path or name; none with --rows and --real.", show_default=False),
    ] = None,
    measure: Annotated[
        str, typer.Option("--measure", "-m", help="In which the effect is to be shown; without a pilot also tail.")
    ] = "variance",
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
    rows: Annotated[
        int | None, typer.Option("--rows", help="Without a pilot: rows of every training set.", show_default=False)
    ] = None,
    real: Annotated[
        float | None, typer.Option("--real", help="Without a pilot: the real share, against none.", show_default=False)
    ] = None,
    anchor: Annotated[str, typer.Option("--anchor", help="Without a pilot: fresh, fixed or redrawn.")] = "fresh",
    generations: Annotated[int, typer.Option("--generations", "-g", help="Without a pilot: retrainings.")] = 20,
    out: Out = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    r"""Say how many chains show an effect, and at which generation fewest do.

    From a pilot run; or, of a real share against none in a Gaussian column, from theory.

    Shown is what `outcross compare` says: the 95 % interval of the median paired difference leaves out 0.

    [dim]outcross power gmm-f9a2 -m tail_99 --effect -0.1[/dim]

    [dim]outcross power --rows 500 --real 0.1 --generations 50[/dim]

    [dim]outcross power gmm-f9a2 -m variance_ratio --arm mix10 --against start --effect -0.05 --power 0.9[/dim]
    """
    from outcross.core.errors import require
    from outcross.report import power as powers

    require(run is None or (rows is None and real is None), "give a pilot run, or --rows and --real, not both")
    if run is not None:
        from outcross.report.frames import Frame
        from outcross.runs.upkeep import find

        found = powers.power(Frame(find(run, out)), measure, arm, against, effect, power)
    else:
        require(rows is not None and real is not None, "give a pilot run; or --rows and --real, for what theory says")
        require(arm is None and against is None, "--arm and --against are of a pilot run; give one")
        found = powers.known(rows, real, anchor, generations, measure, effect, power)  # type: ignore[arg-type]
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
    pairs = f"that of {found.best.pilot:,} {'pilot chains' if run else 'pairs drawn from the exact law (G1, M1 to M4)'}"
    screen.print(
        "\n[dim]Sign test of paired differences, as `outcross compare` speaks; the share of pairs on the effect's side "
        f"is {pairs}{shifted}.[/]"
    )
