"""outcross export: a run's numbers as a table for other programs, or one of its models for another run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from outcross.cli.options import RUNS, Debug, Out, Run


def command(
    run: Run,
    to: Annotated[Path, typer.Argument(help="File: .parquet, .csv, .json; .safetensors: a model.", show_default=False)],
    arm: Annotated[
        str | None, typer.Option(help="Of a model: its arm, with the sweep's values as `show` has it.")
    ] = None,
    chain: Annotated[int | None, typer.Option(min=0, help="Of a model: its chain; the first by default.")] = None,
    generation: Annotated[
        int | None, typer.Option("--generation", "-g", min=0, help="Of a model: the last that is kept by default.")
    ] = None,
    out: Out = RUNS,
    debug: Debug = False,
) -> None:
    """Export every measured number, tidy: one row a chain, generation and measure; or a model, to teach another run.

    outcross export gmm numbers.parquet

    outcross export vae teacher.safetensors --arm mix10
    """
    from outcross.api import load
    from outcross.core.errors import require

    result = load(run, out)
    if to.suffix == ".safetensors":
        _model(result, to, arm, chain, generation)
        return
    from outcross.report.export import export

    given = [
        name for name, value in (("--arm", arm), ("--chain", chain), ("--generation", generation)) if value is not None
    ]
    require(not given, f"{', '.join(given)}: of a model, which a file of numbers is not; use FILE.safetensors")
    print(f"{export(result.table(), to):,} rows in {to}")


def _model(result: Any, to: Path, arm: str | None, chain: int | None, generation: int | None) -> None:
    """Write a model, and print the node that reads it."""
    import json

    from outcross.report.export import write

    kept = result.kept(arm, chain, generation)
    write(to, kept.safetensors())
    print(f"{kept.told}, in {to}; to use it, as a teacher say:")
    print(json.dumps({"kind": "stored", "path": str(to), "learner": kept.learner}))
