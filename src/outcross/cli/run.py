"""outcross run: run, resume or extend an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from outcross.cli.options import RUNS, Debug, Json, Out, print_json

if TYPE_CHECKING:
    from outcross.api import Result
    from outcross.runs.spec import Experiment


def command(
    experiment: Annotated[str, typer.Argument(help="A shipped experiment (see `outcross plugins`) or a YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="key=value settings laid over it, e.g. samples=500 chains=4 learner.components=3",
            metavar="[KEY=VALUE]...",
            show_default=False,
        ),
    ] = None,
    out: Out = RUNS,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 for one a core.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process.")] = 1,
    memory: Annotated[
        float | None,
        typer.Option(min=0.001, help="GiB that all pools may take; default 80 % of what there is.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try every arm, say what it would cost, stop.")] = False,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Progress as lines, not as a display.")] = False,
    debug: Debug = False,
) -> None:
    r"""Run an experiment. The same command again resumes; more generations, chains or measures extend it.

    [dim]outcross run gmm[/dim]

    [dim]outcross run gmm source.kind=file source.path=my.csv 'source.columns=\[a,b]'[/dim]
    """
    import time

    from outcross import api
    from outcross.cli.progress import watcher
    from outcross.runs import preflight, runner, spec

    began = time.monotonic()
    wanted = spec.load(experiment, overrides or ())
    bytes_ = None if memory is None else int(memory * 2**30)
    if dry_run:
        with watcher(quiet or json, verbose) as watching:
            outlook = preflight.outlook(wanted, runner.Options(workers).cores, watching.say)
        _say_outlook(wanted, outlook, json)
        return
    with watcher(quiet or json, verbose) as watching:
        result = api.run(
            wanted, out=out, workers=workers, threads=threads, memory=bytes_, report=report, watcher=watching
        )
    seconds = time.monotonic() - began
    if json:
        print_json(_machine(result, report, seconds))
    else:
        _say(result, report, seconds)
    if result.failed:
        raise typer.Exit(1)


def _machine(result: Result, report: bool, seconds: float) -> dict[str, object]:
    ended = [status for _, status, _ in result.frame.chains.values()]
    return {
        "run": str(result.directory),
        "digest": result.frame.reader.meta("digest"),
        "status": "failed" if result.failed else "done",
        "chains": {name: ended.count(name) for name in ("done", "degenerate", "failed")},
        "generations": result.experiment.generations,
        "verdict": [v.json(result.frame) for v in result.verdicts],
        "report": str(result.directory / "report.html") if report else None,
        "seconds": round(seconds, 3),
    }


def _say(result: Result, report: bool, seconds: float) -> None:
    from rich.markup import escape

    from outcross.cli.progress import console

    paint = {"late": "red", "early": "yellow", "none": "green", "inconclusive": "cyan"}
    said = {"late": "late collapse", "early": "early collapse", "none": "no collapse", "inconclusive": "inconclusive"}
    screen = console(stderr=False)
    for v in result.verdicts:
        label = escape(result.frame.cells[v.cell].label)
        screen.print(f"[bold]{label}[/]: [bold {paint[v.phase]}]{said[v.phase]}[/]: {escape(v.why)}")
    if result.theory.covered:
        screen.print(escape(result.theory.sentence), style="red" if result.theory.holds is False else None)
    if result.failed:
        screen.print(f"[red]{result.failed} chains failed[/]: `outcross show {escape(result.directory.name)}` says why")
    screen.print(f"[dim]{seconds:.1f} s[/]")
    if report:
        print(f"report: {result.directory / 'report.html'}")


def _say_outlook(experiment: Experiment, outlook: object, json: bool) -> None:
    from outcross.runs.preflight import Outlook

    assert isinstance(outlook, Outlook)
    if json:
        print_json(
            {
                "seconds": outlook.seconds,
                "disk_bytes": outlook.disk_bytes,
                "memory_bytes": outlook.memory_bytes,
                "generations": outlook.generations,
            }
        )
        return
    print(f"{experiment.name}: {outlook.generations:,} generations in all")
    for note in outlook.notes:
        print(f"  {note}")
    print(
        f"time about {_duration(outlook.seconds)}, disk about {outlook.disk_bytes / 2**20:.1f} MiB, "
        f"pools at most about {outlook.memory_bytes / 2**20:.0f} MiB of memory"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
