"""Gaussian mixture with full or diagonal covariances, fitted by expectation-maximisation (compiled).

The algorithm, its stopping rule and the defaults of tolerance, iterations and floor are those of scikit-learn's
GaussianMixture, which is what the paper's mixture experiment ran (Shumailov et al. 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from outcross.core.contracts import Model, State, Stretch, later
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, require
from outcross.core.mixture import Mixture
from outcross.core.rng import Stream
from outcross.families import gmm_kernels


@dataclass(frozen=True, eq=False)
class MixtureModel:
    """A fitted mixture. info: EM iterations of this fit, and whether it converged."""

    law: Mixture
    info: dict[str, float]

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N independent rows (n, d)."""
        return self.law.sample(n, rng)

    def log_prob(self, items: np.ndarray) -> np.ndarray:
        """Log density of each row, nats."""
        return self.law.log_prob(items)

    def state(self) -> State:
        """Weights (k,), means (k, d), covariances (k, d, d) and the fit's numbers."""
        info = {name: np.array([value]) for name, value in self.info.items()}
        return {"weights": self.law.weights, "means": self.law.means, "covariances": self.law.covariances, **info}


@dataclass(frozen=True)
class Learner:
    """components: how many Gaussians.

    init: `kmeans` starts each fit afresh (the paper), `previous` from the last model.
    tolerance: stop when the mean log-likelihood gains less (nats per row). iterations: the most EM steps of one fit.
    floor: added to each variance, in squared data units.
    covariance: of a component, `full`, or `diagonal`: columns independent within it.
    """

    components: int = 2
    init: Literal["kmeans", "previous"] = "kmeans"
    tolerance: float = 1e-3
    iterations: int = 100
    floor: float = 1e-6
    covariance: Literal["full", "diagonal"] = later("full")

    def __post_init__(self) -> None:
        require(1 <= self.components <= 1000, f"components is 1 to 1000, got {self.components}")
        require(self.init in ("kmeans", "previous"), f"init is kmeans or previous, got {self.init!r}")
        require(self.tolerance >= 0.0, f"tolerance is at least 0, got {self.tolerance:g}")
        require(self.iterations >= 1, f"iterations is at least 1, got {self.iterations}")
        require(self.floor >= 0.0, f"floor is at least 0, got {self.floor:g}")
        known = self.covariance in ("full", "diagonal")
        require(known, f"covariance is full or diagonal, got {self.covariance!r}")

    @property
    def remedies(self) -> dict[str, dict[str, Any]]:
        """What removes each cause of error; it draws from its own law, so the sampler makes none."""
        learned = {"init": "kmeans", "iterations": max(1000, self.iterations), "tolerance": min(1e-6, self.tolerance)}
        richer = {"components": 2 * self.components, "covariance": "full"}
        return {"expressivity": richer, "approximation": learned, "sampler": {}}

    def fit(self, pool: Corpus, rng: Stream, previous: Model | None = None) -> MixtureModel:
        """Fit the mixture. Raises FitDegenerate with too few rows or a covariance that is not positive definite."""
        if len(pool) < self.least(pool.dimension):
            raise FitDegenerate(self._too_few(len(pool)))
        x = np.ascontiguousarray(pool.items.T)
        warm = self.init == "previous" and isinstance(previous, MixtureModel)
        w, m, s = self._parameters(previous if warm else None, pool.dimension)
        status, used, converged = gmm_kernels.fit(
            x,
            not warm,
            rng.words(),
            self.tolerance,
            self.iterations,
            self.floor,
            self.covariance == "diagonal",
            w,
            m,
            s,
        )
        if status != gmm_kernels.OK:
            raise FitDegenerate("a covariance is not positive definite")
        return _model(w, m, s, used, converged)

    def load(self, state: State) -> MixtureModel:
        """The model whose state this is."""
        law = Mixture(state["weights"], state["means"], state["covariances"])
        return MixtureModel(law, {name: float(state[name][0]) for name in ("em_iterations", "em_converged")})

    def evolve(self, model: MixtureModel, stretch: Stretch) -> MixtureModel:
        """Many generations in one compiled call, bit for bit those of the plain loop."""
        few = np.flatnonzero(stretch.synthetic + stretch.original < self.least(model.law.dimension))
        if len(few):  # the generations before are fitted first: one of them may already have no answer
            done, rows = int(few[0]), int((stretch.synthetic + stretch.original)[few[0]])
            if done:
                self.evolve(
                    model, stretch._replace(synthetic=stretch.synthetic[:done], original=stretch.original[:done])
                )
            raise FitDegenerate(self._too_few(rows), stretch.first + done + 1)
        w, m, s = self._parameters(model, model.law.dimension)
        status, done, used, converged = gmm_kernels.evolve(
            w,
            m,
            s,
            stretch.synthetic,
            stretch.original,
            stretch.redrawn,
            np.ascontiguousarray(stretch.real.T),
            self.init == "kmeans",
            self.tolerance,
            self.iterations,
            self.floor,
            self.covariance == "diagonal",
            stretch.sample.words(),
            stretch.fit.words(),
            stretch.anchor.words(),
            stretch.first,
        )
        if status != gmm_kernels.OK:
            raise FitDegenerate("a covariance is not positive definite", stretch.first + done + 1)
        return _model(w, m, s, used, converged)

    def least(self, columns: int) -> int:
        """Rows that a fit needs at least."""
        return max(2, self.components)

    def _too_few(self, n: int) -> str:
        return f"{self.components} components need at least {max(2, self.components)} rows, got {n}"

    def _parameters(self, model: Model | None, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Arrays for the kernel to work in: copies of the model's, or empty ones."""
        if isinstance(model, MixtureModel):
            return model.law.weights.copy(), model.law.means.copy(), model.law.covariances.copy()
        k = self.components
        return np.empty(k), np.empty((k, d)), np.empty((k, d, d))


def _model(w: np.ndarray, m: np.ndarray, s: np.ndarray, used: int, converged: bool) -> MixtureModel:
    return MixtureModel(Mixture(w, m, s), {"em_iterations": float(used), "em_converged": float(converged)})
