"""What stages did to the rows of a generation: every row dropped, written over or put in is counted."""

from __future__ import annotations

import numpy as np

from outcross.core.contracts import Generation, Measure, Quantity, Readings
from outcross.measures.context import Context

QUANTITIES = {
    "stage_dropped": Quantity(
        "share", "none", None, "rows that stages left out or wrote over, of those they were given"
    ),
    "stage_altered": Quantity("share", "none", None, "rows that stages wrote over or put in, of those that went on"),
    "stage_rows": Quantity("rows", "none", None, "stage by stage: rows given, rows that went on, of those altered"),
}


def stages(generation: Generation, context: Context) -> Readings:
    """Counts over all stages of a generation; nothing where there are none, or a model was read from a store."""
    told = generation.stages
    if not told:
        return {}
    seen, passed, altered, dropped = (
        sum(getattr(t, name) for t in told) for name in ("seen", "passed", "altered", "dropped")
    )
    return {
        "stage_dropped": dropped / seen if seen else 0.0,
        "stage_altered": altered / passed if passed else 0.0,
        "stage_rows": np.array([[t.seen, t.passed, t.altered] for t in told], dtype=np.float64),
    }


MEASURES = (Measure("stages", stages, QUANTITIES, False, "counts", "any"),)
