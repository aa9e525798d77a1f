"""How far a model that is corrected by its own samples went away from them, and what that was worth where it chose."""

from __future__ import annotations

import numpy as np

from outcross.core.contracts import Generation, Measure, Quantity, Readings
from outcross.measures.context import Context

QUANTITIES = {
    "correction_weight": Quantity("weight", "none", None, "how far SIMS or Neon goes; 0 is the base itself"),
    "correction_gain": Quantity(
        "share", "none", None, "by which the chosen weight is nearer to validation data than the base (text: its loss)"
    ),
    "correction_tried": Quantity("distance", "none", None, "weights that were tried, distances from validation data"),
}


def correction(generation: Generation, context: Context) -> Readings:
    """Weight and gain on the data that it was chosen by, which flatter it; nothing for models without a correction."""
    tried = getattr(context.model, "tried", None)
    if tried is None:
        return {}
    weight = float(getattr(context.model, "weight", np.nan))
    if not len(tried):
        return {"correction_weight": weight}
    base, chosen = float(tried[tried[:, 0] == 0.0][0, 1]), float(tried[tried[:, 0] == weight][0, 1])
    return {
        "correction_weight": weight,
        "correction_gain": 1.0 - chosen / base if base > 0.0 else np.nan,
        "correction_tried": tried[np.argsort(tried[:, 0])],
    }


CITE = "Alemohammad et al. 2024 (SIMS), 2025 (Neon)"
MEASURES = (Measure("correction", correction, QUANTITIES, False, CITE, "any"),)
