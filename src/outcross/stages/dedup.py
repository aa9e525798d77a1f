"""Copies are left out: of rows that are the same, or nearly so, one goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Passed, Place, Scene
from outcross.core.corpus import Corpus, intensities
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.stages import part
from outcross.stages.scores import centre_and_sd, kind_of


@dataclass(frozen=True)
class Stage:
    """within: how far apart copies are at most, root mean square over a row: of numbers in standard deviations of
    trusted real rows, of images in intensities (0 to 1). 0: only rows that are the same, of text too.
    """

    within: float = 0.0
    on: Place = "fitted"

    def __post_init__(self) -> None:
        require(self.within >= 0.0, f"within is at least 0, got {self.within:g}")

    def __call__(self, rows: Corpus, scene: Scene, rng: Stream) -> Passed:
        """The first of every set of copies, in order."""
        if self.within == 0.0:
            flat = np.ascontiguousarray(rows.items.reshape(len(rows), -1))
            _, first = np.unique(flat, axis=0, return_index=True)
            return Passed(part(rows, np.sort(first)))
        return Passed(part(rows, self._apart(_measured(rows, scene))))

    def _apart(self, points: NDArray[Any]) -> NDArray[np.bool_]:
        """Rows that no earlier row that stays is near to (n,)."""
        from sklearn.neighbors import NearestNeighbors

        radius = self.within * points.shape[1] ** 0.5
        near = NearestNeighbors(radius=radius).fit(points).radius_neighbors(points, return_distance=False)
        stays = np.ones(len(points), dtype=bool)
        for i, around in enumerate(near):
            stays[i] = not any(stays[j] for j in around if j < i)
        return stays


def _measured(rows: Corpus, scene: Scene) -> NDArray[Any]:
    """Rows as points whose distances mean something."""
    require(rows.vocabulary is None, "within: text has no distance here: use within=0, which drops equal blocks")
    if kind_of(rows) == "images":
        return intensities(rows.items).reshape(len(rows), -1)
    return np.asarray(rows.items / centre_and_sd(scene)[1])
