"""Poisoned loops of Gaussians: oracles P1-P3, P5 and P6, for infinitely many rows. True mean 0, variance 1.

g counts fits, the one on real rows being g = 1 and clean: g - 1 poisoned fits follow (T of them is g = T + 1). Each
later fit takes a share alpha of real rows, a share eps of rows placed at mu + a sd of the current model, the rest from
it (poison replaces synthetic rows). Derived, simulated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from outcross.core.errors import require
from outcross.theory.given import between, number, whole, within
from outcross.theory.special import geometric, power


class Moments(NamedTuple):
    """Fitted mean and variance."""

    mean: float
    variance: float


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

    m' = w m + eps p; v' = alpha + w (v + m^2) + eps p^2 - m'^2, written about the old mean so that it does not cancel.
    A runaway ends in infinity.
    """
    _shares(alpha, eps, a)
    m, v = 0.0, 1.0
    for _ in range(whole("g", g) - 1):
        shift = eps * a * v**0.5 - alpha * m
        v = alpha * (1.0 + m * m) + (1.0 - alpha - eps) * v + eps * a * a * v - shift * shift
        m += shift
        if not v < 1e300:
            return Moments(np.inf, np.inf)
    return Moments(m, v)


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
    z = norm.isf(q)
    h = norm.pdf(z) / (1.0 - q)
    rho = float(np.sqrt(1.0 - z * h - h**2))
    return Moments(float(-h * geometric(rho, whole("g", g) - 1)), rho ** (2 * (g - 1)))


def amplification(alpha: float, eps: float, a: float, g: int) -> float:
    """P6: shift of the mean after g - 1 poisoned fits over the shift after one, from the population map.

    alpha = 0: (rho^(g-1) - 1)/(rho - 1) with rho^2 of P3.
    """
    require(number("eps", eps) > 0.0, f"eps is positive, got {eps:g}: without poison nothing is amplified")
    whole("g", g, 2)
    return population(alpha, eps, a, g).mean / population(alpha, eps, a, 2).mean
