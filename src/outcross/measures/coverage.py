"""Coverage: precision, recall, density and coverage from k nearest neighbours, and the density as a picture."""

from __future__ import annotations

import numpy as np

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.measures.context import SAMPLED, Context, kth_neighbour

NEIGHBOURS, BINS, MAPPED = 5, 72, 30_000
QUANTITIES = {
    "precision": Quantity("share", "none", None, "model rows inside the reference's manifold"),
    "recall": Quantity("share", "down", None, "reference rows inside the model's manifold"),
    "density": Quantity("ratio", "none", 1.0, "how many reference neighbourhoods hold a model row"),
    "coverage": Quantity("share", "down", None, "reference rows with a model row among their neighbours"),
}


def coverage(generation: Generation, context: Context) -> Readings:
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020): k = 5, equal rows."""
    if not (context.reference.sd > 0).all():
        return {name: Reading(np.nan, why=context.reference.flat) for name in QUANTITIES}
    n = min(SAMPLED, len(context.reference.rows))
    if n <= NEIGHBOURS:
        return {
            name: Reading(np.nan, why=f"{n} reference rows: more than {NEIGHBOURS} are needed") for name in QUANTITIES
        }
    between, fake, _ = context.gaps
    real_radius = context.reference.neighbour_radius(n, NEIGHBOURS)
    fake_radius = kth_neighbour(fake, NEIGHBOURS)
    inside = between < real_radius[:, None]
    return {
        "precision": float(inside.any(axis=0).mean()),
        "recall": float((between < fake_radius[None]).any(axis=1).mean()),
        "density": float(np.count_nonzero(inside) / n / NEIGHBOURS),
        "coverage": float((between.min(axis=1) < real_radius).mean()),
    }


def density_map(generation: Generation, context: Context) -> Readings:
    """Share of draws in each cell over the reference's range, first two columns (one column: a vector)."""
    low, high = context.reference.frame[:, :2]
    rows = context.draws[:MAPPED, :2]
    cell = np.floor((rows - low) / (high - low) * BINS).astype(np.int64)
    cell = cell[(cell.min(axis=1) >= 0) & (cell.max(axis=1) < BINS)]
    shape = (BINS,) * cell.shape[1]
    counts = np.bincount(np.ravel_multi_index(tuple(cell.T), shape), minlength=BINS ** len(shape)).reshape(shape)
    return {"density_map": counts / len(rows), "density_range": np.stack([low, high])}


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
