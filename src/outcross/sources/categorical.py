"""A law on categories as the known truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.statistics import Counts, Statistics, multinomial
from outcross.sources.known import Known

MOST = 1 << 20  # categories


class Source(Known):
    """probabilities: one for each category, positive, summing to 1. labels: their names, in that order.

    Any number of rows can be drawn: category codes from 0, in one column.
    """

    items: ClassVar[str] = "categories"
    columns = ("category",)
    law = None

    def __init__(
        self, probabilities: Sequence[float] = (0.5, 0.3, 0.15, 0.05), labels: Sequence[str] | None = None
    ) -> None:
        require(
            len(probabilities) >= 2, f"probabilities are two or more, got {len(probabilities)}; one alone loses nothing"
        )
        share = np.array(probabilities, dtype=np.float64)
        for number, p in enumerate(probabilities, start=1):
            require(p > 0.0, f"probabilities are positive, number {number} is {p:g}: leave that category out")
        require(abs(share.sum() - 1.0) < 1e-9, f"probabilities sum to 1, these sum to {share.sum():g}")
        require(labels is None or len(labels) == len(share), "labels are one name for each probability")
        require(labels is None or len(set(labels)) == len(labels), f"labels are all different, got {labels!r:.80}")
        self._settle(share, tuple(labels) if labels is not None else None)

    def _settle(self, share: NDArray[np.float64], labels: tuple[str, ...] | None) -> None:
        require(
            2 <= len(share) <= MOST, f"categories number 2 to {MOST:,}, got {len(share):,}; one alone loses nothing"
        )
        self.frequencies = share / share.sum()
        self.labels = labels

    def statistics(self, kind: type[Statistics], n: int, rng: Stream) -> Counts:
        """Counts of n independent draws."""
        return Counts(multinomial(n, self.frequencies, rng))

    def draw(self, n: int, rng: Stream) -> Corpus:
        """N independent category codes."""
        edges = np.cumsum(self.frequencies)
        drawn = np.searchsorted(edges, rng.generator().random(n) * edges[-1], side="right")
        return Corpus.of(np.minimum(drawn, len(edges) - 1).astype(np.float64))
