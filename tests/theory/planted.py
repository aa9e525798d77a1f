"""A learner whose causes of error are of known size, by dotted path: a Gaussian that is wrong in stated ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from outcross.core.mixture import Mixture
from outcross.core.rng import Stream
from outcross.core.statistics import Moments, Statistics
from outcross.families import gaussian


@dataclass(frozen=True, eq=False)
class Model(gaussian.GaussianModel):
    """Draws with its standard deviations multiplied by `stretch`."""

    stretch: float = 1.0

    @property
    def _drawn(self) -> Mixture:
        return Mixture(self.law.weights, self.law.means, self.stretch**2 * self.law.covariances)

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        return self._drawn.sample(n, rng)

    def statistics(self, n: int, rng: Stream) -> Moments:
        return self._drawn.statistics(n, rng)


@dataclass(frozen=True)
class Learner(gaussian.Learner):
    """off: each fit is wrong by so much in the first mean (learning). pinned: the second mean can only be this
    (family; None: any). stretch: of what is drawn (sampler). both: added to the first mean where all three are wrong.
    """

    off: float = 0.0
    pinned: float | None = None
    stretch: float = 1.0
    both: float = 0.0
    statistics: ClassVar[type[Statistics]] = Moments

    def fit(self, pool: Any, rng: Stream, previous: Any = None) -> Model:
        law = super().fit(pool, rng, previous).law
        mean = law.means[0].copy()
        mean[0] += self.off
        if self.pinned is not None:
            mean[1] = self.pinned
            if self.off and self.stretch != 1.0:
                mean[0] += self.both
        return Model(Mixture(law.weights, mean[None], law.covariances), self.stretch)

    def load(self, state: Any) -> Model:
        return replace(Model(super().load(state).law), stretch=self.stretch)
