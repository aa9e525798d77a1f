"""Poisson, exponential or Bernoulli columns as the known truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.mixture import MeanCovariance
from outcross.core.rng import Stream
from outcross.core.statistics import Statistics, Sums
from outcross.families.exponential_family import OneParameterModel
from outcross.sources.known import Known


class Source(Known):
    """family: what every column is. mean: one positive number a column (below 1 for bernoulli)."""

    law = None

    def __init__(
        self, family: Literal["poisson", "exponential", "bernoulli"] = "poisson", mean: Sequence[float] = (3.0,)
    ) -> None:
        require(len(mean) > 0, "mean needs one number a column")
        for m in mean:
            require(m > 0.0, f"mean is positive, got {m:g}")
            require(family != "bernoulli" or m < 1.0, f"a bernoulli mean is below 1, got {m:g}: set source.mean")
        self._model = OneParameterModel(family, np.array(mean, dtype=np.float64))
        self.columns = tuple(f"x{j}" for j in range(len(mean)))

    @property
    def moments(self) -> MeanCovariance:
        """True mean and covariance."""
        return self._model.moments

    def draw(self, n: int, rng: Stream) -> Corpus:
        """N independent rows."""
        return Corpus.of(self._model.sample(n, rng))

    def statistics(self, kind: type[Statistics], n: int, rng: Stream) -> Any:
        """Sufficient statistics of n independent rows; sums at a cost free of n."""
        return self._model.statistics(n, rng) if kind is Sums else kind.of(self.draw(n, rng))

    divides = True

    def part(self, pool: Sums, m: int, rng: Stream) -> Sums:
        """Sums of m of the rows whose sums are these: binomial, beta or hypergeometric shares of the total."""
        return self._model.part(pool, m, rng)
