"""Linear regression by least squares, labels made by the model before (Gerstgrasser et al. 2024; oracles R1-R3).

A row is d features and one label. Features are standard normal; the label of a row that the model makes is its
prediction plus Gaussian noise of the true size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Model, State
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, require
from outcross.core.mixture import Mixture
from outcross.core.rng import Stream
from outcross.core.statistics import Moments, Statistics, stored_part

Array = NDArray[np.float64]


def linear_law(coefficients: Array, noise: float) -> Mixture:
    """Joint law of standard normal features and their label: one Gaussian in d + 1 dimensions."""
    d = len(coefficients)
    covariance = np.eye(d + 1)
    covariance[:d, d] = covariance[d, :d] = coefficients
    covariance[d, d] = coefficients @ coefficients + noise**2
    return Mixture(np.ones(1), np.zeros((1, d + 1)), covariance[None])


@dataclass(frozen=True, eq=False)
class RegressionModel:
    """Fitted coefficients (d,), noise (standard deviation of a label), and the features if they are fixed."""

    coefficients: Array
    noise: float
    design: Array | Moments | None

    @cached_property
    def law(self) -> Mixture:
        """The law of a row with fresh features."""
        return linear_law(self.coefficients, self.noise)

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N rows (n, d + 1): fresh features, or those of the design, over and over, with labels of the model."""
        if not isinstance(self.design, np.ndarray):
            return self.law.sample(n, rng)
        features = np.resize(self.design, (n, self.design.shape[1]))
        labels = features @ self.coefficients + self.noise * rng.generator().standard_normal(n)
        return np.column_stack([features, labels])

    def statistics(self, n: int, rng: Stream) -> Moments:
        """Moments of n rows, exact in law; with fixed features n is their number."""
        if isinstance(self.design, Moments):
            return labelled(self.design, self.coefficients, self.noise, rng)
        return self.law.statistics(n, rng)

    def state(self) -> State:
        """Coefficients, noise, and the features if they are fixed."""
        kept = {"features": self.design} if isinstance(self.design, np.ndarray) else {}
        if isinstance(self.design, Moments):
            kept = {f"features_{name}": array for name, array in self.design.arrays().items()}
        return {"coefficients": self.coefficients, "noise": np.array([self.noise]), **kept}


def labelled(features: Moments, coefficients: Array, noise: float, rng: Stream) -> Moments:
    """Moments of rows with these features and fresh labels, exact in law.

    Labels enter a fit through their sum and their products with the features, which are jointly Gaussian, and what is
    left of their noise is an independent chi-square.
    """
    n, d = features.count, len(features.mean)
    generator = rng.generator()
    root = np.linalg.cholesky(features.scatter)
    z = generator.standard_normal(d + 1)
    mean = features.mean @ coefficients + noise * z[d] / np.sqrt(n)
    cross = features.scatter @ coefficients + noise * root @ z[:d]
    explained = coefficients @ features.scatter @ coefficients + 2.0 * noise * coefficients @ root @ z[:d]
    squares = explained + noise**2 * (z[:d] @ z[:d] + (generator.chisquare(n - 1 - d) if n > d + 1 else 0.0))
    scatter = np.block([[features.scatter, cross[:, None]], [cross[None], np.array([[squares]])]])
    return Moments(n, np.append(features.mean, mean), scatter)


@dataclass(frozen=True)
class Learner:
    """design: new features in each generation (`fresh`), or those of generation 0 for ever (`fixed`).

    noise: standard deviation of a label about its mean, in label units; known, not fitted.
    """

    design: Literal["fresh", "fixed"] = "fresh"
    noise: float = 1.0
    statistics: ClassVar[type[Statistics]] = Moments
    remedies: ClassVar[dict[str, dict[str, Any]]] = {"approximation": {}, "sampler": {}}  # exact fits, own law

    def __post_init__(self) -> None:
        require(self.design in ("fresh", "fixed"), f"design is fresh or fixed, got {self.design!r}")
        require(self.noise > 0.0, f"noise is a positive standard deviation, got {self.noise:g}")

    @property
    def repeats(self) -> bool:
        """Whether models make as many rows as generation 0 had, or none: those of the fixed features."""
        return self.design == "fixed"

    def least(self, columns: int) -> int:
        """Rows that a fit needs at least: one more than there are features. Raises InputError without a feature."""
        require(columns > 1, "a regression needs at least one feature and a label, the source has one column")
        return columns

    def fit(self, pool: Corpus | Moments, rng: Stream, previous: Model | None = None) -> RegressionModel:
        """Least squares without intercept. Raises FitDegenerate unless there are more rows than features."""
        known = pool if isinstance(pool, Moments) else Moments.of(pool)
        n, d = known.count, len(known.mean) - 1
        require(d >= 1, "a regression needs at least one feature and a label, the pool has one column")
        if n <= d:
            raise FitDegenerate(f"a regression on {d} features needs at least {d + 1} rows, got {n}")
        whole = known.scatter + n * np.outer(known.mean, known.mean)
        try:
            coefficients = np.linalg.solve(whole[:d, :d], whole[:d, d])
        except np.linalg.LinAlgError:
            raise FitDegenerate("the features are linearly dependent") from None
        return RegressionModel(np.asarray(coefficients), self.noise, self._design(pool, previous))

    def _design(self, pool: Corpus | Moments, previous: Model | None) -> Array | Moments | None:
        if self.design == "fresh":
            return None
        if isinstance(previous, RegressionModel):
            return previous.design
        if isinstance(pool, Moments):
            return Moments(pool.count, pool.mean[:-1], pool.scatter[:-1, :-1])
        return np.asarray(pool.items[:, :-1])

    def load(self, state: State) -> RegressionModel:
        """The model whose state this is."""
        design: Any = state.get("features")
        if "features_count" in state:
            design = stored_part({k.removeprefix("features_"): v for k, v in state.items() if "features_" in k})
        return RegressionModel(state["coefficients"], float(state["noise"][0]), design)
