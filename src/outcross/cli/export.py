"""outcross export: a run's numbers as a table for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from outcross.cli.options import RUNS, Debug, Out, Run


def command(
    run: Run,
    to: Annotated[Path, typer.Argument(help="File to write: .parquet, .csv or .json.", show_default=False)],
    out: Out = RUNS,
    debug: Debug = False,
) -> None:
    """Export every measured number, tidy: one row a chain, generation and measure."""
    from outcross.api import load
    from outcross.report.export import export

    print(f"{export(load(run, out).table(), to):,} rows in {to}")
