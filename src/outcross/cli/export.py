"""outcross export: a run's numbers as a table for other programs, or a language model of it as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from outcross.cli.options import RUNS, Debug, Out, Run


def command(
    run: Run,
    to: Annotated[
        Path,
        typer.Argument(help="File to write: .parquet, .csv or .json; a folder for a model.", show_default=False),
    ],
    arm: Annotated[
        str | None, typer.Option("--arm", help="Whose model; that of the first arm by default.", show_default=False)
    ] = None,
    chain: Annotated[int, typer.Option("--chain", help="Which chain's model.", min=0)] = 0,
    out: Out = RUNS,
    debug: Debug = False,
) -> None:
    """Export every measured number, tidy: one row a chain, generation and measure.

    To a name without a suffix: the last model of a causal_lm run, with its tokenizer, which learner.model=FOLDER and
    source.tokens=FOLDER read.
    """
    from outcross.api import load
    from outcross.core.errors import require
    from outcross.report.export import export

    if not to.suffix:
        from outcross.report.pretrained import save_model

        print(f"generation {save_model(load(run, out).frame, to, arm, chain):,} in {to}")
        return
    require(arm is None and chain == 0, "--arm and --chain are of a model: give a folder to write it to")
    print(f"{export(load(run, out).table(), to):,} rows in {to}")
