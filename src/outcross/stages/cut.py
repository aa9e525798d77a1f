"""A guard by trusted data: rows farther out than real rows ever are do not go on.

It stops rows that drag moments away, and on heavy tails it deletes rare truth (oracles P4, P5): look at both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcross.core.contracts import Passed, Place, Scene
from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.stages import part
from outcross.stages.scores import centre_and_sd, numbers


@dataclass(frozen=True)
class Stage:
    """distance: standard deviations of trusted real rows, about their mean, that every column of a row lies within."""

    distance: float = 4.5
    on: Place = "fitted"

    def __post_init__(self) -> None:
        require(self.distance > 0.0, f"distance is positive, got {self.distance:g}")

    def __call__(self, rows: Corpus, scene: Scene, rng: Stream) -> Passed:
        """The rows that lie within."""
        mean, sd = centre_and_sd(scene)
        near = np.abs(numbers(rows, "cut") - mean) <= self.distance * sd
        return Passed(part(rows, np.asarray(near.all(axis=1))))
