"""Chains of Gaussians under replace: oracles G1-G7. True mean 0 and variance 1; variances in units of the true one.

g counts fits, the one on real rows being g = 1: generation t of a chain is g = t + 1. n: rows of every fit, or a list
of the rows of fit 1, 2, ... Each fit takes mean and variance (estimator ml: divisor n, unbiased: n - 1) of rows drawn
from the fit before; no real rows after the first. All of it rests on normal theory: a sample's mean and variance are
independent, the one normal, the other a chi-square. Every function raises InputError where that does not apply.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import polygamma

from outcross.theory.given import UNBIASED, Array, Rows, between, divisor, schedule, whole
from outcross.theory.special import digamma_less_log, growth, inverse_gaussian_quantile, log_half_step, power

_PAST = 0.5826  # - zeta(1/2) / sqrt(2 pi): mean overshoot of a normal walk, in standard deviations of a step


class Chains(NamedTuple):
    """Fitted mean and variance of every chain after fit 1 .. g: two arrays (chains, g)."""

    mean: Array
    variance: Array


class Passage(NamedTuple):
    """Fits until a level is reached: mean, median, and the range of 95 in 100 chains."""

    mean: float
    median: float
    low: float
    high: float


def simulate(n: Rows, g: int, estimator: str, chains: int, rng: np.random.Generator) -> Chains:
    """G1: draws from the exact joint law of a chain, without any rows (normal theory; Shumailov et al. 2024).

    sigma_g^2 = prod_i chi2(n_i - 1) / k_i; mu_g given the past is N(mu_(g-1), sigma_(g-1)^2 / n_g).
    """
    rows = schedule(n, g, 2)
    size = (whole("chains", chains), g)
    variance = np.cumprod(rng.chisquare(rows - 1.0, size) / divisor(rows, estimator), axis=1, dtype=np.float64)
    before = np.hstack([np.ones((chains, 1)), variance[:, :-1]])
    mean = np.cumsum(rng.standard_normal(size) * np.sqrt(before / rows), axis=1)
    return Chains(np.asarray(mean, dtype=np.float64), variance)


def _step(rows: Array, estimator: str) -> tuple[Array, Array]:
    """First and second moment of what each fit multiplies the variance by: chi2(n - 1) / k."""
    k = divisor(rows, estimator)
    return (rows - 1.0) / k, (rows - 1.0) * (rows + 1.0) / k**2


def mean_variance(n: Rows, g: int, estimator: str) -> float:
    """G2, G3: E sigma_g^2 = prod (n_i - 1) / k_i: 1 (unbiased, a martingale that tends to 0), prod (1 - 1/n_i) (ML)."""
    return float(np.prod(_step(schedule(n, g, 2), estimator)[0]))


def variance_of_variance(n: Rows, g: int, estimator: str) -> float:
    """G2, G3: Var sigma_g^2 = prod E(chi2(n_i - 1)/k_i)^2 - (E sigma_g^2)^2: the law is too skewed to estimate it.

    One fit multiplies the square of the mean by 1 + 2/(n_i - 1).
    """
    return mean_variance(n, g, estimator) ** 2 * growth(2.0 / (schedule(n, g, 2) - 1.0))


def mean_square_of_mean(n: Rows, g: int, estimator: str) -> float:
    """G2, G3: E mu_g^2 = sum_i E sigma_(i-1)^2 / n_i: sum of 1/n_i (unbiased), 1 - prod (1 - 1/n_i) (ML)."""
    rows = schedule(n, g, 2)
    before = np.cumprod(np.append(1.0, _step(rows, estimator)[0][:-1]))
    return float(np.sum(before / rows))


def variance_of_square_of_mean(n: Rows, g: int, estimator: str) -> float:
    """G2, G3: Var mu_g^2 = 3 E W_g^2 - (E W_g)^2, as mu_g is N(0, W_g) given the variances (derived, simulated).

    W_g = sum_i sigma_(i-1)^2 / n_i; the recursion carries E W^2, E W sigma^2 and E sigma^4.
    """
    rows = schedule(n, g, 2)
    square, cross, fourth = 0.0, 0.0, 1.0
    for m, first, second in zip(rows, *_step(rows, estimator)):
        square += 2.0 * cross / m + fourth / m**2
        cross, fourth = first * (cross + fourth / m), second * fourth
    return float(3.0 * square - mean_square_of_mean(n, g, estimator) ** 2)


def row_variance(n: Rows, g: int, estimator: str) -> float:
    """G2, G3: Var of a row drawn from model g, over chains: E sigma_g^2 + E mu_g^2 (unbiased 1 + g/n, ML 1)."""
    return mean_variance(n, g, estimator) + mean_square_of_mean(n, g, estimator)


def mean_log_variance(n: Rows, g: int, estimator: str) -> float:
    """G4: E ln sigma_g^2 = sum_i psi((n_i - 1)/2) - ln(k_i/2), about -g/(n-1) unbiased, -2g/n ML; nats."""
    return mean_log_determinant(n, g, 1, estimator)


def variance_of_log_variance(n: Rows, g: int) -> float:
    """G4: Var ln sigma_g^2 = sum_i psi_1((n_i - 1)/2), for either estimator."""
    return variance_of_log_determinant(n, g, 1)


def error_of_log_spread(n: Rows, g: int, chains: int) -> float:
    """G4: standard error of the sample variance of ln sigma_g^2 over chains.

    The fourth cumulant is sum_i psi_3((n_i - 1)/2).
    """
    fourth = np.sum(polygamma(3, (schedule(n, g, 2) - 1.0) / 2.0))
    return float(np.sqrt((fourth + 2.0 * variance_of_log_variance(n, g) ** 2) / whole("chains", chains, 2)))


def mean_risk(n: Rows, g: int, estimator: str) -> float:
    """G5: E W2^2 between model g and the truth, mu_g^2 + (sigma_g - 1)^2; exact (derived, simulated).

    E mu^2 + E sigma^2 + 1 - 2 E sigma, with E sigma_g = prod c4(n_i) sqrt((n_i - 1)/k_i), c4 being the mean standard
    deviation (divisor n - 1) of normal rows; E mu^2 + E sigma^2 - 1 is 0 (ML) or sum 1/n_i (unbiased). First order
    (3/2) sum 1/n_i: Shumailov et al. 2024, theorem 3.1, so it stays finite only if rows grow faster than linearly.
    """
    rows = schedule(n, g, 2)
    k = divisor(rows, estimator)
    deviation = log_half_step((rows - 1.0) / 2.0) + 0.5 * np.log1p((rows - 1.0 - k) / k)
    wandered = np.sum(1.0 / rows) if estimator == UNBIASED else 0.0
    return float(wandered - 2.0 * np.expm1(np.sum(deviation)))


def _halves(n: Rows, g: int, d: int) -> Array:
    """(n_i - j)/2 for each fit i and column j = 1 .. d: half the degrees of freedom of a Wishart's factors."""
    whole("d", d)
    return (schedule(n, g, d + 1)[:, None] - np.arange(1.0, d + 1.0)) / 2.0


def mean_log_determinant(n: Rows, g: int, d: int, estimator: str) -> float:
    """G6: E ln det Sigma_g = sum_i sum_(j=1..d) psi((n_i - j)/2) - ln(k_i/2); nats.

    Full covariance, n > d: the determinant of a Wishart matrix is a product of d chi-squares.
    """
    halves, k = _halves(n, g, d), divisor(schedule(n, g, 2), estimator)[:, None]
    return float(np.sum(digamma_less_log(halves) + np.log1p((2.0 * halves - k) / k)))


def variance_of_log_determinant(n: Rows, g: int, d: int) -> float:
    """G6: Var ln det Sigma_g = sum_i sum_j psi_1((n_i - j)/2)."""
    return float(np.sum(polygamma(1, _halves(n, g, d))))


def mean_variance_scaled(n: Rows, g: int, scale: float, estimator: str, real_scaled: bool = False) -> float:
    """G7: E sigma_g^2 when the sampler multiplies the standard deviation by `scale` (a temperature).

    scale^(2(g-1)) E sigma_g^2 of scale 1; scale^(2g) where the real rows of the first fit are scaled too.
    """
    between("scale", scale)
    return power(scale, 2 * (g - 1 + real_scaled)) * mean_variance(n, g, estimator)


def first_passage(n: int, loss: float, estimator: str) -> Passage:
    """G4: fits until the variance of a chain first lies `loss` below the true one; approximate.

    ln sigma^2 goes like a Brownian motion with the drift and variance of G4 a fit; the time to reach a level below is
    inverse Gaussian (Tweedie 1945). A walk in steps passes the level by 0.5826 standard deviations of a step on
    average, by which the level is lowered (Siegmund 1979). Within 10 % of simulated chains from n = 100 on.
    """
    between("loss", loss, 0.0, 1.0)
    drift, spread = -mean_log_variance(n, 1, estimator), variance_of_log_variance(n, 1)
    level = _PAST * np.sqrt(spread) - np.log1p(-loss)
    mean, shape = level / drift, level**2 / spread
    low, median, high = (inverse_gaussian_quantile(q, float(mean), float(shape)) for q in (0.025, 0.5, 0.975))
    return Passage(float(mean), median, low, high)
