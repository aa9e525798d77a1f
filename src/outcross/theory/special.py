"""Differences and products that lose their digits when written down as they stand, as effects of order 1/n do."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, gammaln, log_ndtr, ndtr

from outcross.theory.given import Array

_LARGE = 50.0  # from here on the asymptotic series below are good to 1e-12 of their value


def log_half_step(a: Array) -> Array:
    """Ln [Gamma(a + 1/2)/(Gamma(a) sqrt a)], a > 0: about -1/(8a); DLMF 5.11(iii) beyond a = 50."""
    large = np.maximum(a, _LARGE)
    series = -1.0 / (8.0 * large) + 1.0 / (192.0 * large**3) - 1.0 / (640.0 * large**5)
    small = np.minimum(a, _LARGE)
    return np.where(a < _LARGE, gammaln(small + 0.5) - gammaln(small) - 0.5 * np.log(small), series)


def digamma_less_log(a: Array) -> Array:
    """Digamma(a) - ln a, a > 0: about -1/(2a); DLMF 5.11.2 beyond a = 50."""
    large = np.maximum(a, _LARGE)
    series = -1.0 / (2.0 * large) - 1.0 / (12.0 * large**2) + 1.0 / (120.0 * large**4) - 1.0 / (252.0 * large**6)
    small = np.minimum(a, _LARGE)
    return np.where(a < _LARGE, digamma(small) - np.log(small), series)


def growth(shares: Array) -> float:
    """Product of (1 + share_i), less 1; shares of -1 or more."""
    with np.errstate(divide="ignore", over="ignore"):  # a share of -1 leaves nothing; what outgrows a float is infinite
        return float(np.expm1(np.sum(np.log1p(shares))))


def log_rest(p: Array) -> Array:
    """Ln (1 - p); minus infinity for what is certain."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log1p(-p))


def geometric(ratio: float, terms: int) -> float:
    """Sum of ratio^i over i < terms, for a ratio in (0, 1]."""
    return float(terms) if ratio == 1.0 else float(np.expm1(terms * np.log(ratio)) / (ratio - 1.0))


def power(base: float, exponent: float) -> float:
    """base^exponent, infinity where it outgrows a float."""
    with np.errstate(over="ignore"):
        return float(np.float64(base) ** exponent)


def inverse_gaussian_quantile(q: float, mean: float, shape: float) -> float:
    """The q-quantile of the inverse Gaussian law (Tweedie 1945), with digits where its tail underflows.

    scipy.stats has it too, and takes longer to import than a plan takes to answer.
    """

    def excess(log_x: float) -> float:
        x = np.exp(log_x)
        root = np.sqrt(shape / x)
        past = np.exp(2.0 * shape / mean + log_ndtr(-root * (x / mean + 1.0)))
        return float(ndtr(root * (x / mean - 1.0)) + past - q)

    middle = np.log(mean)
    return float(np.exp(brentq(excess, middle - 60.0, middle + 60.0, xtol=1e-12)))
