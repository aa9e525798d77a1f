"""One-parameter families under replace: the exponential law, the Poisson law, the Bernoulli law. Derived, simulated.

g counts fits, the one on real rows being g = 1: generation t of a chain is g = t + 1. n rows a fit, no real ones after
the first; each fit is maximum likelihood, the mean of its rows. n may be a list of the rows of fit 1, 2, ...
"""

from __future__ import annotations

import numpy as np
from scipy.special import polygamma

from outcross.theory import discrete
from outcross.theory.drift import extinction
from outcross.theory.given import Rows, between, schedule, whole
from outcross.theory.special import digamma_less_log, growth


def mean_log_mean(n: Rows, g: int) -> float:
    """E1: E ln of the fitted mean (true mean 1): sum_i psi(n_i) - ln n_i, about -g/(2n); minus that of ln rate; nats.

    The mean of n exponential rows of mean m is m Gamma(n)/n, independent between fits.
    """
    rows = schedule(n, g)
    return float(np.sum(digamma_less_log(rows)))


def variance_of_log_mean(n: Rows, g: int) -> float:
    """E1: Var ln of the fitted mean: sum_i psi_1(n_i), about g/n."""
    return float(np.sum(polygamma(1, schedule(n, g))))


def variance_of_mean(n: Rows, g: int) -> float:
    """E1: Var of the fitted mean, a martingale of expectation 1 that tends to 0: prod (1 + 1/n_i) - 1."""
    return growth(1.0 / schedule(n, g))


def poisson_extinction(rate: float, n: int, g: int) -> float:
    """E2: chance that a Poisson law of true mean `rate` has died out (fitted mean 0) by fit g: f_g^(n rate), exact.

    The sum of n rows is Poisson with the sum before as its mean: a Galton-Watson chain of Poisson(1) offspring from
    Poisson(n rate) founders, so the generating function is D4's f_g. For n rate large about exp(-2 n rate/g).
    """
    between("rate", rate)
    return float(extinction(whole("g", g))[-1] ** (whole("n", n) * rate))


def poisson_variance_of_mean(rate: float, n: Rows, g: int) -> float:
    """E2: Var of the fitted mean, whose expectation stays `rate`: rate sum_i 1/n_i."""
    between("rate", rate)
    return float(rate * np.sum(1.0 / schedule(n, g)))


def bernoulli_variance_of_mean(p: float, n: Rows, g: int) -> float:
    """E3: Var of the fitted share of ones, whose expectation stays p: D2 with two categories."""
    between("p", p, 0.0, 1.0)
    return float(discrete.variance_of_frequencies((p, 1.0 - p), n, g)[0])
