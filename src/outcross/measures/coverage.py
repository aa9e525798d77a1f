"""Coverage: precision, recall, density and coverage from k nearest neighbours, and the density as a picture."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.measures.context import Array, Context

ROWS, NEIGHBOURS, BINS = 1000, 5, 72
QUANTITIES = {
    "precision": Quantity("share", "none", None, "model rows inside the reference's manifold"),
    "recall": Quantity("share", "down", None, "reference rows inside the model's manifold"),
    "density": Quantity("ratio", "none", 1.0, "how many reference neighbourhoods hold a model row"),
    "coverage": Quantity("share", "down", None, "reference rows with a model row among their neighbours"),
}


def coverage(generation: Generation, context: Context) -> Readings:
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020): k = 5, equal rows."""
    sd = context.reference.sd
    if not (sd > 0).all():
        return {name: Reading(np.nan, why=context.reference.flat) for name in QUANTITIES}
    fake, real = (rows / sd for rows in context.rows(ROWS))
    if len(real) <= NEIGHBOURS:
        return {
            name: Reading(np.nan, why=f"{len(real)} reference rows: more than {NEIGHBOURS} are needed")
            for name in QUANTITIES
        }
    between = cdist(real, fake)
    real_radius, fake_radius = _radius(real), _radius(fake)
    inside = between < real_radius[:, None]
    return {
        "precision": float(inside.any(axis=0).mean()),
        "recall": float((between < fake_radius[None]).any(axis=1).mean()),
        "density": float(inside.sum(axis=0).mean() / NEIGHBOURS),
        "coverage": float((between.min(axis=1) < real_radius).mean()),
    }


def _radius(rows: Array) -> Array:
    """Distance of each row to its k-th neighbour among the others."""
    return np.asarray(np.partition(cdist(rows, rows), NEIGHBOURS, axis=1)[:, NEIGHBOURS])


def density_map(generation: Generation, context: Context) -> Readings:
    """Share of draws in each cell over the reference's range, first two columns (one column: a vector)."""
    reference = context.reference
    low, high = reference.rows.min(axis=0), reference.rows.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    low, high = (low - 0.05 * span)[:2], (high + 0.05 * span)[:2]
    counts, _ = np.histogramdd(context.draws[:, :2], bins=BINS, range=list(zip(low, high, strict=True)))
    return {"density_map": counts / len(context.draws), "density_range": np.stack([low, high])}


MEASURES = (
    Measure("coverage", coverage, QUANTITIES, True, "Kynkaanniemi et al. 2019; Naeem et al. 2020"),
    Measure(
        "density_map",
        density_map,
        {
            "density_map": Quantity("share", "none", None, "share of draws by cell, first two columns"),
            "density_range": Quantity("data units", "none", None, "lower and upper edge of the cells"),
        },
        True,
        "Shumailov et al. 2024, mixture figure",
    ),
)
