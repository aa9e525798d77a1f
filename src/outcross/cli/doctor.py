"""outcross doctor: is this machine fit to run experiments?"""

from __future__ import annotations

from pathlib import Path

import typer

from outcross.cli.options import RUNS, Debug, Json, Out, print_json


def command(out: Out = RUNS, json: Json = False, debug: Debug = False) -> None:
    """Check Python, libraries, compiler, disk and database; exit code 5 if something is missing."""
    from outcross.runs.doctor import examine

    findings = examine(Path(out))
    if json:
        print_json([f._asdict() for f in findings])
    else:
        for f in findings:
            print(f"{'ok  ' if f.ok else 'FAIL'}  {f.what}: {f.found}")
    if not all(f.ok for f in findings):
        raise typer.Exit(5)
