"""outcross gc: remove what no run refers to."""

from __future__ import annotations

from typing import Annotated

import typer

from outcross.cli.options import RUNS, Debug, Out


def command(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Runs to tidy; all of them by default.", show_default=False)
    ] = None,
    out: Out = RUNS,
    debug: Debug = False,
) -> None:
    """Remove what kills left behind: blobs and temporary files that nothing refers to."""
    from outcross.runs.upkeep import collect, find, listing

    directories = [find(r, out) for r in runs] if runs else [r.directory for r in listing(out)]
    freed = sum(collect(directory) for directory in directories)
    print(f"{freed / 2**20:.1f} MiB freed in {len(directories)} run{'' if len(directories) == 1 else 's'}")
