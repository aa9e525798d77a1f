"""Fixed-budget mixes of real and synthetic rows: oracles M1-M7. True mean 0, variance 1.

g counts fits, the one on real rows being g = 1: generation t of a chain is g = t + 1. Every later fit has n rows, a
share alpha of them real (r = alpha n, a whole number), the others from the model before, all fitted together.
S = E fitted variance, V = E (fitted mean)^2, D = 1 - alpha + alpha n (2 - alpha).

Which real rows makes three different laws. fresh: never seen before; fixed: the same r original rows for ever; redrawn:
r of the N0 original rows (those of the first fit), drawn anew for each fit, without replacement unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from outcross.core.errors import require
from outcross.theory.given import ML, Array, between, divisor, number, real_rows, whole, within

FRESH, FIXED, REDRAWN = "fresh", "fixed", "redrawn"


class Recursion(NamedTuple):
    """S, V and C for g = 1 .. g_max: three arrays (g_max,)."""

    S: Array
    V: Array
    C: Array


class FixedPoint(NamedTuple):
    """Limits of S and V."""

    S: float
    V: float


def _known(anchor: str, real: int, original: int | None) -> None:
    """Refuse an anchor that is unknown or has too few rows."""
    require(anchor in (FRESH, FIXED, REDRAWN), f"anchor is {FRESH}, {FIXED} or {REDRAWN}, got {anchor!r}")
    if original is not None:
        whole("original", original, 2)
    if anchor != FRESH:
        require(real >= 1, f"a {anchor} anchor needs 1 real row or more, got {real}")
        if original is not None:
            require(real <= original, f"{real} {anchor} rows cannot be taken from {original} original ones")


def recursion(
    n: int, alpha: float, g_max: int, anchor: str = FRESH, estimator: str = ML, original: int | None = None
) -> Recursion:
    """M1 and its two siblings: S, V and C after every fit, exact (derived, simulated).

    C = E[mu_g x (mean of the real rows of the next fit)], kappa its value for the original rows themselves: 0 fresh,
    1/r fixed, 1/N0 redrawn. First fit, on N0 = `original` (default n) real rows: V = 1/N0, S = c(1 - 1/N0), C = 0
    fresh, else 1/N0. Then C' = alpha kappa + (1-alpha) C, V' = alpha^2/r + 2 alpha (1-alpha) C
    + (1-alpha)^2 (V + S/(n-r)), S' = c[alpha + (1-alpha)(S+V) - V'], c = 1 (ML) or rows/(rows - 1) (unbiased).
    The fresh case agrees with the theory notes of Bhavya-Dhoot/Model_collapse (source). Raises InputError for an
    unknown anchor or estimator, alpha n not whole, more real rows than original ones, g_max < 1.
    """
    whole("g_max", g_max)
    first, step = _linear(n, alpha, anchor, estimator, original, 1.0)
    out = np.empty((g_max, 4))
    out[0] = first
    for i in range(1, g_max):
        out[i] = step @ out[i - 1]
    return Recursion(*out.T[:3])


def after(
    n: int,
    alpha: float,
    g: int,
    anchor: str = FRESH,
    estimator: str = ML,
    original: int | None = None,
    scale: float = 1.0,
) -> FixedPoint:
    """M1: S and V after g fits, at a cost of log g, with a sampler that multiplies standard deviations by `scale` (G7).

    Synthetic rows then have variance scale^2 S: S is that in every term but the fitted one (derived, simulated; at
    alpha = 0 it is G7). Raises InputError as `recursion` does.
    """
    between("scale", scale)
    first, step = _linear(n, alpha, anchor, estimator, original, scale)
    s, v, _, _ = np.linalg.matrix_power(step, whole("g", g) - 1) @ first
    return FixedPoint(float(s), float(v))


def _linear(
    n: int, alpha: float, anchor: str, estimator: str, original: int | None, scale: float
) -> tuple[Array, Array]:
    """(S, V, C, 1) after the first fit, and the matrix that every later one multiplies it by."""
    real = real_rows(n, alpha, 0)
    _known(anchor, real, n if original is None else original)
    first = whole("original", n if original is None else original, 2)
    kappa = {FRESH: 0.0, FIXED: 1.0 / max(real, 1), REDRAWN: 1.0 / first}[anchor]
    c_first, c = (float(m / divisor(np.array(float(m)), estimator)) for m in (first, n))
    keep, drawn = 1.0 - alpha, scale**2
    mean = np.array([keep * drawn / n, keep**2, 2.0 * alpha * keep, alpha / n])
    square = np.array([keep * drawn, keep, 0.0, alpha])
    step = np.stack([c * (square - mean), mean, [0.0, 0.0, keep, alpha * kappa], [0.0, 0.0, 0.0, 1.0]])
    begun = 1.0 / first
    return np.array([c_first * (1.0 - begun), begun, 0.0 if anchor == FRESH else begun, 1.0]), step


def simulate(
    n: int, alpha: float, chains: int, rng: np.random.Generator, anchor: str = FRESH, scale: float = 1.0
) -> Iterator[tuple[Array, Array]]:
    """M1-M3: draws from the exact joint law of mean and ML variance of a mix, without any rows (normal theory).

    Yields (chains,), (chains,) after fit 1, 2, ... without end. The real rows of a fit and its synthetic ones have
    independent moments; together their scatter is the sum of both and r m/n times the squared difference of means.
    fresh and fixed only: a random part of rows that are known has no law as simple. The first fit is on n real rows;
    fixed: the first r of them. scale: of the sampler (G7). Raises InputError of another anchor.
    """
    real, size = real_rows(n, alpha, 0), whole("chains", chains)
    require(anchor in (FRESH, FIXED), f"the exact law is known for anchor {FRESH} or {FIXED}, got {anchor!r}")
    kept, other = _real_moments(real, size, rng), _real_moments(n - real, size, rng)
    while True:
        mean, variance = _pooled(real, kept, n - real, other)
        yield mean, variance
        kept = kept if anchor == FIXED else _real_moments(real, size, rng)
        centre, scatter = _real_moments(n - real, size, rng)
        other = mean + scale * np.sqrt(variance) * centre, scale**2 * variance * scatter


def _real_moments(rows: int, chains: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Mean and scatter of so many standard normal rows, chain by chain; nothing of none."""
    if rows == 0:
        return np.zeros(chains), np.zeros(chains)
    scatter = rng.chisquare(rows - 1.0, chains) if rows > 1 else np.zeros(chains)
    return rng.standard_normal(chains) / np.sqrt(rows), scatter


def _pooled(r: int, real: tuple[Array, Array], m: int, made: tuple[Array, Array]) -> tuple[Array, Array]:
    """Mean and ML variance of r rows and m rows together."""
    n = r + m
    mean = (r * real[0] + m * made[0]) / n
    return mean, (real[1] + made[1] + r * m / n * (real[0] - made[0]) ** 2) / n


def denominator(n: int, alpha: float) -> float:
    """D = 1 - alpha + alpha n (2 - alpha): the fixed points M2-M4 lose 1/D of the variance or less."""
    within("alpha", alpha)
    return 1.0 - alpha + alpha * whole("n", n) * (2.0 - alpha)


def fixed_point(
    n: int, alpha: float, anchor: str = FRESH, original: int | None = None, replacement: bool = False
) -> FixedPoint:
    """M2 (fresh), M3 (fixed), M4 (redrawn from `original` rows): limits, ML, about the anchor's own mean and variance.

    V = b [1 - alpha (1 - phi)]/D, S = b - V, about the mean a of the anchor rows and in units of their variance b
    (divisor r fixed, N0 redrawn; fresh: a = 0, b = 1). phi = 1 fresh or with replacement, 0 fixed,
    (N0 - r)/(N0 - 1) without. a and b themselves stay off the truth for ever: E b = 1 - 1/rows, E a^2 = 1/rows.
    Reached at rate 1 - alpha a fit. Fresh: Bhavya-Dhoot/Model_collapse (source); derived, simulated.
    """
    real = real_rows(n, alpha)
    _known(anchor, real, original)
    require(anchor != REDRAWN or original is not None, "a redrawn anchor needs the number of its original rows")
    phi = 0.0 if anchor == FIXED else 1.0
    if anchor == REDRAWN and original is not None and not replacement:
        phi = (original - real) / (whole("original", original, 2) - 1.0)
    v = (1.0 - alpha * (1.0 - phi)) / denominator(n, alpha)
    return FixedPoint(1.0 - v, v)


def fixed_point_unbiased(n: int, alpha: float) -> FixedPoint:
    """M5: limits with fresh real rows and the unbiased estimator, S > 1: the fixed point of M1 with c = n/(n-1)."""
    real_rows(n, alpha)
    c, keep = n / (n - 1.0), 1.0 - alpha
    left = np.array([[1.0 - c * keep * (1.0 - 1.0 / n), -c * keep * alpha], [-keep / n, 1.0 - keep**2]])
    s, v = np.linalg.solve(left, [c * alpha * (1.0 - 1.0 / n), alpha / n])
    return FixedPoint(float(s), float(v))


def smallest_real_share(n: int, eps: float) -> float:
    """M6: smallest alpha at which a fresh-row ML mix loses at most eps of the variance in the limit: 1/D = eps.

    [(2n-1) - sqrt((2n-1)^2 - 4n(1/eps - 1))]/(2n), about (1 - eps)/(2 n eps): round alpha n up to use it. Raises
    InputError for eps below 1/n, which even all-real rows lose.
    """
    whole("n", n, 2)
    require(1.0 / n <= number("eps", eps) < 1.0, f"eps lies in [1/n, 1) = [{1.0 / n:g}, 1), got {eps:g}")
    b = 2.0 * n - 1.0
    lacking = 1.0 / eps - 1.0
    return float(2.0 * lacking / (b + np.sqrt(b**2 - 4.0 * n * lacking)))


def weighted_variance(real: int, synthetic: int, weight: float) -> float:
    """M7: limit of Var mu_g, known variance: weight x mean of fresh real rows + (1 - weight) x mean of synthetic rows.

    [w^2/n + (1-w)^2/m]/(w (2-w)) for n real and m synthetic rows a fit (derived, simulated).
    """
    whole("real", real)
    whole("synthetic", synthetic)
    require(
        0.0 < number("weight", weight) <= 1.0,
        f"weight lies in (0, 1], got {weight:g}: without real rows there is no limit",
    )
    return (weight**2 / real + (1.0 - weight) ** 2 / synthetic) / (weight * (2.0 - weight))


def best_weight(kappa: float) -> float:
    """M7: weight of the real rows that minimises weighted_variance, kappa = real/synthetic rows: golden ratio at 1.

    (sqrt(kappa^2 + 4 kappa) - kappa)/2, least variance w*/n. He et al., arXiv 2502.18049 (secondary),
    MukaiCodes/Model_Collapse_Codes (source).
    """
    between("kappa", kappa)
    return float(2.0 / (1.0 + np.sqrt(1.0 + 4.0 / kappa)))


def pooling_weight(kappa: float) -> float:
    """M7: weight that plain pooling gives the real rows, kappa/(1 + kappa)."""
    return between("kappa", kappa) / (1.0 + kappa)
