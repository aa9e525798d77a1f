"""Learners that misbehave in one chain only, by dotted path."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate
from outcross.core.rng import Stream, Streams
from outcross.families import gaussian


def _is(rng: Stream, chain: int) -> bool:
    return rng.key == Streams.of(0, chain).key


@dataclass(frozen=True)
class Degenerates(gaussian.Learner):
    """Has no answer for generation 2 of chain 3."""

    def fit(self, pool: Corpus, rng: Stream, previous: Any = None) -> Any:
        if _is(rng, 3) and rng.generation == 2:
            raise FitDegenerate("planted: no answer")
        return super().fit(pool, rng, previous)


@dataclass(frozen=True)
class Raises(gaussian.Learner):
    """Raises in chain 1, generation 2; counts its tries in the folder named by the environment."""

    error: str = "RuntimeError"

    def fit(self, pool: Corpus, rng: Stream, previous: Any = None) -> Any:
        if _is(rng, 1) and rng.generation == 2:
            with open(os.environ["OUTCROSS_TEST_TRIES"], "a") as f:
                f.write("x")
            if self.error == "SystemExit":
                raise SystemExit(0)
            if self.error == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise _Awkward("planted", "\x1b[2J failure")
        return super().fit(pool, rng, previous)


class _Awkward(RuntimeError):
    """Does not survive the journey between processes."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one}{two}")


@dataclass(frozen=True)
class Slow(gaussian.Learner):
    """Takes a fixed time for a fit."""

    seconds: float = 30.0

    def fit(self, pool: Corpus, rng: Stream, previous: Any = None) -> Any:
        if rng.generation > 0:
            time.sleep(self.seconds)
        return super().fit(pool, rng, previous)


@dataclass(frozen=True)
class NotANumber(gaussian.Learner):
    """Its model makes NaN from generation 2 on."""

    def fit(self, pool: Corpus, rng: Stream, previous: Any = None) -> Any:
        model = super().fit(pool, rng, previous)
        if rng.generation == 2:
            object.__setattr__(model, "sample", lambda n, rng: np.full((n, pool.dimension), np.nan))
        return model
