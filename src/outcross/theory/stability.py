"""How much real data keeps a loop stable: oracles B1, B2 and B4.

g counts fits, the one on real rows being g = 1: generation t of a chain is g = t + 1.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from outcross.core.errors import require
from outcross.theory.given import between, nonnegative, whole, within


def retraining_rate(ratio: float, concavity: float, lipschitz: float = 0.0, gap: float = 0.0) -> float:
    """B1: rho with ||theta_g - theta*|| <= rho^(g-1) ||theta_1 - theta*||, n -> infinity and near theta*.

    ratio = synthetic/real rows, concavity a of the likelihood, Lipschitz constant L of its Hessian, gap = W(p_data,
    p_theta*): rho = ratio (a + gap L)/(a - ratio (a + gap L)). Raises InputError unless ratio (1 + L gap/a) < 1/2,
    which is rho < 1. Bertrand et al., arXiv 2310.00429 (secondary).
    A bound: a Gaussian mean contracts by ratio/(1 + ratio).
    """
    between("concavity", concavity)
    slope = nonnegative("lipschitz", lipschitz) * nonnegative("gap", gap)
    pull = nonnegative("ratio", ratio) * (1.0 + slope / concavity)
    require(pull < 0.5, f"ratio (1 + L gap/a) is below 1/2, got {pull:g}: no rate is known")
    return pull / (1.0 - pull)


def smallest_stable_share(lipschitz: float) -> float:
    """B2: a generation map of Lipschitz constant L is stable with a real share above 1 - 1/L (0 if L < 1).

    One step multiplies an error by (1 - alpha) L at most: a contraction exactly then.
    """
    return max(0.0, 1.0 - 1.0 / between("lipschitz", lipschitz))


def steady_error(alpha: float, lipschitz: float, step_error: float) -> float:
    """B2: bound on the error in the limit, step_error/(1 - (1 - alpha) L), step_error being what a single fit adds.

    Raises InputError where (1 - alpha) L is 1 or more: the errors pile up.
    """
    factor = (1.0 - within("alpha", alpha)) * between("lipschitz", lipschitz)
    require(factor < 1.0, f"(1 - alpha) L is below 1, got {factor:g}: the loop is not stable")
    return nonnegative("step_error", step_error) / (1.0 - factor)


def accumulating_variance(n: int, alpha: float, g: int) -> float:
    """B4: Var mu_g, known variance 1, where every round adds n rows, a share alpha of them real: exact (derived).

    mu_i = (1 - alpha/i) mu_(i-1) + noise of variance 1/(n i^2), so Var = sum_i 1/(n i^2) prod_(j>i) (1 - alpha/j)^2;
    alpha = 0 is A2, alpha = 1 the mean of g n real rows. Noise 1/(n i^2) holds for shares that are whole rows.
    """
    within("alpha", alpha)
    i = np.arange(1.0, whole("g", g) + 1.0)
    left = gammaln(i + 1.0 - alpha) - gammaln(i + 1.0)  # ln prod_(j<=i) (1 - alpha/j), up to a constant
    return float(np.sum(np.exp(2.0 * (left[-1] - left)) / (whole("n", n) * i**2)))


def accumulating_rate(alpha: float, baseline: float = 0.5) -> float:
    """B4: the error falls as g^(-min(baseline, alpha)), times log g where they are equal (in the mean square error).

    baseline: rate with real rows alone, 1/2 for a mean. Wang, Niu, Li, arXiv 2602.16065 (secondary); derived for means.
    """
    between("baseline", baseline)
    return min(baseline, within("alpha", alpha))
