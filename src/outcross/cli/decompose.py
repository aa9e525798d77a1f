"""outcross decompose: which cause takes how much of a collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from outcross.cli.options import RUNS, Debug, Json, Out, print_json

if TYPE_CHECKING:
    from outcross.report.causes import Attribution


def command(
    experiment: Annotated[
        str, typer.Argument(help="A shipped experiment (see `outcross plugins`), a YAML file, or a run of this verb.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="key=value settings laid over it, e.g. chains=32 causes.rows=[1,4,16] causes.sampler.top_p=1",
            metavar="[KEY=VALUE]...",
            show_default=False,
        ),
    ] = None,
    arm: Annotated[
        str | None, typer.Option("--arm", help="Which arm is taken apart; the first by default.", show_default=False)
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option(
            "--measure",
            "-m",
            help="What the drift is measured by; what the run tells best by default.",
            show_default=False,
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Share out the logarithm of a ratio or a loss.")] = False,
    generation: Annotated[
        int | None,
        typer.Option("--generation", "-g", help="A recorded generation; the last by default.", show_default=False),
    ] = None,
    out: Out = RUNS,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 for one a core.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process.")] = 1,
    memory: Annotated[
        float | None,
        typer.Option(min=0.001, help="GiB that all pools may take; default 80 % of what there is.", show_default=False),
    ] = None,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Progress as lines, not as a display.")] = False,
    debug: Debug = False,
) -> None:
    r"""Tell how much of a drift is finite samples, the family, learning, or the sampler.

    Runs the learner with every combination of these causes removed, arms paired by seed, and shares the drift out.
    Takes 20 generations and 16 chains of an experiment that has more, unless they are given.

    [dim]outcross decompose causes/gmm-too-few[/dim]

    [dim]outcross decompose gmm learner.iterations=2 chains=32 -m w2_gaussian[/dim]
    """
    from outcross import api
    from outcross.cli.progress import watcher

    with watcher(quiet or json, verbose) as watching:
        found = api.decompose(
            experiment,
            overrides or (),
            arm=arm,
            measure=measure,
            scale="log" if log else "raw",
            out=out,
            workers=workers,
            threads=threads,
            memory=None if memory is None else int(memory * 2**30),
            report=report,
            watcher=watching,
        )
    found.at(generation)
    if json:
        print_json({**found.json(), "report": str(found.frame.directory / "report.html") if report else None})
        return
    _say(found, generation)
    if report:
        print(f"report: {found.frame.directory / 'report.html'}")


def _say(found: Attribution, generation: int | None) -> None:
    from rich.markup import escape
    from rich.table import Table

    from outcross.cli.progress import console
    from outcross.report.shares import table

    screen, told = console(stderr=False), table(found, generation)
    shown = Table(box=None, pad_edge=False)
    for name in told.head:
        shown.add_column(name, justify="left" if name == told.head[0] else "right", no_wrap=name != told.head[-1])
    for row in told.rows:
        shown.add_row(*(escape(cell.replace("\n", "  ")) for cell in row))
    screen.print(f"[bold]{escape(found.sentence(generation))}[/]\n")
    screen.print(shown)
    screen.print()
    for note in (*found.removed, *found.notes(generation)):
        screen.print(f"[dim]{escape(note)}[/]")
