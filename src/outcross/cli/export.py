"""outcross export: a run's numbers as a table for other programs, or one of its models for another run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outcross.cli.options import RUNS, Debug, Out, Run

if TYPE_CHECKING:
    from outcross.runs.models import Kept


def command(
    run: Run,
    to: Annotated[
        Path,
        typer.Argument(
            help="Numbers: a .parquet, .csv or .json file. A model: .safetensors, or a new folder.", show_default=False
        ),
    ],
    arm: Annotated[
        str | None, typer.Option(help="Of a model: its arm, as `show` names it.", show_default=False)
    ] = None,
    chain: Annotated[
        int | None, typer.Option(min=0, help="Of a model: its chain; the first by default.", show_default=False)
    ] = None,
    generation: Annotated[
        int | None,
        typer.Option("--generation", "-g", min=0, help="Of a model: the last kept by default.", show_default=False),
    ] = None,
    out: Out = RUNS,
    debug: Debug = False,
) -> None:
    """Export every measured number, tidy: one row a chain, generation and measure; or a model, for another run.

    outcross export gmm numbers.parquet

    outcross export vae teacher.safetensors --arm mix10

    A language model (causal_lm) also goes into a folder with its tokenizer, for learner.model and source.tokens.
    """
    from outcross.api import load
    from outcross.core.errors import require
    from outcross.report.export import export

    result = load(run, out)
    if to.suffix in ("", ".safetensors"):
        _model(result.kept(arm, chain, generation), to)
        return
    named = {"--arm": arm, "--chain": chain, "--generation": generation}
    given = ", ".join(name for name, value in named.items() if value is not None)
    require(not given, f"{given}: of a model, which a file of numbers is not; use FILE.safetensors or a folder")
    print(f"{export(result.table(), to):,} rows in {to}")


def _model(kept: Kept, to: Path) -> None:
    """Write a model, and print the node that reads it."""
    import json

    from outcross.core.errors import require
    from outcross.report.export import write

    if to.suffix:
        require(not to.exists(), f"{to} is there already: name a new file, as runs may read that one")
        write(to, kept.safetensors())
        node: dict[str, object] = {"kind": "stored", "path": str(to), "learner": kept.learner}
    else:
        kept.folder(to)
        node = {**kept.learner, "model": str(to), "config": {}, "epochs": 0}
    print(f"{kept.told}, in {to}; as a learner, or a teacher's, it is")
    print(json.dumps(node))
