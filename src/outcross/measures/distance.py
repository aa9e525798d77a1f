"""Distances between the model and the truth.

Columns are scaled to true standard deviation 1 first, so a distance reads in standard deviations per column.
"""

from __future__ import annotations

import numpy as np

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.core.mixture import MeanCovariance
from outcross.measures.context import SAMPLED, SHAPE, Array, Context, Reference

PROJECTIONS = 64
_ROUNDING = 1e-12  # of distribution functions that are equal
CHEAP = {
    "w2_gaussian": Quantity("sd", "up", 0.0, "2-Wasserstein distance between Gaussian fits, root mean square a column"),
    "w1_marginal": Quantity("sd", "up", 0.0, "1-Wasserstein distance between marginals, mean over columns"),
    "shape_ks": Quantity(
        "probability",
        "up",
        0.0,
        "Kolmogorov distance between marginals once mean and sd agree (counts, flags: as they are), worst column",
    ),
}
HEAVY = {
    "sliced_w2": Quantity("sd", "up", 0.0, "sliced 2-Wasserstein distance, 64 directions, equal rows of both sides"),
    "energy_distance": Quantity("sd", "up", 0.0, "energy distance (Szekely and Rizzo), square root, equal rows"),
}


def distance(generation: Generation, context: Context) -> Readings:
    """Distances in closed form from moments and marginal distribution functions."""
    reference = context.reference
    if not (reference.sd > 0).all():
        return {name: Reading(np.nan, why=reference.flat) for name in CHEAP}
    step = reference.grid[:, 1] - reference.grid[:, 0]
    gaps = np.abs(context.cdf - reference.cdf).sum(axis=1) * step / reference.sd
    return {
        "w2_gaussian": _w2_gaussian(_scaled(context.moments, reference.sd), reference),
        "w1_marginal": float(gaps.mean()),
        "shape_ks": _shape(context),
    }


def _shape(context: Context) -> float | Reading:
    """Largest gap between the standardised marginal distribution functions (Kolmogorov 1933)."""
    truth = context.reference.moments.mean
    mean = np.where(context.lumps, truth, context.moments.mean)
    sd = np.where(context.lumps, context.reference.sd, np.sqrt(np.diag(context.moments.covariance)))
    if not (sd > 0).all():
        return Reading(np.nan, why="a column of the model is constant")
    gap = float(np.abs(context.cdf_at(mean[:, None] + SHAPE * sd[:, None]) - context.reference.shape).max())
    return gap if gap > _ROUNDING else 0.0


def _scaled(moments: MeanCovariance, sd: Array) -> MeanCovariance:
    return MeanCovariance(moments.mean / sd, moments.covariance / np.outer(sd, sd))


def _w2_gaussian(p: MeanCovariance, reference: Reference) -> float:
    """sqrt((|m_p - m_q|^2 + tr(P + Q - 2 (Q^1/2 P Q^1/2)^1/2)) / d), Q of unit diagonal (Dowson and Landau 1982)."""
    root, d = reference.root, len(p.mean)
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ p.covariance @ root), 0.0)).sum()
    gap = p.mean - reference.moments.mean / reference.sd
    squared = gap @ gap + np.trace(p.covariance) + d - 2.0 * cross
    return float(np.sqrt(max(squared, 0.0) / d))


def sampled(generation: Generation, context: Context) -> Readings:
    """Distances between equally many rows of the model and of the reference."""
    sd = context.reference.sd
    if not (sd > 0).all():
        return {name: Reading(np.nan, why=context.reference.flat) for name in HEAVY}
    x, y = (rows / sd for rows in context.rows(SAMPLED))
    if len(x) < 2:
        return {name: Reading(np.nan, why=f"{len(x)} reference rows: at least 2 are needed") for name in HEAVY}
    directions = context.generator(1).standard_normal((x.shape[1], PROJECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    gaps = np.sort((x @ directions).T) - np.sort((y @ directions).T)  # transposed: sorting rows is twice as fast
    between, fake, real = context.gaps
    return {
        "sliced_w2": float(np.sqrt(np.mean(gaps**2))),
        "energy_distance": float(np.sqrt(max(2.0 * between.mean() - fake.mean() - real.mean(), 0.0))),
    }


MEASURES = (
    Measure("distance", distance, CHEAP, False, "Shumailov et al. 2024, theorem 3.1; Dowson and Landau 1982"),
    Measure("sampled_distance", sampled, HEAVY, True, "Bonneel et al. 2015; Szekely and Rizzo 2013"),
)
