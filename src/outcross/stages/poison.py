"""An attack: a share of the rows that a model made is written over (reliability of loops: oracles P1-P6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from outcross.core.contracts import Passed, Place, Scene, node
from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.stages.attacks import Attack

When = Literal["every", "once"] | Sequence[int]


@dataclass(frozen=True)
class Stage:
    """share: of the rows that are new in a pool, real ones among them, to the nearest whole row: poison takes the place
    of generated rows. attack: what they become. when: in `every` generation, `once` (the first), or those listed.
    """

    share: float = 0.01
    attack: Attack = node("attacks", {"kind": "outlier"})
    when: When = "every"
    on: ClassVar[Place] = "made"

    def __post_init__(self) -> None:
        require(0.0 <= self.share <= 1.0, f"share is in [0, 1], got {self.share:g}")
        if isinstance(self.when, str):
            require(self.when in ("every", "once"), f"when is every, once or a list of generations, got {self.when!r}")
        else:
            object.__setattr__(self, "when", tuple(self.when))
            require(all(g >= 1 for g in self.when), f"when: generations after 0, got {min(self.when)}")

    def __call__(self, rows: Corpus, scene: Scene, rng: Stream) -> Passed:
        """As many rows, the last of them poisoned."""
        whole, n = round(self.share * scene.samples), len(rows)
        told = f"share {self.share:g} is {whole} of {scene.samples} rows, generated are {scene.due}: poison fewer"
        require(whole <= scene.due, told)
        k = round(whole * n / max(scene.due, 1)) if self._now(scene.generation) else 0  # as many of what is drawn again
        if k == 0:
            return Passed(rows)
        poisoned = self.attack(rows.take(np.arange(n - k, n)), rows, scene, rng.generator())
        return Passed(rows.take(np.arange(n - k)) + poisoned, k)

    def _now(self, generation: int) -> bool:
        return self.when == "every" or generation in ((1,) if self.when == "once" else self.when)
