"""Tails: mass beyond the truth's outer percentiles, the earliest sign of collapse (Shumailov et al. 2024).

Tails are taken about the model's own mean: a mean that wanders would otherwise fake a heavy tail. A model of counts and
flags stays where it is, as a shift would move whole values across a percentile, and columns of them are relative to
what of the truth lies strictly beyond, if anything does. Exact where the law of the model is known, else a share of
100,000 fresh draws with its binomial interval.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.measures.context import DRAWS, LEVELS, Array, Context

_Z = float(ndtri(0.975))
_LEAST = 10.0  # reference rows that a tail needs to be worth a ratio
_NAMES = ("99", "999", "95")  # in the order of LEVELS

QUANTITIES = {
    "tail_99": Quantity("ratio", "down", 1.0, "mass beyond the true 1st and 99th percentiles, mean over columns"),
    "tail_999": Quantity("ratio", "down", 1.0, "mass beyond the true 0.1st and 99.9th percentiles, mean over columns"),
    "tail_95": Quantity("ratio", "down", 1.0, "mass beyond the true 5th and 95th percentiles, mean over columns"),
    "tail_worst_99": Quantity("ratio", "down", 1.0, "tail_99 for the column that lost most: the earliest sign"),
    "tail_worst_95": Quantity("ratio", "down", 1.0, "tail_95 for the column that lost most"),
    "radius_99": Quantity("ratio", "down", 1.0, "mass beyond the true 99th percentile of Mahalanobis distance"),
    "radius_95": Quantity("ratio", "down", 1.0, "mass beyond the true 95th percentile of Mahalanobis distance"),
    "radius_999": Quantity("ratio", "down", 1.0, "mass beyond the true 99.9th percentile of Mahalanobis distance"),
}


def tails(generation: Generation, context: Context) -> Readings:
    """Tail masses relative to the truth's."""
    if context.reference.flat:
        return {name: Reading(np.nan, why=context.reference.flat) for name in QUANTITIES}
    columns, nominal = side_masses(context).sum(axis=1), true_masses(context).sum(axis=1)  # (d, levels)
    radial, exact = radius_masses(context), context.law is not None
    readings = {}
    for j, name in enumerate(_NAMES):
        there = nominal[:, j] > 0.0
        mass, true = columns[there, j], nominal[there, j]
        worst = slice(k := int(np.argmin(mass / true)), k + 1) if there.any() else slice(0)
        readings[f"tail_{name}"] = _ratio(context, mass, true, exact)
        if name != "999":
            readings[f"tail_worst_{name}"] = _ratio(context, mass[worst], true[worst], exact)
        radius = np.zeros(0) if context.lumps.all() else radial[j : j + 1]
        readings[f"radius_{name}"] = _ratio(context, radius, LEVELS[j : j + len(radius)], _radius_exact(context))
    return readings


def side_masses(context: Context) -> Array:
    """Mass of the model beyond each threshold: (d, 2, levels), lower side first."""
    own = context.reference.thresholds + context.moments.mean[:, None, None]
    if context.law is not None:
        below = context.law.marginal_cdf(own.reshape(len(own), -1)).reshape(own.shape)
        return np.stack([below[:, 0], 1.0 - below[:, 1]], axis=1)
    points = np.where(context.lumps[:, None, None], context.reference.quantiles, own)
    draws = context.draws[:, :, None]
    return np.stack([np.mean(draws < points[:, 0], axis=0), np.mean(draws > points[:, 1], axis=0)], axis=1)


def true_masses(context: Context) -> Array:
    """Mass of the truth beyond each threshold: (d, 2, levels); 0 where a few values leave none."""
    lumps = context.reference.lumps
    nominal = np.broadcast_to(LEVELS, (len(lumps), 2, len(LEVELS)))
    return np.where(lumps[:, None, None], context.reference.beyond, nominal) if lumps.any() else nominal


def radius_masses(context: Context) -> Array:
    """Mass of the model beyond each true Mahalanobis radius about its own mean (levels,)."""
    reference, mean = context.reference, context.moments.mean
    if context.law is not None:
        exact = context.law.mass_outside(mean, reference.whitener, reference.radii)
        if exact is not None:
            return exact
    return np.asarray(np.mean(reference.distances(context.draws, mean)[:, None] > reference.radii, axis=0))


def _radius_exact(context: Context) -> bool:
    return context.law is not None and context.law.dimension <= 2


def _ratio(context: Context, masses: Array, true: Array, exact: bool) -> Reading:
    """Mean of masses / true with an interval for the draws' and the reference's own error, on the log scale."""
    reference = context.reference
    if not len(true):
        return Reading(np.nan, why="too few distinct values to have a tail")
    nominal = float(true.mean())
    ratio = float((masses / true).mean())
    if reference.law is None and nominal * len(reference.rows) < _LEAST:
        needed = int(np.ceil(_LEAST / nominal))
        return Reading(np.nan, why=f"{len(reference.rows)} reference rows: this tail needs {needed:,}")
    own = 0.0 if exact else 1.0 / (DRAWS * max(ratio * nominal, 1.0 / DRAWS))
    error = _Z * math.sqrt(own + reference.tail_error(nominal) ** 2)
    top = max(ratio, 3.0 / (DRAWS * nominal)) if not exact else ratio  # none in DRAWS: at most 3 in DRAWS, at 95 %
    return Reading(ratio, ratio * math.exp(-error), top * math.exp(error))


def tail_sides(generation: Generation, context: Context) -> Readings:
    """Every direction on its own: an array (column, lower/upper, 1 %/0.1 %), relative to the truth."""
    mass, true = side_masses(context), true_masses(context)
    return {"tail_sides": np.divide(mass, true, out=np.full(mass.shape, np.nan), where=true > 0.0)}


MEASURES = (
    Measure("tails", tails, QUANTITIES, False, "Shumailov et al. 2024"),
    Measure(
        "tail_sides",
        tail_sides,
        {"tail_sides": Quantity("ratio", "down", 1.0, "tail mass by column, side and level")},
        True,
        "Shumailov et al. 2024",
    ),
)
