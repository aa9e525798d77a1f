"""Origin labels of a stated quality: rows that are called generated are left out of the fit (quarantine by origin).

A row is labelled once, when it is published: its label depends on what the row is, on its origin and on the chain, not
on the generation that looks at it, nor on the rows beside it. So a pool that grows keeps its labels, and a run that
goes on needs none stored. Equal rows of one origin are labelled each on its own, in their order in the pool.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Passed, Place, Scene
from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.stages import part


@dataclass(frozen=True)
class Stage:
    """recall: share of the generated rows that are called generated. false_alarms: share of the real rows that are; or,
    in its place, precision: share of the rows called generated that are, among as many real as generated ones. Without
    either, no real row is.

    labelled: share of rows, whatever their origin, that have a label at all; those without stay.
    Raises InputError unless all are shares, and for a precision that no labeller of this recall can have.
    """

    recall: float = 1.0
    precision: float | None = None
    false_alarms: float | None = None
    labelled: float = 1.0
    on: ClassVar[Place] = "fitted"

    def __post_init__(self) -> None:
        for name in ("recall", "precision", "false_alarms", "labelled"):
            value = getattr(self, name)
            require(value is None or 0.0 <= value <= 1.0, f"{name} is a share in [0, 1], got {value}")
        both = self.precision is not None and self.false_alarms is not None
        require(not both, "precision and false_alarms say the same: give one of them")
        if self.precision is not None:
            least = self.recall / (1.0 + self.recall)
            told = f"precision is at least {least:.3g} at this recall, where every real row is called generated"
            require(self.precision >= least and self.precision > 0.0, f"{told}; got {self.precision:g}")

    @property
    def wrong(self) -> float:
        """Share of real rows that are called generated."""
        if self.precision is not None:
            return self.recall * (1.0 - self.precision) / self.precision
        return self.false_alarms or 0.0

    def __call__(self, rows: Corpus, scene: Scene, rng: Stream) -> Passed:
        """The rows that are not called generated."""
        return Passed(part(rows, ~self.flagged(rows, rng)))

    def flagged(self, rows: Corpus, rng: Stream) -> NDArray[Any]:
        """Which rows have the label `generated` (n,)."""
        fates = rng._replace(generation=0).fates(_published(rows))
        chance = np.where(rows.born == 0, self.wrong, self.recall)
        return np.asarray((fates[:, 0] < self.labelled) & (fates[:, 1] < chance))


def _published(rows: Corpus) -> Iterator[bytes]:
    """What each row is: origin, which of those equal to it, and content."""
    seen: Counter[bytes] = Counter()
    items = np.ascontiguousarray(rows.items)
    for born, row in zip(rows.born.tolist(), items, strict=True):
        content = born.to_bytes(4, "big") + row.tobytes()
        seen[content] += 1
        yield seen[content].to_bytes(4, "big") + content
