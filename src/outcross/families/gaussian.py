"""One Gaussian with full covariance: the family in which theory is exact (oracles G1-G6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from outcross.core.contracts import Model, State
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, require
from outcross.core.mixture import Mixture
from outcross.core.rng import Stream
from outcross.core.statistics import Moments, Statistics


@dataclass(frozen=True, eq=False)
class GaussianModel:
    """A fitted Gaussian."""

    law: Mixture

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N independent rows (n, d)."""
        return self.law.sample(n, rng)

    def statistics(self, n: int, rng: Stream) -> Moments:
        """Moments of n independent rows, exact in law."""
        return self.law.statistics(n, rng)

    def log_prob(self, items: np.ndarray) -> np.ndarray:
        """Log density of each row, nats."""
        return self.law.log_prob(items)

    def state(self) -> State:
        """Mean (d,) and covariance (d, d)."""
        return {"mean": self.law.means[0], "covariance": self.law.covariances[0]}


@dataclass(frozen=True)
class Learner:
    """estimator: divide the scatter by n - 1 (`unbiased`) or by n (`ml`, maximum likelihood): different collapses."""

    estimator: Literal["ml", "unbiased"] = "ml"
    statistics: ClassVar[type[Statistics]] = Moments
    remedies: ClassVar[dict[str, dict[str, Any]]] = {"approximation": {}, "sampler": {}}  # exact fits, own law

    def __post_init__(self) -> None:
        require(self.estimator in ("ml", "unbiased"), f"estimator is ml or unbiased, got {self.estimator!r}")

    def least(self, columns: int) -> int:
        """Rows that a fit needs at least."""
        return columns + 1

    def fit(self, pool: Corpus | Moments, rng: Stream, previous: Model | None = None) -> GaussianModel:
        """Sample mean and covariance. Raises FitDegenerate unless the covariance is positive definite."""
        known = pool if isinstance(pool, Moments) else Moments.of(pool)
        n, d = known.count, len(known.mean)
        if n < self.least(d):
            raise FitDegenerate(f"a Gaussian in {d} dimensions needs at least {d + 1} rows, got {n}")
        return self.load({"mean": known.mean, "covariance": known.scatter / (n if self.estimator == "ml" else n - 1)})

    def load(self, state: State) -> GaussianModel:
        """The model whose state this is. Raises FitDegenerate unless the covariance is positive definite."""
        law = Mixture(np.ones(1), state["mean"][None], state["covariance"][None])
        if not law.factors.size:
            raise FitDegenerate("a Gaussian needs at least one column")
        return GaussianModel(law)
