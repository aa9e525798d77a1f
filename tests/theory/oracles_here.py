"""Closed forms for chains of Gaussians, true variance 1 and mean 0. Each names its paper or its derivation.

g counts fits: the fit on real rows is g = 1, so generation t of a chain is g = t + 1. n: rows of one fit.
"""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, gammaln, polygamma

ML, UNBIASED = "ml", "unbiased"


def divisor(n: int, estimator: str) -> int:
    return n if estimator == ML else n - 1


def c4(n):
    """Mean of the sample standard deviation (divisor n - 1) of n normal rows."""
    return np.sqrt(2.0 / (n - 1)) * np.exp(gammaln(n / 2) - gammaln((n - 1) / 2))


def law_of_log_variance(n, g, chains, estimator, rng):
    """G1: ln sigma_g^2 is a sum of logs of g independent chi-square(n - 1) / k (normal theory)."""
    return np.log(rng.chisquare(n - 1, size=(chains, g)) / divisor(n, estimator)).sum(axis=1)


def mean_variance_ml(n, g):
    """G3: E sigma_g^2 = (1 - 1/n)^g, the ML estimator under replace."""
    return (1.0 - 1.0 / n) ** g


def spread_of_variance_ml(n, g):
    """G3: Var sigma_g^2."""
    return (1.0 - 1.0 / n**2) ** g - (1.0 - 1.0 / n) ** (2 * g)


def spread_of_variance_unbiased(n, g):
    """G2: Var sigma_g^2 when E sigma_g^2 = 1."""
    return (1.0 + 2.0 / (n - 1)) ** g - 1.0


def mean_log_variance(n, g, estimator):
    """G4: E ln sigma_g^2 = g (psi((n-1)/2) - ln(k/2))."""
    return g * (digamma((n - 1) / 2) - np.log(divisor(n, estimator) / 2))


def spread_of_log_variance(n, g):
    """G4: Var ln sigma_g^2 = g psi_1((n-1)/2)."""
    return g * polygamma(1, (n - 1) / 2)


def error_of_spread(n, g, chains):
    """G4: standard error of the sample variance of ln sigma_g^2 over chains."""
    return np.sqrt((g * polygamma(3, (n - 1) / 2) + 2.0 * spread_of_log_variance(n, g) ** 2) / chains)


def risk(rows, estimator):
    """G5: E W2^2 to the truth after fits of rows[0], rows[1], ... rows; exact.

    First order (3/2) sum 1/M_i: Shumailov et al. 2024, theorem 3.1. ML: E mu^2 + E sigma^2 = 1, so it is 2 - 2 E sigma.
    """
    m = np.asarray(rows, dtype=float)
    if estimator == ML:
        return 2.0 - 2.0 * np.prod(c4(m) * np.sqrt((m - 1) / m))
    return np.sum(1.0 / m) + 2.0 - 2.0 * np.prod(c4(m))


def mean_log_determinant(n, g, d, estimator):
    """G6: E ln det Sigma_g = g sum_j (psi((n-j)/2) - ln(k/2)), j = 1 .. d (Wishart)."""
    j = np.arange(1, d + 1)
    return g * np.sum(digamma((n - j) / 2) - np.log(divisor(n, estimator) / 2))


def spread_of_log_determinant(n, g, d):
    """G6: Var ln det Sigma_g."""
    return g * np.sum(polygamma(1, (n - np.arange(1, d + 1)) / 2))


def accumulate(n, t, power=2):
    """A1: E sigma_t^2 = prod_{i<=t} (1 - 1/(n i^2)), ML on all t n rows (derived; shape of Kazdan et al. 2024)."""
    return np.prod(1.0 - 1.0 / (n * np.arange(1.0, t + 1) ** power))


def accumulate_subsample(n, t):
    """A3: E sigma_t^2, E mu_t^2 and E (pool mean)^2; ML on n rows drawn from t n (policy of Kazdan et al. 2024)."""
    pool = 1.0 / n
    for i in range(1, t + 1):
        delta = (1.0 - pool) * (i - 1) / (i * n - 1) if i > 1 else 0.0
        mean = pool + delta
        if i == t:
            return 1.0 - mean, mean, pool
        pool += (delta + (1.0 - mean) / n) / (i + 1) ** 2
    raise ValueError(t)


def mix_fresh(n, alpha, g, estimator):
    """M1: E sigma_g^2 and E mu_g^2 with alpha n fresh real rows in each fit; exact for each g."""
    c = 1.0 if estimator == ML else n / (n - 1)
    s, v = 1.0, 0.0
    for _ in range(g):
        v_next = (1 - alpha) ** 2 * v + (alpha + (1 - alpha) * s) / n
        s, v = c * (alpha + (1 - alpha) * (s + v) - v_next), v_next
    return s, v


def mix_denominator(n, alpha):
    """D of the fixed points M2 to M4, ML."""
    return 1 - alpha + alpha * n * (2 - alpha)


def mix_fixed_point(n, alpha, anchor, original=None):
    """M2, M3, M4: limits of E sigma^2 / b and E (mu - a)^2 / b; a, b: mean and variance of the anchor rows.

    anchor: fresh (a = 0, b = 1), fixed, or redrawn without replacement from `original` rows.
    """
    keeps = {"fresh": 1.0, "fixed": 0.0}.get(anchor)
    phi = (original - alpha * n) / (original - 1) if keeps is None else keeps
    v = (1 - alpha * (1 - phi)) / mix_denominator(n, alpha)
    return 1.0 - v, v
