"""Kernel density estimate with a Gaussian kernel: sampling is a re-draw of the pool plus kernel noise.

Each generation adds the kernel's variance, so this family drifts by spreading, not by narrowing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from outcross.core.contracts import Model, State
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, require
from outcross.core.mixture import Mixture
from outcross.core.rng import Stream


@dataclass(frozen=True, eq=False)
class KernelModel:
    """Rows (n, d) and the kernel's covariance (d, d)."""

    rows: np.ndarray
    kernel: np.ndarray

    @cached_property
    def _factor(self) -> np.ndarray:
        return np.linalg.cholesky(self.kernel)

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N independent rows (n, d)."""
        g = rng.generator()
        centre = self.rows[g.integers(len(self.rows), size=n)]
        return np.asarray(centre + g.standard_normal(centre.shape) @ self._factor.T)

    def log_prob(self, items: np.ndarray) -> np.ndarray:
        """Log density of each row, nats; time and memory grow with rows x rows."""
        n = len(self.rows)
        return Mixture(np.full(n, 1.0 / n), self.rows, np.broadcast_to(self.kernel, (n, *self.kernel.shape))).log_prob(
            items
        )

    def state(self) -> State:
        """Rows and kernel."""
        return {"rows": self.rows, "kernel": self.kernel}


@dataclass(frozen=True)
class Learner:
    """bandwidth: `scott` or `silverman` (of the pool's covariance), or a number: the kernel's sd in data units."""

    bandwidth: float | Literal["scott", "silverman"] = "scott"
    remedies: ClassVar[dict[str, dict[str, Any]]] = {"sampler": {}}  # a bandwidth is at once family and fit

    def __post_init__(self) -> None:
        if isinstance(self.bandwidth, str):
            require(self.bandwidth in ("scott", "silverman"), "bandwidth is scott, silverman or a number")
        else:
            require(self.bandwidth > 0.0, f"bandwidth is positive, got {self.bandwidth:g}")

    def fit(self, pool: Corpus, rng: Stream, previous: Model | None = None) -> KernelModel:
        """Keep the rows, choose the kernel. Raises FitDegenerate if the pool's covariance is singular."""
        n, d = pool.items.shape
        if not isinstance(self.bandwidth, str):
            kernel = self.bandwidth**2 * np.eye(d)
        else:
            if n < 2:
                raise FitDegenerate(f"a bandwidth rule needs at least 2 rows, got {n}")
            rows = n if self.bandwidth == "scott" else n * (d + 2) / 4.0
            kernel = rows ** (-2.0 / (d + 4)) * np.atleast_2d(np.cov(pool.items, rowvar=False))
        return self.load({"rows": pool.items, "kernel": kernel})

    def load(self, state: State) -> KernelModel:
        """The model whose state this is."""
        try:
            np.linalg.cholesky(state["kernel"])
        except np.linalg.LinAlgError:
            raise FitDegenerate("the kernel's covariance is not positive definite") from None
        return KernelModel(state["rows"], state["kernel"])
