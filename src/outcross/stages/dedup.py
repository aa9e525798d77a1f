"""Copies are left out: of rows that are the same, or nearly so, one goes on.

Near copies of text are found by MinHash and locality-sensitive hashing (Broder 1997), those of `datasketch`: what it
takes for near is measured, so that no block is dropped that is farther from every other than was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Passed, Place, Scene, later
from outcross.core.corpus import Corpus, intensities
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.stages import part
from outcross.stages.scores import centre_and_sd, kind_of

_HASHES = 128  # of a block
_MISSING = 0.9  # what a near copy that is not found weighs, against a block that is looked at in vain


@dataclass(frozen=True)
class Stage:
    """within: how far apart copies are at most. Root mean square over a row: of numbers in standard deviations of
    trusted real rows, of images in intensities (0 to 1). Of text: the share of two blocks' different runs of `run`
    tokens that only one of them has (Jaccard distance, below 1). 0: only rows that are the same.
    """

    within: float = 0.0
    on: Place = "fitted"
    run: int = later(3)

    def __post_init__(self) -> None:
        require(self.within >= 0.0, f"within is at least 0, got {self.within:g}")
        require(self.run >= 1, f"run is 1 token or more, got {self.run}")

    def __call__(self, rows: Corpus, scene: Scene, rng: Stream) -> Passed:
        """The first of every set of copies, in order."""
        if self.within == 0.0:
            flat = np.ascontiguousarray(rows.items.reshape(len(rows), -1))
            _, first = np.unique(flat, axis=0, return_index=True)
            return Passed(part(rows, np.sort(first)))
        if kind_of(rows) == "text":
            return Passed(part(rows, self._worded_apart(rows.items, rng)))
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

    def _worded_apart(self, blocks: NDArray[Any], rng: Stream) -> NDArray[np.bool_]:
        """Blocks that no earlier block that stays is found to be near to (n,)."""
        require(self.within < 1.0, f"within of text is below 1, where blocks share nothing, got {self.within:g}")
        need_datasketch()
        from datasketch import MinHash, MinHashLSH

        runs = _runs(blocks, self.run)
        hashed = MinHash.bulk(runs, num_perm=_HASHES, seed=rng.seed())
        kept = MinHashLSH(1.0 - self.within, num_perm=_HASHES, weights=(1.0 - _MISSING, _MISSING))
        stays = np.zeros(len(blocks), dtype=bool)
        for i, signature in enumerate(hashed):
            stays[i] = all(_jaccard(runs[i], runs[j]) > self.within for j in kept.query(signature))
            if stays[i]:
                kept.insert(i, signature)
        return stays


def _measured(rows: Corpus, scene: Scene) -> NDArray[Any]:
    """Rows as points whose distances mean something."""
    if kind_of(rows) == "images":
        return intensities(rows.items).reshape(len(rows), -1)
    return np.asarray(rows.items / centre_and_sd(scene)[1])


def _runs(blocks: NDArray[Any], length: int) -> list[set[bytes]]:
    """The different runs of so many tokens in each block; a shorter block is one run."""
    seen = np.lib.stride_tricks.sliding_window_view(blocks, min(length, blocks.shape[1]), axis=1)
    return [{run.tobytes() for run in block} for block in seen]


def _jaccard(one: set[bytes], other: set[bytes]) -> float:
    """The share of what is in either that is not in both."""
    return 1.0 - len(one & other) / len(one | other)


def need_datasketch() -> None:
    """Raise InputError, naming the extra, where datasketch is not installed."""
    there = find_spec("datasketch") is not None
    require(there, "within: near copies of text need datasketch, which is not installed: pip install 'outcross[text]'")
