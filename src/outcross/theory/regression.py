"""Linear regression on labels of earlier models: oracles R1-R3 and R5. Error: ||w_hat - w*||^2, in label units squared.

g counts fits, the one on real labels being g = 1: generation t of a chain is g = t + 1. n rows a generation, d
features with iid N(0, 1) entries, label noise of standard deviation `noise`, ordinary least squares; n > d + 1, or
the error has no mean. The error equals the excess test risk. One fit on real labels: b = noise^2 d/(n - d - 1).
"""

from __future__ import annotations

import numpy as np

from outcross.core.errors import require
from outcross.theory.given import Rows, between, nonnegative, schedule, whole, within


def base_error(n: int, d: int, noise: float) -> float:
    """R1 at g = 1: b = noise^2 d/(n - d - 1), the trace of an inverse Wishart."""
    whole("d", d)
    require(whole("n", n) > d + 1, f"n exceeds d + 1 = {d + 1}, got {n}")
    return between("noise", noise) ** 2 * d / (n - d - 1.0)


def replaced_error(n: Rows, d: int, noise: float, g: int) -> float:
    """R1: E error = sum of b over the fits, g b for constant n, whether X is the same in every generation or fresh.

    Gerstgrasser et al., arXiv 2404.01413; Dohmatob et al., arXiv 2402.07712 (secondary); derived, simulated.
    """
    return float(sum(base_error(int(m), d, noise) for m in schedule(n, g)))


def accumulated_error_same(n: int, d: int, noise: float, g: int) -> float:
    """R2: E error = b sum_(i<=g) 1/i^2 <= b pi^2/6 where every label is kept, X being the same in every generation.

    Gerstgrasser et al., arXiv 2404.01413 (secondary); the same X is what the Collapse-or-Thrive code takes (source).
    """
    return base_error(n, d, noise) * float(np.sum(np.arange(1.0, whole("g", g) + 1.0) ** -2))


def accumulated_error_fresh(n: int, d: int, noise: float, g: int) -> float:
    """R3: E error = sum_(t<=g) noise^2 d/(t (t n - d - 1)) where every row is kept, with fresh X (derived)."""
    base_error(n, d, noise)
    t = np.arange(1.0, whole("g", g) + 1.0)
    return float(np.sum(noise**2 * d / (t * (t * n - d - 1.0))))


def pooled_floor(share: float, gap: float) -> float:
    """R5: error to w_1 for n -> infinity, `share` of the pool coming from w_2: share^2 gap, gap = ||w_1 - w_2||^2.

    It does not fall with n: Dohmatob et al., Strong Model Collapse, arXiv 2410.04840 (secondary); derived.
    """
    return within("share", share) ** 2 * nonnegative("gap", gap)


def pooled_error(n: int, d: int, noise: float, share: float, gap: float) -> float:
    """R5: the same to first order in 1/n: floor + [d noise^2 + share (1 - share)(d + 1) gap]/n.

    Exact shares; n >> d. Derived, simulated.
    """
    base_error(n, d, noise)
    return pooled_floor(share, gap) + (d * noise**2 + share * (1.0 - share) * (d + 1.0) * gap) / n
