"""outcross ls: the runs in a folder."""

from __future__ import annotations

from outcross.cli.options import RUNS, Debug, Json, Out, print_json


def command(out: Out = RUNS, json: Json = False, debug: Debug = False) -> None:
    """List the runs."""
    from outcross.runs.upkeep import listing

    found = listing(out)
    if json:
        print_json(
            [
                {
                    "run": str(r.directory),
                    "state": r.state,
                    "title": r.title,
                    "chains": r.chains,
                    "generations": r.generations,
                    "bytes": r.bytes,
                }
                for r in found
            ]
        )
        return
    if not found:
        print(f"no runs in {out}; `outcross run gmm` makes one")
        return
    from rich.markup import escape
    from rich.table import Table

    from outcross.cli.progress import console

    table = Table("run", "state", "chains", "generations", "size", box=None, pad_edge=False, expand=True)
    table.add_column("title", no_wrap=True, ratio=1)  # gives way first: names are what other verbs take
    for r in found:
        table.add_row(
            escape(r.directory.name),
            r.state,
            r.chains,
            f"{r.generations:,}",
            f"{r.bytes / 2**20:.1f} MiB",
            escape(r.title),
        )
    console(stderr=False).print(table)
