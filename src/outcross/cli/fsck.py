"""outcross fsck: is every byte of a run as it was written?"""

from __future__ import annotations

from typing import Annotated

import typer

from outcross.cli.options import RUNS, Debug, Json, Out, print_json


def command(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Runs to check; all of them by default.", show_default=False)
    ] = None,
    out: Out = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check runs whole. Exit code 3 if anything is damaged; what a kill left over is named but does no harm."""
    from outcross.core.errors import CorruptStore
    from outcross.runs.upkeep import Health, check, find, listing

    directories = [find(r, out) for r in runs] if runs else [r.directory for r in listing(out)]
    found = {}
    for directory in directories:
        try:
            found[str(directory)] = check(directory)
        except CorruptStore as e:
            found[str(directory)] = Health([str(e)], [])
    if json:
        print_json(
            {name: {"damage": h.damage, "leftovers": [str(p) for p in h.leftovers]} for name, h in found.items()}
        )
    for name, health in () if json else found.items():
        for damage in health.damage:
            print(f"{name}: {damage}")
        for path in health.leftovers:
            print(f"{name}: {path.name} is left over; `outcross gc` removes it")
        if not health.damage:
            print(f"{name}: whole")
    if any(h.damage for h in found.values()):
        raise typer.Exit(CorruptStore.exit_code)
