"""How near a model's rows are to real validation rows, for choices made while training.

The energy distance of Szekely and Rizzo 2013 is, up to a factor, the mean over directions of what it is along each;
along one it takes a sort, so that many thousand rows are cheap and small differences show.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.corpus import intensities

Array = NDArray[np.float64]
_DIRECTIONS = 64


class Judge:
    """Real rows, numbers or images, seen along directions; columns of numbers are scaled to their sd."""

    def __init__(self, real: NDArray[Any], chance: np.random.Generator) -> None:
        rows = _flat(real)
        spread = rows.std(axis=0) if real.ndim == 2 else np.ones(rows.shape[1])
        directions = chance.standard_normal((rows.shape[1], _DIRECTIONS))
        directions /= np.linalg.norm(directions, axis=0)
        self._lens = directions / np.where(spread > 0.0, spread, 1.0)[:, None]
        self._real = self._seen(rows)

    def distance(self, made: NDArray[Any]) -> float:
        """Squared energy distance of rows from the real ones, without bias: below 0 by chance where both are alike."""
        x, y = self._seen(_flat(made)), self._real
        m, n = x.shape[1], y.shape[1]
        within = _gaps(x), _gaps(y)
        between = _gaps(np.sort(np.concatenate([x, y], axis=1))) - within[0] - within[1]
        own = 2.0 * within[0] / (m * (m - 1)) + 2.0 * within[1] / (n * (n - 1))
        return float(np.mean(2.0 * between / (m * n) - own))

    def _seen(self, rows: Array) -> Array:
        """Rows along each direction, in order (directions, n)."""
        return np.sort((rows @ self._lens).T)


def _flat(rows: NDArray[Any]) -> Array:
    numbers = rows if rows.ndim == 2 else intensities(rows)
    return numbers.reshape(len(rows), -1).astype(np.float64)


def _gaps(ordered: Array) -> Array:
    """Sum of |a - b| over all pairs of a sorted row, for each row."""
    n = ordered.shape[1]
    centred = ordered - ordered.mean(axis=1, keepdims=True)  # or large numbers would cancel
    return np.asarray(centred @ (2.0 * np.arange(n) - (n - 1)))
