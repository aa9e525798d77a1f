"""Curation: of several rows, people keep the one that they like (Ferbach et al., arXiv 2407.09499)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outcross.core.contracts import Passed, Place, Scene, node
from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.stages import part
from outcross.stages.scores import Score, scored


@dataclass(frozen=True)
class Stage:
    """choices: rows that one is chosen out of. score: their reward r.

    A row is chosen with probability proportional to e^r (Bradley-Terry, oracles S3, S4), or always the `best`.
    """

    choices: int = 2
    score: Score = node("scores", {"kind": "nearness"})
    best: bool = False
    on: ClassVar[Place] = "made"

    def __post_init__(self) -> None:
        require(2 <= self.choices <= 1000, f"choices is 2 to 1000, got {self.choices}")

    def __call__(self, rows: Corpus, scene: Scene, rng: Stream) -> Passed:
        """As many rows as there were, each the choice among itself and its rivals."""
        assert scene.more is not None
        n = len(rows)
        every = rows + scene.more(n * (self.choices - 1))
        reward = scored(self.score, every, scene).reshape(self.choices, n)
        if not self.best:  # the largest of r + Gumbel noise is drawn in proportion to e^r
            reward = reward + rng.generator().gumbel(size=reward.shape)
        return Passed(part(every, reward.argmax(axis=0) * n + np.arange(n)))
