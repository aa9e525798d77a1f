"""Streamed: a pool whose synthetic rows are drawn anew for every pass over it, never twice the same.

So sampling error vanishes as passes grow, and what is left is what the learner does; the authors' variational
autoencoder is trained like this (Shumailov et al. 2024, code).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Model
from outcross.core.corpus import Corpus, intensities
from outcross.core.rng import Stream


@dataclass(frozen=True, eq=False)
class Streamed:
    """`made` fresh rows of a model in every pass, beside the rows of `kept`, which are always the same."""

    model: Model
    made: int
    stream: Stream
    kept: Corpus | None

    def __len__(self) -> int:
        return self.made + (0 if self.kept is None else len(self.kept))

    def rows(self, number: int) -> NDArray[Any]:
        """The rows of one pass, counted from 0: images as float32 in [0, 1], never rounded to 8 bits."""
        rows = self.model.sample(self.made, self.stream._replace(shard=number))
        if self.kept is None:
            return rows
        kept = intensities(self.kept.items) if self.kept.items.dtype == np.uint8 else self.kept.items
        return np.concatenate([rows, kept])
