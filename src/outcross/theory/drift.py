"""Neutral drift of rare categories: how many are lost by chance alone, and how surely (oracle D4).

Every generation draws n items from the frequencies of the last. A category with c << n copies is then a branching
process: each copy leaves a Poisson(1) number of copies. g counts generations after the one in which copies are counted.

The law ends where the pool is felt: RARE c^2 > n, or BRIEF g > n, as one category always stays. Within, expectations
are off by less than 0.01 of the standard deviation of a chain (against binomial transitions, solved, n = 25 to 1,000).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outcross.core.errors import require
from outcross.theory.given import nonnegative, numbers, whole

Array = NDArray[np.float64]
RARE, BRIEF = 25, 5
_MOST = 10**7  # generations, beyond which nothing rare is left


class Lost(NamedTuple):
    """How many categories drift has taken: expectation and variance."""

    expected: float
    variance: float


@lru_cache(maxsize=256)
def extinction(g: int) -> Array:
    """P(the line of one copy has died out) after 0 .. g generations: f_0 = 0, f_g = exp(f_{g-1} - 1) (g + 1,)."""
    last = whole("g", g, 0)
    require(last <= _MOST, f"g is {_MOST:,} or less, got {last:,}")
    f = np.zeros(last + 1)
    for i in range(1, last + 1):
        f[i] = np.exp(f[i - 1] - 1.0)
    f.flags.writeable = False
    return f


def holds(copies: float, g: int, n: int) -> bool:
    """Whether a category with so many copies in a pool of n is lost by this law within g generations."""
    return RARE * nonnegative("copies", copies) ** 2 <= whole("n", n) and BRIEF * whole("g", g, 0) <= n


def lost_by_drift(copies: ArrayLike, g: int, n: int) -> Lost:
    """Categories lost after g generations, of those with so many copies in a pool of n items.

    Expectation sum_i f_g^c_i [1 - (A_g c_i^2 + B_g c_i) / n], whose correction takes the numbers of copies as binomial,
    not Poisson, to first order in 1 / n. The categories share n items a generation, so what one loses another gains:
    with independent lines conditioned on their sum, the variance is that of independent categories less Q^2 D / n,
    where Q = sum_i c_i f_g^c_i and D = f_g^-2 sum_{s=1..g} [(1 - f_{g-s}) prod_{j=g-s+1..g} f_j]^2 (derived; at g = 1
    it is the variance of the occupancy problem), to leading order. Raises InputError outside the law.
    """
    c = numbers("copies", copies)
    require(bool((c >= 1.0).all()), f"copies are 1 or more, got {c.min(initial=np.inf):g}")
    most = c.max(initial=0.0)
    allowed = f"{RARE} copies^2 and {BRIEF} g are n or less"
    require(holds(most, g, n), f"{allowed}, got copies = {most:g}, g = {g}, n = {n}")
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
