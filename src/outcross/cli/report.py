"""outcross report: write the page of a run again."""

from __future__ import annotations

from outcross.cli.options import RUNS, Debug, Out, Run


def command(run: Run, out: Out = RUNS, debug: Debug = False) -> None:
    """Write report.html anew and print its path."""
    from outcross.report.page import write
    from outcross.runs.upkeep import find

    print(write(find(run, out)))
