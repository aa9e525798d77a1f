"""One-parameter families, fitted by their mean: Poisson, exponential and Bernoulli columns, each on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Model, State
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError, require
from outcross.core.mixture import MeanCovariance
from outcross.core.rng import Stream
from outcross.core.statistics import Statistics, Sums

Array = NDArray[np.float64]
Family = Literal["poisson", "exponential", "bernoulli"]


@dataclass(frozen=True, eq=False)
class OneParameterModel:
    """Independent columns of one family, each with its mean (d,)."""

    family: Family
    mean: Array

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N independent rows (n, d)."""
        g, shape = rng.generator(), (n, len(self.mean))
        if self.family == "poisson":
            return g.poisson(self.mean, shape).astype(np.float64)
        if self.family == "exponential":
            return g.exponential(self.mean, shape)
        return (g.random(shape) < self.mean).astype(np.float64)

    def statistics(self, n: int, rng: Stream) -> Sums:
        """Sums of n independent rows: Poisson, gamma or binomial numbers."""
        g = rng.generator()
        if self.family == "poisson":
            return Sums(n, g.poisson(n * self.mean).astype(np.float64))
        if self.family == "exponential":
            return Sums(n, g.gamma(n, self.mean))
        return Sums(n, g.binomial(n, self.mean).astype(np.float64))

    def part(self, pool: Sums, m: int, rng: Stream) -> Sums:
        """Sums of m of the rows whose sums are these, exact in law: they no longer depend on the mean."""
        g, n = rng.generator(), pool.count
        if m == n:
            return pool
        if self.family == "exponential":
            return Sums(m, pool.total * g.beta(m, n - m, size=len(pool.total)))
        whole = pool.total.astype(np.int64)
        if self.family == "poisson":
            return Sums(m, g.binomial(whole, m / n).astype(np.float64))
        return Sums(m, g.hypergeometric(whole, n - whole, m).astype(np.float64))

    @property
    def moments(self) -> MeanCovariance:
        """Mean and covariance, exact."""
        variance = {
            "poisson": self.mean,
            "exponential": self.mean**2,
            "bernoulli": self.mean * (1.0 - self.mean),
        }[self.family]
        return MeanCovariance(self.mean, np.diag(variance))

    def state(self) -> State:
        """The means (d,)."""
        return {"mean": self.mean}


@dataclass(frozen=True)
class Learner:
    """family: what every column is (poisson counts, exponential waiting times, bernoulli 0 or 1)."""

    family: Family = "poisson"
    statistics: ClassVar[type[Statistics]] = Sums
    remedies: ClassVar[dict[str, dict[str, Any]]] = {"approximation": {}, "sampler": {}}  # exact fits, own law

    def __post_init__(self) -> None:
        require(
            self.family in ("poisson", "exponential", "bernoulli"),
            f"family is poisson, exponential or bernoulli, got {self.family!r}",
        )

    def fit(self, pool: Corpus | Sums, rng: Stream, previous: Model | None = None) -> OneParameterModel:
        """The mean, which is the maximum-likelihood fit. Raises InputError outside the family's range."""
        known = pool if isinstance(pool, Sums) else Sums.of(pool)
        mean = known.total / known.count
        most = 1.0 if self.family == "bernoulli" else np.inf
        off = mean[~((mean >= 0.0) & (mean <= most))]
        if len(off):
            raise InputError(f"a {self.family} column cannot have the mean {off[0]:g}: use another family or source")
        return OneParameterModel(self.family, mean)

    def load(self, state: State) -> OneParameterModel:
        """The model whose state this is."""
        return OneParameterModel(self.family, state["mean"])
