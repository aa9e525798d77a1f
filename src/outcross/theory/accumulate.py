"""Gaussian chains whose pools only grow: oracles A1-A3, maximum likelihood. True mean 0, variance 1.

g counts fits, the one on real rows being g = 1: generation t of a chain is g = t + 1. Fit g has a pool of all rows so
far: n real ones, then n from each earlier model; n may be a list of the rows that are added before fit 1, 2, ...
Derived and simulated; the shape of A1 is that of Kazdan et al., arXiv 2410.16713.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import loggamma

from outcross.theory.given import Array, Rows, schedule, whole
from outcross.theory.special import growth


def _pools(n: Rows, g: int, before: int) -> tuple[Array, Array]:
    """Rows added, and rows in the pool before, at each of g fits."""
    whole("rows before", before, 0)
    added = schedule(n, g, 1)
    return added, before + np.append(0.0, np.cumsum(added)[:-1])


def mean_variance(n: Rows, g: int, before: int = 0) -> float:
    """A1: E sigma_g^2 = prod_i (1 - M_i/(N_i + M_i)^2), M_i rows added to N_i; constant n: prod (1 - 1/(n i^2)).

    before: rows in the pool already; then it is the ratio of variances that g more fits multiply by, on average.
    """
    added, pool = _pools(n, g, before)
    return float(np.prod(1.0 - added / (pool + added) ** 2))


def variance_of_variance(n: Rows, g: int, before: int = 0) -> float:
    """A1: Var sigma_g^2, exact, or of the ratio over g more fits from a pool of `before` rows.

    One fit multiplies by [N + chi2(M-1) + N/(N+M) chi2(1)]/(N+M), independent between fits: within the old rows, within
    the new, between their means. First and second moments of the product are products.
    """
    added, pool = _pools(n, g, before)
    first = 1.0 - added / (pool + added) ** 2
    spread = 2.0 * (added - 1.0 + (pool / (pool + added)) ** 2) / (pool + added) ** 2
    if first[0] == 0.0:  # a single real row: no variance, now or ever
        return 0.0
    return float(np.prod(first) ** 2) * growth(spread / first**2)


def mean_square_of_mean(n: Rows, g: int) -> float:
    """A1: E mu_g^2 = 1 - E sigma_g^2: the ML fit keeps the second moment of a row over chains."""
    added, pool = _pools(n, g, 0)
    return -growth(-added / (pool + added) ** 2)


def limit_of_variance(n: int) -> float:
    """A1: E sigma_g^2 for g -> infinity: sin(pi/sqrt n) / (pi/sqrt n), about 1 - pi^2/(6n)."""
    return float(np.sinc(1.0 / np.sqrt(whole("n", n))))


def variance_of_mean(n: Rows, g: int) -> float:
    """A2: Var mu_g where the variance is known, not fitted: sum_i M_i/(N_i + M_i)^2; constant n: sum 1/(n i^2).

    The universal pi^2/6 of Dey and Donoho, arXiv 2410.22812 (secondary); derived, simulated.
    """
    added, pool = _pools(n, g, 0)
    return float(np.sum(added / (pool + added) ** 2))


def limit_of_variance_of_mean(n: int) -> float:
    """A2: Var mu_g for g -> infinity: pi^2 / (6 n), against g/n under replace."""
    return float(np.pi**2 / (6.0 * whole("n", n)))


class Subsampled(NamedTuple):
    """E sigma_g^2, E mu_g^2 and E (pool mean)^2."""

    variance: float
    square_of_mean: float
    square_of_pool_mean: float


def subsampled(n: int, g: int) -> Subsampled:
    """A3: n rows drawn without replacement from a pool of g n are fitted, n new ones are added (accumulate-subsample).

    A_g = E (pool mean)^2 is a product: with delta_i = (1 - A_i)(i - 1)/(i n - 1), the rows that are drawn miss the pool
    mean by delta, and A_(i+1) = A_i + [delta_i + (1 - A_i - delta_i)/n]/(i + 1)^2 = 1 - (1 - A_i)(1 - step_i).
    Policy of Kazdan et al., arXiv 2410.16713 (source: RylanSchaeffer/KoyejoLab-Collapse-or-Thrive); derived, simulated.
    """
    whole("n", n, 2)
    i = np.arange(1.0, whole("g", g))
    step = (2.0 * n * i - n - i) / (n * (n * i - 1.0) * (i + 1.0) ** 2)
    left = (1.0 - 1.0 / n) * float(np.prod(1.0 - step))
    variance = left * (1.0 - (g - 1.0) / (g * n - 1.0))
    return Subsampled(variance, 1.0 - variance, 1.0 - left)


def subsampled_limit_of_variance(n: int) -> float:
    """A3: E sigma_g^2 for g -> infinity, about 1 - (pi^2/2 - 2)/n, so 1.78 times the loss of A1.

    The infinite product of a rational function of i is a ratio of gamma functions at its roots and poles.
    """
    whole("n", n, 2)
    poles = np.array([1.0 / n, -1.0, -1.0])
    roots = np.roots(np.poly(poles) - np.array([0.0, 0.0, 2.0 * n - 1.0, -float(n)]) / n**2).astype(complex)
    product = np.exp(np.sum(loggamma(1.0 - poles.astype(complex)) - loggamma(1.0 - roots)))
    return float(product.real * (1.0 - 1.0 / n) ** 2)
