"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder that holds the runs.", show_default=True)]
Run = Annotated[str, typer.Argument(help="A run: its path, its name, or how the name begins.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
RUNS = Path("runs")


def print_json(tree: object) -> None:
    """One JSON object on one line of standard output; a NaN in it is a defect."""
    import json

    print(json.dumps(tree, allow_nan=False), flush=True)
