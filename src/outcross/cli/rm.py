"""outcross rm: delete runs."""

from __future__ import annotations

from typing import Annotated

import typer

from outcross.cli.options import RUNS, Debug, Out


def command(
    runs: Annotated[list[str], typer.Argument(help="Runs to delete.", show_default=False)],
    out: Out = RUNS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    debug: Debug = False,
) -> None:
    """Delete runs for good."""
    from outcross.runs.upkeep import find, remove

    directories = [find(r, out) for r in runs]
    for directory in directories:
        if yes or typer.confirm(f"delete {directory}?"):
            remove(directory)
            print(f"deleted {directory}")
