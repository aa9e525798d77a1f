"""Why a model left the truth: its drift shared out among causes, from a factorial of counterfactual arms.

A learner is run with every combination of its causes of error removed: finite samples (statistical error), a family
that cannot hold the truth (expressivity), imperfect learning (approximation; these three of Shumailov et al. 2024), and
a sampler that does not draw from the model. Drifts lie in an array of shape (2,) * causes + (chains,): along the axis
of a cause, 0 is without it and 1 with it. The drift with every cause is that of the learner in use; what is left with
none is told apart.

The interaction of a set of causes is what they do together beyond what their subsets do (Harsanyi's dividend; the
alternating sum of drifts over subsets). The Shapley value of a cause is the sum of the interactions it is in, each
shared equally among its causes (Shapley 1953; Harsanyi 1963). Values and what is left add up to the drift, always:
what can fail is tested apart, by `additivity` and by the error of the limit in the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.errors import require
from outcross.core.stats import Interval, mean_interval, ratio_interval

Array = NDArray[np.float64]


def limit(drift: Array, multiples: Sequence[int], power: float = 1.0) -> tuple[Array, Array]:
    """Drift at infinitely many rows, and another extrapolation to tell how far that can be trusted: two (...) arrays.

    drift: (levels, ...) at rows that are `multiples` of one number, rising. The error falls like rows^-power: the value
    is the line through the last two levels (Richardson 1911); the other is the curve of one degree more through the
    last three, or of two levels the last one itself. Raises InputError for fewer than two levels.
    """
    require(len(multiples) == len(drift) >= 2, "a limit takes the drift at two numbers of rows or more")
    x = np.asarray(multiples, dtype=np.float64) ** -power
    line = _at_zero(x[-2:], drift[-2:])
    return line, _at_zero(x[-3:], drift[-3:]) if len(x) > 2 else drift[-1]


def fitted_power(drift: Array, multiples: Sequence[int]) -> float | None:
    """The power with which the last three levels fall to one limit, rows^-power (Aitken 1926).

    drift: (levels,). None where there are fewer, where multiples are not in one proportion, or levels do not fall ever
    more slowly.
    """
    if len(multiples) < 3:
        return None
    first, second, third = multiples[-3:]
    falls = drift[-3] - drift[-2], drift[-2] - drift[-1]
    if second * second != first * third or not falls[0] > falls[1] > 0.0:
        return None
    return float(np.log(falls[0] / falls[1]) / np.log(second / first))


def _at_zero(x: Array, y: Array) -> Array:
    """The polynomial through points at x = 0 (Lagrange)."""
    weights = [np.prod([b / (b - a) for b in np.delete(x, i)]) for i, a in enumerate(x)]
    return np.asarray(np.tensordot(weights, y, axes=1))


def interactions(drift: Array, causes: int) -> Array:
    """Interaction of every set of causes, in the shape of the drift: at index 1 along the axes of its causes."""
    found = drift
    for axis in range(causes):
        without, there = np.split(found, 2, axis=axis)
        found = np.concatenate([without, there - without], axis=axis)
    return found


def shapley(drift: Array, causes: int) -> Array:
    """Shapley value of every cause in each chain: (causes, ...)."""
    every = interactions(drift, causes)
    values = np.zeros((causes, *drift.shape[causes:]))
    for members in product((0, 1), repeat=causes):
        for cause in np.flatnonzero(members):
            values[cause] += every[members] / sum(members)
    return values


class Part(NamedTuple):
    """What a cause takes of the drift: in the unit of the drift, as a share of it, and what removing it alone buys."""

    cause: str
    value: Interval
    share: Interval
    alone: Interval


class Joint(NamedTuple):
    """What several causes do together beyond what fewer of them do."""

    causes: tuple[str, ...]
    value: Interval
    share: Interval


class Decomposition(NamedTuple):
    """The drift at one generation by cause, means over chains with 95 % intervals."""

    total: Interval
    left: Interval  # with every cause removed
    left_share: Interval
    parts: list[Part]
    joint: list[Joint]
    additivity: Interval | None  # error of any combination predicted from all others; None for fewer than two causes
    chains: int


def decompose(drift: Array, other: Array, causes: Sequence[str]) -> Decomposition:
    """Share out the drift. other: the same by another extrapolation, whose difference widens every interval.

    drift, other: (2,) * causes + (chains,), a number everywhere.
    """
    k = len(causes)
    there, none = (1,) * k, (0,) * k
    total = drift[there]

    def told(values: Array, others: Array) -> tuple[Interval, Interval]:
        error = float(abs(np.mean(values) - np.mean(others)))
        return widened(mean_interval(values), error), _share(values, total, error)

    values, others = shapley(drift, k), shapley(other, k)
    parts = []
    for i, cause in enumerate(causes):
        without = tuple(int(j != i) for j in range(k))
        alone = told(total - drift[without], other[there] - other[without])[0]
        parts.append(Part(cause, *told(values[i], others[i]), alone))
    every, alternative = interactions(drift, k), interactions(other, k)
    joint = []
    for members in _together(k):
        named = tuple(c for c, there in zip(causes, members, strict=True) if there)
        joint.append(Joint(named, *told(every[members], alternative[members])))
    left, left_share = told(drift[none], other[none])
    whole = told(total, other[there])[0]
    return Decomposition(whole, left, left_share, parts, joint, joint[-1].value if joint else None, len(total))


def _together(causes: int) -> Iterator[tuple[int, ...]]:
    """Sets of two causes or more, small ones first."""
    return iter(
        sorted((m for m in product((0, 1), repeat=causes) if sum(m) > 1), key=lambda m: (sum(m), [-v for v in m]))
    )


def widened(interval: Interval, error: float) -> Interval:
    """An interval with an error of unknown sign added on both sides."""
    return Interval(interval.value, interval.low - error, interval.high + error)


def _share(part: Array, total: Array, error: float) -> Interval:
    """Part over total; no number where the total cannot be told from nothing."""
    whole = mean_interval(total)
    if not whole.low > 0.0:
        return Interval(np.nan, np.nan, np.nan)
    return widened(ratio_interval(part, total), error / whole.value)
