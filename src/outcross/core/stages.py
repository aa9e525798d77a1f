"""Stages: what happens to rows on their way into the next fit. Selection, attacks and defences are stages.

A stage takes rows and gives rows. It acts on rows that a model just `made`, before the policy blends them, or on the
pool that is about to be `fitted`. Stages of one place follow each other in the order in which they are named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Scene, Stage, Tally
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.rng import Stream

Named = tuple[str, Stage]


@dataclass
class Line:
    """The stages of one place, for the rows of one generation.

    draw: n rows of the model, other ones at each call (numbered from 0). stream: random numbers of the k-th stage.
    """

    stages: tuple[Named, ...]
    scene: Scene
    stream: Callable[[int], Stream]
    draw: Callable[[int, int], Corpus] | None = None
    tallies: list[Tally] = field(init=False)
    _calls: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.tallies = [Tally(name) for name, _ in self.stages]
        self._calls = [0] * (1 + len(self.stages))  # of the model, then of each stage

    def made(self, n: int) -> Corpus:
        """N rows of the model, through all stages: as many as those let through."""
        return self._after(len(self.stages), n)

    def over(self, pool: Corpus) -> Corpus:
        """A pool, through all stages."""
        for k in range(len(self.stages)):
            pool = self._passed(k, pool, None)
        return pool

    def _after(self, k: int, n: int) -> Corpus:
        """N rows of the model, through the first k stages."""
        if k == 0:
            assert self.draw is not None
            return self.draw(n, self._call(0))
        return self._passed(k - 1, self._after(k - 1, n), lambda m: self._after(k - 1, m))

    def _passed(self, k: int, rows: Corpus, more: Callable[[int], Corpus] | None) -> Corpus:
        (name, stage), tally = self.stages[k], self.tallies[k]

        def counted(m: int) -> Corpus:
            assert more is not None
            further = more(m)
            tally.seen += len(further)
            return further

        scene = self.scene._replace(more=None if more is None else counted)
        try:
            done = stage(rows, scene, self.stream(k).another(self._call(1 + k)))
        except (FitDegenerate, InputError) as e:
            raise type(e)(f"stage {name}: {e}") from e
        if not len(done.rows):
            raise FitDegenerate(f"stage {name}: no row is left")
        tally.seen += len(rows)
        tally.passed += len(done.rows)
        tally.altered += done.altered
        return done.rows

    def _call(self, which: int) -> int:
        self._calls[which] += 1
        return self._calls[which] - 1


def part(rows: Corpus, which: NDArray[Any]) -> Corpus:
    """The rows at the given positions, or those where a mask holds."""
    return rows.take(np.flatnonzero(which) if which.dtype == bool else which)
