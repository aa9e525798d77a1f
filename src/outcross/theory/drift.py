"""Neutral drift of rare categories: how many are lost by chance alone, and how surely (oracle D4).

Every generation draws n items from the frequencies of the last. A category with c << n copies is then a branching
process: each copy leaves a Poisson(1) number of copies. g counts generations after the one in which copies are counted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outcross.core.errors import require

Array = NDArray[np.float64]


class Lost(NamedTuple):
    """How many categories drift has taken: expectation and variance."""

    expected: float
    variance: float


@lru_cache(maxsize=256)
def extinction(g: int) -> Array:
    """P(the line of one copy has died out) after 0 .. g generations: f_0 = 0, f_g = exp(f_{g-1} - 1) (g + 1,)."""
    require(g >= 0, f"generations are counted from 0, got {g}")
    f = np.zeros(g + 1)
    for i in range(1, g + 1):
        f[i] = np.exp(f[i - 1] - 1.0)
    f.flags.writeable = False
    return f


def lost_by_drift(copies: ArrayLike, g: int, n: int) -> Lost:
    """Categories lost after g generations, of those with so many copies in a pool of n items.

    Expectation sum_i f_g^c_i [1 - (A_g c_i^2 + B_g c_i) / n], whose correction takes the numbers of copies as binomial,
    not Poisson, to first order in 1 / n. The categories share n items a generation, so what one loses another gains:
    with independent lines conditioned on their sum, the variance is that of independent categories less Q^2 D / n,
    where Q = sum_i c_i f_g^c_i and D = f_g^-2 sum_{s=1..g} [(1 - f_{g-s}) prod_{j=g-s+1..g} f_j]^2 (derived; at g = 1
    it is the variance of the occupancy problem), to leading order. For c^2 << n.
    """
    c = np.asarray(copies, dtype=np.float64)
    require(bool((c >= 1.0).all()), "copies are at least 1")
    require(bool((c <= n).all()), f"no category has more copies than the pool has items, {n:,}")
    f = extinction(g)
    a, b = _finite_pool(g)
    gone = f[g] ** c * np.clip(1.0 - (a * c + b) * c / n, 0.0, 1.0)
    shared = float((c * gone).sum()) ** 2 * _shared(g) / n
    return Lost(float(gone.sum()), max(float((gone * (1.0 - gone)).sum()) - shared, 0.0))


@lru_cache(maxsize=256)
def _shared(g: int) -> float:
    """D of `lost_by_drift`."""
    if g == 0:
        return 0.0
    f = extinction(g)
    products = np.cumprod(f[:0:-1])  # over j = g, then g - 1 .. g, and so on down to 1 .. g
    return float((((1.0 - f[g - 1 :: -1]) * products / f[g]) ** 2).sum())


@lru_cache(maxsize=256)
def _finite_pool(g: int) -> tuple[float, float]:
    """A_g and B_g: A_g = (1 - f)^2 / 2 + f^2 A_{g-1}, B_g = f (A_{g-1} + B_{g-1}), with f = f_{g-1}, from 0."""
    a = b = 0.0
    for f in extinction(g)[:g]:
        a, b = 0.5 * (1.0 - f) ** 2 + f * f * a, f * (a + b)
    return a, b
