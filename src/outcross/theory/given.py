"""What the closed forms accept: each check says in one line what was given and what is allowed.

Throughout theory, g counts fits, the one on real rows being g = 1: generation t of a chain is g = t + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outcross.core.errors import InputError, require

Array = NDArray[np.float64]
Rows = int | Sequence[int]
"""Rows of every fit, or of fit 1, 2, ... in turn."""

_MOST_FITS = 10**8
ML, UNBIASED = "ml", "unbiased"
"""Estimators of variance, by divisor: n (maximum likelihood), n - 1."""


def number(name: str, value: float) -> float:
    """A number: text, True and what no float holds are none."""
    require(isinstance(value, Real) and not isinstance(value, bool), f"{name} is a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{name} is at most {np.finfo(float).max:.2g}, got a number of more digits") from None


def whole(name: str, value: float, least: int = 1) -> int:
    """A whole number from `least` on."""
    given = number(name, value)
    require(given.is_integer(), f"{name} is a whole number, got {given:g}")
    require(given >= least, f"{name} is {least} or more, got {given:g}")
    return int(value)


def within(name: str, value: float, low: float = 0.0, high: float = 1.0) -> float:
    """A number in [low, high]."""
    given = number(name, value)
    require(low <= given <= high, f"{name} lies in [{low:g}, {high:g}], got {given:g}")
    return given


def between(name: str, value: float, low: float = 0.0, high: float = np.inf) -> float:
    """A number in the open interval (low, high)."""
    given = number(name, value)
    require(low < given < high, f"{name} lies between {low:g} and {high:g}, got {given:g}")
    return given


def finite(name: str, value: float) -> float:
    """A number that is neither infinite nor NaN."""
    given = number(name, value)
    require(bool(np.isfinite(given)), f"{name} is finite, got {given:g}")
    return given


def nonnegative(name: str, value: float) -> float:
    """A finite number, 0 or more."""
    given = finite(name, value)
    require(given >= 0.0, f"{name} is 0 or more, got {given:g}")
    return given


def schedule(n: Rows, g: int, least: int = 1) -> Array:
    """Rows of the first g fits (g,), each `least` or more."""
    fits = whole("g", g)
    require(fits <= _MOST_FITS, f"g is {_MOST_FITS:,} or less, got {fits:,}")
    if not isinstance(n, Sequence | np.ndarray) or isinstance(n, str):
        return np.full(fits, float(whole("n", n, least)))
    require(len(n) >= fits, f"{fits} fits need {fits} row counts, got {len(n)}")
    return np.array([whole("n", m, least) for m in n[:fits]], dtype=np.float64)


def numbers(name: str, values: ArrayLike) -> Array:
    """One list of numbers (k,)."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is one list of numbers, got {values!r:.60}") from None
    require(found.ndim == 1, f"{name} is one list of numbers, got {found.ndim} axes")
    return found


def divisor(n: Array, estimator: str) -> Array:
    """What the sum of squares of n rows is divided by."""
    require(estimator in (ML, UNBIASED), f"estimator is {ML} or {UNBIASED}, got {estimator!r}")
    return n if estimator == ML else n - 1.0


def real_rows(n: int, alpha: float, least: int = 1) -> int:
    """Rows of a real share alpha of n: a whole number of them."""
    whole("n", n, 2)
    within("alpha", alpha)
    rows = round(alpha * n)
    rounding = 1e-9 + 4.0 * float(np.finfo(float).eps) * n
    require(abs(rows - alpha * n) < rounding, f"alpha n is a whole number of rows, got {alpha * n:g}")
    require(rows >= least, f"alpha n is {least} row or more, got {rows}")
    return rows


def law(p: ArrayLike, lost: bool = False) -> Array:
    """Probabilities of two or more categories, summing to 1, all positive unless some may be lost."""
    probabilities = numbers("a law", p)
    require(len(probabilities) > 1, f"a law has two categories or more, got {len(probabilities)}")
    least = probabilities.min()
    require(least > 0.0 or (lost and least == 0.0), f"every category has positive mass, got {least:g}")
    total = probabilities.sum()
    require(abs(total - 1.0) < 1e-9, f"probabilities sum to 1, got {total:g}")
    return probabilities
