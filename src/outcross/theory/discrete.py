"""Neutral drift of categories: oracles D1-D7 (haploid Wright-Fisher with n rows). Each fit takes the frequencies.

g counts fits, the one on real rows being g = 1: generation t of a chain is g = t + 1. p: the true law, all masses
positive. H = 1 - sum p^2: heterozygosity, the chance that two draws differ. A category is a one-hot vector and H the
trace of its ML covariance, so every ML mean of a variance in gaussian, accumulate and mixing is one of H / H_0 too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from outcross.core.errors import require
from outcross.theory import accumulate, mixing
from outcross.theory.drift import extinction
from outcross.theory.given import ML, Array, Rows, between, law, schedule, whole
from outcross.theory.special import growth, log_rest


def heterozygosity(p: ArrayLike) -> float:
    """D1: H_0 = 1 - sum p_i^2, a probability."""
    masses = law(p)
    return float(np.sum(masses * (1.0 - masses)))


def mean_heterozygosity(p: ArrayLike, n: Rows, g: int) -> float:
    """D1: E H_g = H_0 prod (1 - 1/n_i) under replace.

    Population genetics; Seddik et al., arXiv 2404.05090 (secondary).
    """
    whole("g", g)
    return heterozygosity(p) * float(np.prod(1.0 - 1.0 / schedule(n, g)))


def mean_frequencies(p: ArrayLike) -> Array:
    """D2: E p_hat_i = p_i after any number of fits; also the chance that category i is the one left (a martingale)."""
    return law(p)


def variance_of_frequencies(p: ArrayLike, n: Rows, g: int) -> Array:
    """D2: Var p_hat_i = p_i (1 - p_i)(1 - prod (1 - 1/n_i)): D1 for the pair i, not i."""
    masses = law(p)
    return masses * (1.0 - masses) * -growth(-1.0 / schedule(n, g))


def first_survivors(p: ArrayLike, n: int) -> float:
    """D3: E number of categories in n real rows: sum_i 1 - (1 - p_i)^n; the cut-off lies at p about 1/n."""
    return float(-np.sum(np.expm1(whole("n", n) * log_rest(law(p)))))


def lost(copies: int, g: int) -> float:
    """D4: chance that a category with `copies` copies is lost within g further draws: f_g^copies, about e^(-2c/g).

    f_0 = 0, f_g = exp(f_(g-1) - 1). The limit n -> infinity: relative error of order copies/n, as draws are binomial
    and not Poisson (visible with 10 copies of 2,000; drift.lost_by_drift has the next order). Also arXiv 2412.17646,
    berserank/rate-of-model-collapse (source); derived, simulated.
    """
    return float(extinction(whole("g", g, 0))[-1] ** whole("copies", copies))


def effective_rows(n: Rows, g: int) -> float:
    """D4: how many real rows (Poisson) would miss what g fits have lost: P(mass p is lost) = exp(-p effective rows).

    n_1 k_1 with k_g = 1, k_i = 1 - exp(-(n_(i+1)/n_i) k_(i+1)): the chance that the line of a copy in fit i lives on,
    which has Poisson(n_(i+1)/n_i) copies in the next. Constant n: -n ln f_g, about 2n/g. Rows that grow faster than
    linearly keep it away from 0. The limit n -> infinity at fixed n p, as for `lost`; derived, simulated.
    """
    rows = schedule(n, g)
    alive = 1.0
    for offspring in (rows[1:] / rows[:-1])[::-1]:
        alive = -np.expm1(-offspring * alive)
    return float(rows[0] * alive)


def survivors(p: ArrayLike, n: Rows, g: int) -> float:
    """D4: E number of categories left after g fits: sum_i 1 - exp(-p_i effective rows); constant n: 1 - f_g^(n p_i)."""
    return float(-np.sum(np.expm1(-effective_rows(n, g) * law(p))))


def absorption_time(p: float, n: int) -> float:
    """D5: mean number of fits until one of two categories is left, the other's mass being p: solves (I - Q) t = 1.

    Q: binomial transitions between 1 .. n - 1 copies. n is 2,000 or less: the system is dense.
    """
    between("p", p, 0.0, 1.0)
    require(whole("n", n, 2) <= 2000, f"n is 2000 or less for the exact solution, got {n}: use the diffusion")
    from scipy.stats import binom

    inner = np.arange(1, n)
    times = np.linalg.solve(np.eye(n - 1) - binom.pmf(inner, n, inner[:, None] / n), np.ones(n - 1))
    return float(1.0 + binom.pmf(inner, n, p) @ times)


def absorption_time_diffusion(p: float, n: int) -> float:
    """D5: the same in the diffusion limit: -2n [p ln p + (1-p) ln(1-p)]."""
    between("p", p, 0.0, 1.0)
    return float(-2.0 * whole("n", n) * (p * np.log(p) + (1.0 - p) * np.log1p(-p)))


def absorption_time_all_distinct(n: int) -> float:
    """D5: mean number of fits until one of n distinct real rows is left, exact; about 2n - 2 (coalescent).

    Real rows that are all distinct are fit 1. By duality the rest is the time until the lines of n rows meet: k lines
    choose their parents among n, and how many parents they have is the occupancy of k balls in n boxes.
    """
    require(whole("n", n) <= 2000, f"n is 2000 or less for the exact solution, got {n}: use 2(n - 1)")
    boxes = np.arange(n + 1.0)
    occupied = np.zeros(n + 1)
    occupied[1] = 1.0
    times = np.zeros(n + 1)
    for k in range(2, n + 1):
        occupied[1:] = occupied[1:] * boxes[1:] / n + occupied[:-1] * (n - boxes[:-1]) / n
        times[k] = (1.0 + occupied[2:k] @ times[2:k]) / (1.0 - occupied[k])
    return float(1.0 + times[n])


def mixed_heterozygosity(
    p: ArrayLike, n: int, alpha: float, g_max: int, anchor: str = mixing.FRESH, original: int | None = None
) -> Array:
    """D6: E H_g for g = 1 .. g_max with a real share alpha: H_0 S_g of the ML recursion M1, for each anchor."""
    return heterozygosity(p) * mixing.recursion(n, alpha, g_max, anchor, ML, original).S


def mixed_limit(p: ArrayLike, n: int, alpha: float, anchor: str = mixing.FRESH, original: int | None = None) -> float:
    """D6: limit of E H_g given the anchor: H (1 - 1/D) fresh, H (1 - (1-alpha)/D) fixed, M4's share redrawn.

    p: the true law if fresh, the law of the anchor's rows otherwise. What a fixed anchor lacks never returns.
    """
    return heterozygosity(p) * mixing.fixed_point(n, alpha, anchor, original).S


def accumulated_heterozygosity(p: ArrayLike, n: Rows, g: int) -> float:
    """D7: E H_g = H_0 prod (1 - 1/(n i^2)) where all rows are kept (A1)."""
    return heterozygosity(p) * accumulate.mean_variance(n, g)


def subsampled_heterozygosity(p: ArrayLike, n: int, g: int) -> float:
    """D7 for accumulate-subsample: E H_g = H_0 E sigma_g^2 of A3."""
    return heterozygosity(p) * accumulate.subsampled(n, g).variance
