"""Loops whose rows are selected: oracles S1-S5. All hold for infinitely many rows unless said otherwise.

g counts fits, the one on real rows being g = 1: generation t of a chain is g = t + 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from outcross.core.errors import require
from outcross.theory.given import Array, between, finite, law, numbers, whole, within
from outcross.theory.special import geometric

_MOST = 10**7
_LARGEST = 700.0  # e^709 is the largest power that a float holds


def critical_error(phi: float, psi: float) -> float:
    """S1: p* = phi/(phi + psi): with labels wrong at rate p < p*, selected rows train to accuracy 1; beyond p*, to 0.

    phi, psi: chances that a verifier keeps a correct, a wrong item. Feng et al., arXiv 2406.07515 (secondary), a linear
    classifier on two Gaussian classes; derived for the class-mean classifier, simulated.
    """
    require(within("phi", phi) + within("psi", psi) > 0.0, "a verifier keeps something: phi + psi > 0")
    return phi / (phi + psi)


def selected_error(p: float, phi: float, psi: float) -> float:
    """S2: error rate after selection, p psi/(p psi + (1-p) phi): below 1/2 exactly when p < p* (Bayes)."""
    wrong, right = within("p", p) * within("psi", psi), (1.0 - p) * within("phi", phi)
    require(wrong + right > 0.0, "a verifier keeps something: p psi + (1 - p) phi > 0")
    return wrong / (wrong + right)


def _rewards(p: ArrayLike, reward: ArrayLike) -> tuple[Array, Array]:
    """Masses, which may have died out under curation, and the reward of each."""
    masses, r = law(p, lost=True), numbers("reward", reward)
    require(masses.shape == r.shape, f"every category has one reward, got {masses.shape} and {r.shape}")
    require(bool(np.all(np.isfinite(r))), "every reward is finite")
    return masses, r


def curate(p: ArrayLike, reward: ArrayLike, choices: float) -> Array:
    """S3: law of the row that is chosen out of `choices` draws of p with probability proportional to e^reward.

    p'(x) = p(x) E[K e^r(x)/(e^r(x) + sum_(j=2..K) e^r(x_j))] by the full sum over the other K - 1 (at most 10^7 terms),
    renormalised; choices = infinity: p e^r. Ferbach et al., arXiv 2407.09499 (secondary); derived, simulated.
    """
    masses, r = _rewards(p, reward)
    if choices == np.inf:
        chosen = masses * np.exp(np.minimum(r - r[masses > 0.0].max(), 0.0))
    else:
        k = whole("choices", choices, 2)
        require(len(masses) ** k <= _MOST, f"{len(masses)} categories allow no {k} choices: states^choices <= {_MOST}")
        others, chance = np.array([-np.inf]), np.ones(1)  # ln sum_j e^r(x_j), and its probability
        for _ in range(k - 1):
            others, chance = np.logaddexp.outer(others, r).ravel(), np.multiply.outer(chance, masses).ravel()
        chosen = masses * (k * np.exp(r[:, None] - np.logaddexp(r[:, None], others)) @ chance)
    return np.asarray(chosen / chosen.sum())


def curation_bound(p: ArrayLike, reward: ArrayLike, choices: float) -> float:
    """S3: E e^r after one curation is at least E_p e^r + ((K-1)/K) Var_p(e^r)/e^(r_max).

    Ferbach et al., arXiv 2407.09499 (secondary).
    """
    masses, r = _rewards(p, reward)
    best = r[masses > 0.0].max()
    require(best < _LARGEST, f"rewards of living categories lie below {_LARGEST:g}, as e^r is taken, got {best:g}")
    value = np.exp(np.minimum(r, best))
    mean = masses @ value
    gain = 1.0 if choices == np.inf else 1.0 - 1.0 / whole("choices", choices, 2)
    return float(mean + gain * (masses @ ((value - mean) * ((value - mean) / value.max()))))


def curated(p: ArrayLike, reward: ArrayLike, choices: float, g: int, real: float = 0.0) -> Array:
    """S4: law after g - 1 curations, each blended with a share `real` of the true law p (fit g = 1 is p itself).

    real = 0: all mass goes to the best category; real > 0 prevents it. Renormalised each step.
    """
    start, _ = _rewards(p, reward)
    within("real", real)
    now = start
    for _ in range(whole("g", g) - 1):
        now = real * start + (1.0 - real) * curate(now, reward, choices)
        now /= now.sum()
    return np.asarray(now)


def verified_mean(centre: float, g: int, width: float = 1.0) -> float:
    """S5: E mu_g of a Gaussian mean (variance 1 known, true mean 0) where fits after the first see only verified rows.

    A row x is kept with probability exp(-(x - centre)^2/(2 width^2)), so what is kept is Gaussian with mean rho mu +
    (1 - rho) centre and variance rho = width^2/(1 + width^2): mu_g = centre (1 - rho^(g-1)), the verifier's centre in
    the end and not the truth. Yi et al., arXiv 2510.16657, liuqiyuanhhh/Verified-Synthetic-Data (source); derived.
    """
    return finite("centre", centre) * (1.0 - _pull(width) ** (whole("g", g) - 1))


def _pull(width: float) -> float:
    """Rho of the verified mean."""
    return float((between("width", width) / np.hypot(1.0, width)) ** 2)


def verified_variance(n: int, g: int, width: float = 1.0) -> float:
    """S5: Var mu_g where each fit takes n verified rows: rho^(2(g-1))/n + (rho/n) sum_(i<g-1) rho^(2i); exact."""
    whole("n", n)
    rho, past = _pull(width), whole("g", g) - 1
    return (rho ** (2 * past) + rho * geometric(rho**2, past)) / n


def kept_share(mean: float, centre: float, width: float = 1.0) -> float:
    """S5: share of N(mean, 1) that the verifier keeps: sqrt(rho) exp(-(mean - centre)^2/(2 (1 + width^2)))."""
    distance = (finite("mean", mean) - finite("centre", centre)) / np.hypot(1.0, between("width", width))
    return float(np.sqrt(_pull(width)) * np.exp(-0.5 * np.square(np.minimum(np.abs(distance), 1e3))))
