"""Poisoned loops of Gaussians: oracles P1-P3, P5 and P6, for infinitely many rows unless said otherwise. True mean 0,
variance 1.

g counts fits, the one on real rows being g = 1 and clean: g - 1 poisoned fits follow (T of them is g = T + 1). Each
later fit takes a share alpha of real rows, a share eps of rows placed at mu + a sd of the current model, the rest from
it (poison replaces synthetic rows). Derived, simulated.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta, norm

from outcross.core.errors import require
from outcross.theory.given import Array, between, number, whole, within
from outcross.theory.special import geometric, power

_NODES = 200  # of the quadrature over where a cut falls
FEWEST = 30  # rows below which terms of order 1/rows^2 are not small


class Moments(NamedTuple):
    """Fitted mean and variance, of one chain or of many."""

    mean: Any
    variance: Any


class Cut(NamedTuple):
    """What one fit to n rows that lost their highest does, in units of the model before: the new variance is v F.

    log_mean, log_variance: of ln F. root: E sqrt F. shift: what the mean moves on average, in sd.
    """

    log_mean: float
    log_variance: float
    root: float
    shift: float


def _shares(alpha: float, eps: float, a: float) -> None:
    """Refuse shares that are none, and a distance that is not positive."""
    within("alpha", alpha)
    within("eps", eps, 0.0, 1.0 - alpha)
    between("a", a)


def critical_rate_first_order(alpha: float, a: float) -> float:
    """P1: eps* = alpha/(a^2 - 1), above which the variance runs away; neglects the shift of the mean, so a >> 1."""
    within("alpha", alpha)
    between("a", a, 1.0)
    return alpha / (a**2 - 1.0)


def variance_first_order(alpha: float, eps: float, a: float) -> float:
    """P1: variance in the limit, alpha/(alpha - eps (a^2 - 1)), below that rate."""
    _shares(alpha, eps, a)
    critical = critical_rate_first_order(alpha, a)
    require(eps < critical, f"eps is below alpha/(a^2 - 1) = {critical:g}, got {eps:g}: there is no fixed point")
    return alpha / (alpha - eps * (a**2 - 1.0))


def critical_rate(alpha: float, a: float) -> float:
    """P2: alpha/a^2, the exact threshold of the population map; the safer rule of the two."""
    within("alpha", alpha)
    return alpha / between("a", a) ** 2


def fixed_point(alpha: float, eps: float, a: float) -> Moments:
    """P2: limit of the population map: v = alpha^2/[(alpha - eps a^2)(alpha + eps)], m = eps a sqrt(v)/alpha.

    Raises InputError for eps of alpha/a^2 or more: there is none.
    """
    _shares(alpha, eps, a)
    critical = critical_rate(alpha, a)
    require(eps < critical, f"eps is below alpha/a^2 = {critical:g}, got {eps:g}: there is no fixed point")
    variance = alpha**2 / ((alpha - eps * a**2) * (alpha + eps))
    return Moments(float(eps * a * np.sqrt(variance) / alpha), variance)


def population(alpha: float, eps: float, a: float, g: int) -> Moments:
    """P2: mean and variance after g fits, the map p = m + a sqrt v, w = 1 - alpha - eps iterated from (0, 1).

    m' = w m + eps p; v' = alpha + w (v + m^2) + eps p^2 - m'^2. A runaway ends in infinity.
    """
    _shares(alpha, eps, a)
    now = Moments(0.0, 1.0)
    for _ in range(whole("g", g) - 1):
        now = _mapped(alpha, eps, a, now)
        if not now.variance < 1e300:
            return Moments(np.inf, np.inf)
    return now


def _mapped(alpha: float, eps: float, a: float, before: Moments) -> Moments:
    """P2: one step of the map, written about the old mean so that it does not cancel."""
    m, v = before
    shift = eps * a * v**0.5 - alpha * m
    v = alpha * (1.0 + m * m) + (1.0 - alpha - eps) * v + eps * a * a * v - shift * shift
    return Moments(m + shift, v)


def poisoned_fit(n: int, real: int, poison: int, a: float, before: Moments, estimator: str = "ml") -> Moments:
    """P2 for n rows: expected mean and variance of the next fit, given those before (numbers, or arrays of chains).

    Of the n rows `real` are fresh and `poison` lie at m + a sd. Exact: the map, less the variance of the mean of n
    independent rows, [alpha + w v]/n; times n/(n - 1) for the unbiased estimator.
    """
    whole("n", n, 2)
    alpha, eps = whole("real", real, 0) / n, whole("poison", poison, 0) / n
    _shares(alpha, eps, a)
    mean, variance = _mapped(alpha, eps, a, before)
    variance = variance - (alpha + (1.0 - alpha - eps) * before.variance) / n
    return Moments(mean, variance if estimator == "ml" else variance * n / (n - 1.0))


def observed_threshold(alpha: float, a: float, variance: float = 1e12, g: int = 4001) -> float:
    """P2: smallest eps whose map exceeds `variance` by fit g, by bisection.

    Above alpha/a^2, as growth starts slowly; the criterion of a finite experiment.
    """
    low, high = critical_rate(alpha, a), min(1.0 - alpha, 4.0 * critical_rate(alpha, a))
    require(low < 1.0 - alpha, f"alpha/a^2 is below 1 - alpha, got {low:g}: no share of poison runs away")
    at_low = population(alpha, low, a, g).variance
    enough = number("variance", variance) > at_low
    require(enough, f"variance is above {at_low:g}, which eps = alpha/a^2 reaches, got {variance:g}")
    require(population(alpha, high, a, g).variance > variance, f"no eps to {high:g} exceeds {variance:g} by fit {g}")
    while high - low > 1e-4 * low:
        middle = (low + high) / 2.0
        low, high = (low, middle) if population(alpha, middle, a, g).variance > variance else (middle, high)
    return high


def replace_variance(eps: float, a: float, g: int) -> float:
    """P3: variance under replace (alpha = 0): [1 + eps (a^2 - 1) - eps^2 a^2]^(g-1).

    With n rows a fit the median sd is lower by about exp(-(g-1)/(2(n-1))).
    """
    _shares(0.0, eps, a)
    return power(1.0 + eps * (a**2 - 1.0) - (eps * a) ** 2, whole("g", g) - 1)


def trimmed(q: float, g: int) -> Moments:
    """P5: replace where each later fit loses its top share q of rows: the true mean 0 and variance 1 erode.

    With z = Phi^-1(1 - q) and h = phi(z)/(1 - q) a fit multiplies the variance by rho^2 = 1 - z h - h^2 and moves the
    mean by -h sd: variance rho^(2(g-1)), mean -h (1 - rho^(g-1))/(1 - rho) (moments of a truncated normal).
    """
    between("q", q, 0.0, 1.0)
    h, square, _ = _below(norm.isf(q))
    rho = float(np.sqrt(square))
    return Moments(float(-h * geometric(rho, whole("g", g) - 1)), rho ** (2 * (g - 1)))


def _below(z: Array) -> tuple[Array, Array, Array]:
    """Standard normal rows below z: minus their mean, their variance and their kurtosis."""
    h = norm.pdf(z) / norm.cdf(z)
    second, third = 1.0 - z * h, -(2.0 + z**2) * h
    fourth = 3.0 * second - z**3 * h
    variance = second - h**2
    return h, variance, (fourth + 4.0 * h * third + 6.0 * h**2 * second - 3.0 * h**4) / variance**2


def trimmed_fit(n: int, dropped: int, estimator: str = "ml") -> Cut:
    """P5 for n rows: what a fit does that loses so many of the highest; the factors of different fits are independent.

    The n - dropped rows left are independent and normal below u, the lowest that was dropped; 1 - Phi(u) is
    Beta(dropped, n - dropped + 1). Averages over u are exact, within it to order 1/rows: with r the relative variance
    of the sample variance, E ln F = ln E F - r/2 and Var ln F = r. Derived, simulated.
    """
    left = whole("n", n) - whole("dropped", dropped, 1)
    require(left >= FEWEST, f"{FEWEST} rows or more are left of n, got n - dropped = {left}")
    places, weights = np.polynomial.legendre.leggauss(_NODES)
    weights = weights / 2.0
    u = norm.isf(beta(dropped, left + 1).ppf((1.0 + places) / 2.0))
    h, variance, kurtosis = _below(u)
    relative = (kurtosis - (left - 3.0) / (left - 1.0)) / left
    less = np.log1p(-1.0 / left) if estimator == "ml" else 0.0
    logs = np.log(variance) + less - relative / 2.0
    mean = float(weights @ logs)
    spread = float(weights @ relative + weights @ (logs - mean) ** 2)
    return Cut(mean, spread, float(np.exp(mean / 2.0 + spread / 8.0)), float(-weights @ h))


def amplification(alpha: float, eps: float, a: float, g: int) -> float:
    """P6: shift of the mean after g - 1 poisoned fits over the shift after one, from the population map.

    alpha = 0: (rho^(g-1) - 1)/(rho - 1) with rho^2 of P3.
    """
    require(number("eps", eps) > 0.0, f"eps is positive, got {eps:g}: without poison nothing is amplified")
    whole("g", g, 2)
    return float(population(alpha, eps, a, g).mean / population(alpha, eps, a, 2).mean)
