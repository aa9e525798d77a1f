"""A floor under small groups: where a group is fewer than it is in truth, real rows of it take the place of others.

Quotas by group keep minorities that loops lose first (Wyllie et al., arXiv 2403.07857), at the price of real rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Passed, Place, Scene
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, require
from outcross.core.rng import Stream
from outcross.core.stages import part
from outcross.stages.scores import TRUSTED, column_of, numbers


@dataclass(frozen=True)
class Stage:
    """Groups are labels; or rows with one value of a `column`; or rows nearest to one of `centres`, a number a column.

    least: of its share among trusted real rows, what every group has at least. Real rows that are put in are original
    ones, drawn with replacement; they take the place of rows of groups that have more than they need.
    """

    column: int | str | None = None
    centres: Sequence[Sequence[float]] | None = None
    least: float = 1.0
    on: Place = "fitted"

    def __post_init__(self) -> None:
        require(0.0 < self.least <= 1.0, f"least is a share in (0, 1], got {self.least:g}")
        require(self.column is None or self.centres is None, "groups are by column or by centres, not both")
        if self.centres is not None:
            object.__setattr__(self, "centres", tuple(tuple(c) for c in self.centres))

    def __call__(self, rows: Corpus, scene: Scene, rng: Stream) -> Passed:
        """As many rows, every group of them large enough."""
        chance, own, real = rng.generator(), self._groups(rows, scene), self._groups(scene.original, scene)
        due = self._due(len(rows), scene)
        put = [
            chance.choice(_some(np.flatnonzero(real == k), k), missing)
            for k, d in due.items()
            if (missing := d - int((own == k).sum())) > 0
        ]
        if not put:
            return Passed(rows)
        index, strange = np.concatenate(put), np.flatnonzero(~np.isin(own, list(due)))
        spare = [strange, *(chance.permutation(np.flatnonzero(own == k))[d:] for k, d in due.items())]
        gone = chance.permutation(np.concatenate(spare))[: len(index)]
        stay = np.delete(np.arange(len(rows)), gone)
        return Passed(part(rows, stay) + part(scene.original, index), len(index))

    def _due(self, n: int, scene: Scene) -> dict[Any, int]:
        """Rows that each group has at least, of n."""
        names, counts = np.unique(self._groups(scene.trusted(TRUSTED), scene), return_counts=True)
        return {k: int(self.least * n * c / counts.sum()) for k, c in zip(names, counts, strict=True)}

    def _groups(self, rows: Corpus, scene: Scene) -> NDArray[Any]:
        """The group of each row (n,)."""
        if self.column is not None:
            return np.asarray(numbers(rows, "groups.column")[:, column_of(scene, self.column)])
        if self.centres is not None:
            table, centres = numbers(rows, "groups.centres"), np.asarray(self.centres)
            width = centres.shape[1] if centres.ndim == 2 else 0
            require(width == table.shape[1], f"centres have {table.shape[1]} numbers each here, got {width}")
            return np.asarray(np.square(table[:, None] - centres).sum(axis=2).argmin(axis=1))
        require(rows.label is not None, "groups: these rows have no label: say column or centres")
        return np.asarray(rows.label)


def _some(index: NDArray[np.int64], group: Any) -> NDArray[np.int64]:
    """The original rows of a group. Raises FitDegenerate where there is none."""
    if not len(index):
        raise FitDegenerate(f"no original row of group {group:g} is there to put in: start with more samples")
    return index
