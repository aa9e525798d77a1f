"""Statistics across chains. The chain is the unit of replication: points within one chain are never replicates."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST = 6  # values whose range is a 95 % interval of their median: of five it holds the median 94 times in 100


class Interval(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def median_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Median with its distribution-free interval from order statistics (exact, at least `level`).

    Fewer than FEWEST values cannot give a 95 % interval: the bounds are then NaN.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    n = len(x)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan)
    rank = rank_of(n, level)
    if rank == 0:
        enough = 1.0 - 2.0 * 0.5**n >= level
        return Interval(float(np.median(x)), *((float(x[0]), float(x[-1])) if enough else (np.nan, np.nan)))
    return Interval(float(np.median(x)), float(x[rank - 1]), float(x[n - rank]))


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Mean with Student's interval, exact where values are normal; of one value the bounds are NaN."""
    from scipy.special import stdtrit  # Student's quantile; scipy.stats takes half a second to import

    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    if n < 2:
        return Interval(float(x[0]) if n else np.nan, np.nan, np.nan)
    half = float(stdtrit(n - 1, 0.5 + level / 2.0) * x.std(ddof=1) / np.sqrt(n))
    return Interval(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half)


def ratio_interval(part: ArrayLike, whole: ArrayLike, level: float = 0.95) -> Interval:
    """Mean of part over mean of whole, paired values, with Student's interval of the linearised ratio (Cochran 1977).

    Of use where the mean of the whole is well away from 0; of one pair the bounds are NaN.
    """
    x, y = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    ratio = float(x.mean() / y.mean())
    off = mean_interval((x - ratio * y) / y.mean(), level)
    return Interval(ratio, ratio + off.low - off.value, ratio + off.high - off.value)


@cache
def rank_of(n: int, level: float) -> int:
    """How many order statistics on each side an interval of the median leaves out; 0 for too few values."""
    from scipy.stats import binom

    rank = int(binom.ppf((1.0 - level) / 2.0, n, 0.5))
    while rank > 0 and 1.0 - 2.0 * binom.cdf(rank - 1, n, 0.5) < level:
        rank -= 1
    return rank


def share_interval(hits: int, n: int, level: float = 0.95) -> Interval:
    """A share with its Wilson interval; of nothing, anything is possible."""
    from scipy.stats import binomtest

    if n == 0:
        return Interval(np.nan, 0.0, 1.0)
    bounds = binomtest(hits, n).proportion_ci(level, method="wilson")
    return Interval(hits / n, float(bounds.low), float(bounds.high))


def paired_difference(a: ArrayLike, b: ArrayLike) -> Interval:
    """B - a over pairs (chains under one seed), with its interval; pairs that lack a number are left out.

    Their median, or of fewer than FEWEST their mean: so few tell nothing without taking differences to be normal.
    """
    difference: NDArray[np.float64] = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    there = difference[np.isfinite(difference)]
    return median_interval(there) if len(there) >= FEWEST else mean_interval(there)
