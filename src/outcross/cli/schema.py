"""outcross schema: what an experiment file may hold, as JSON Schema."""

from __future__ import annotations

from outcross.cli.options import Debug


def command(debug: Debug = False) -> None:
    """Print the JSON Schema of an experiment, for editors and other programs."""
    import json

    from outcross.runs.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
