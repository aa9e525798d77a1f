"""Verification: only rows that pass a judgement go on (Feng et al., arXiv 2406.07515; Yi et al., arXiv 2510.16657)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Passed, Place, Scene, node
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, require
from outcross.core.rng import Stream
from outcross.core.stages import part
from outcross.stages.scores import Score, scored

_ROUNDS = 100  # times that a draw is made up for before a verifier counts as one that lets nothing through


@dataclass(frozen=True)
class Stage:
    """score: what is judged. above: a row is good if its score is; without it a row is kept with probability e^score.

    phi, psi: chances that a good and a bad row are kept: a verifier that errs (oracles S1, S2). refill: draw until as
    many rows are kept as were asked for; otherwise the pool has fewer.
    """

    score: Score = node("scores", {"kind": "nearness"})
    above: float | None = None
    phi: float = 1.0
    psi: float = 0.0
    refill: bool = True
    on: ClassVar[Place] = "made"

    def __post_init__(self) -> None:
        for name in ("phi", "psi"):
            value = getattr(self, name)
            require(0.0 <= value <= 1.0, f"{name} is a chance in [0, 1], got {value:g}")
        require(self.phi + self.psi > 0.0, "phi and psi are both 0: a verifier keeps something")
        exact = self.phi == 1.0 and self.psi == 0.0
        require(self.above is not None or exact, "phi and psi need a threshold: say above=..., which rows are good")

    def __call__(self, rows: Corpus, scene: Scene, rng: Stream) -> Passed:
        """The rows that are kept."""
        chance, n = rng.generator(), len(rows)
        kept = part(rows, self._kept(rows, scene, chance))
        for _ in range(_ROUNDS if self.refill else 0):
            missing = n - len(kept)
            if not missing:
                break
            assert scene.more is not None
            likely = max(len(kept), 1) / n  # what was kept so far tells how many to draw
            further = scene.more(min(n, int(1.1 * missing / likely) + 1))
            kept = kept + part(further, self._kept(further, scene, chance)).take(slice(0, missing))
        if self.refill and len(kept) < n:
            raise FitDegenerate(f"{len(kept)} of {n} rows passed after {_ROUNDS} draws: the verifier keeps too few")
        return Passed(kept)

    def _kept(self, rows: Corpus, scene: Scene, chance: np.random.Generator) -> NDArray[Any]:
        """Which rows are kept (n,)."""
        score = scored(self.score, rows, scene)
        if self.above is not None:
            share = np.where(score > self.above, self.phi, self.psi)
        else:
            highest = float(score.max(initial=0.0))
            require(highest <= 0.0, f"e^score is a chance, got a score of {highest:g}: say above=... for this score")
            share = np.exp(score)
        return np.asarray(chance.random(len(rows)) < share)
