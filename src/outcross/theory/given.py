"""What the closed forms accept: each check says in one line what was given and what is allowed.

Throughout theory, g counts fits, the one on real rows being g = 1: generation t of a chain is g = t + 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outcross.core.errors import require

Array = NDArray[np.float64]
Rows = int | Sequence[int]
"""Rows of every fit, or of fit 1, 2, ... in turn."""

ML, UNBIASED = "ml", "unbiased"
"""Estimators of variance, by divisor: n (maximum likelihood), n - 1."""


def whole(name: str, value: float, least: int = 1) -> int:
    """A whole number from `least` on."""
    require(np.isfinite(value) and value == int(value), f"{name} is a whole number, got {value:g}")
    require(value >= least, f"{name} is {least} or more, got {value:g}")
    return int(value)


def within(name: str, value: float, low: float = 0.0, high: float = 1.0) -> float:
    """A number in [low, high]."""
    require(low <= value <= high, f"{name} lies in [{low:g}, {high:g}], got {value:g}")
    return float(value)


def between(name: str, value: float, low: float = 0.0, high: float = np.inf) -> float:
    """A number in the open interval (low, high)."""
    require(low < value < high, f"{name} lies between {low:g} and {high:g}, got {value:g}")
    return float(value)


def schedule(n: Rows, g: int, least: int = 1) -> Array:
    """Rows of the first g fits (g,), each `least` or more."""
    whole("g", g)
    each = [n] * g if isinstance(n, int | float | np.integer) else list(n)[:g]
    require(len(each) == g, f"{g} fits need {g} row counts, got {len(each)}")
    return np.array([whole("n", m, least) for m in each], dtype=np.float64)


def divisor(n: Array, estimator: str) -> Array:
    """What the sum of squares of n rows is divided by."""
    require(estimator in (ML, UNBIASED), f"estimator is {ML} or {UNBIASED}, got {estimator!r}")
    return n if estimator == ML else n - 1.0


def real_rows(n: int, alpha: float, least: int = 1) -> int:
    """Rows of a real share alpha of n: a whole number of them."""
    whole("n", n, 2)
    within("alpha", alpha)
    rows = round(alpha * n)
    require(abs(rows - alpha * n) < 1e-9 * n, f"alpha n is a whole number of rows, got {alpha * n:g}")
    require(rows >= least, f"alpha n is {least} row or more, got {rows}")
    return rows


def law(p: ArrayLike, lost: bool = False) -> Array:
    """Probabilities of two or more categories, summing to 1, all positive unless some may be lost."""
    probabilities = np.asarray(p, dtype=np.float64)
    require(probabilities.ndim == 1, f"a law is one list of probabilities, got {probabilities.ndim} axes")
    require(len(probabilities) > 1, f"a law has two categories or more, got {len(probabilities)}")
    least = probabilities.min()
    require(least > 0.0 or (lost and least == 0.0), f"every category has positive mass, got {least:g}")
    total = probabilities.sum()
    require(abs(total - 1.0) < 1e-9, f"probabilities sum to 1, got {total:g}")
    return probabilities
