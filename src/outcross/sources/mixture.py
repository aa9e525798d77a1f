"""A Gaussian mixture as the known truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.mixture import Mixture, cholesky
from outcross.core.rng import Stream
from outcross.core.statistics import Moments, Statistics
from outcross.sources.known import Known

Matrix = Sequence[Sequence[float]]


class Source(Known):
    """means: one list a component. covariances: `identity`, a variance for all, or one matrix a component.

    weights: of the components, equal by default. No draw ever repeats a row, and any number can be drawn.
    """

    def __init__(
        self,
        means: Sequence[Sequence[float]] = ((-2.0, 0.0), (2.0, 0.0)),
        covariances: Literal["identity"] | float | Sequence[Matrix] = "identity",
        weights: Sequence[float] | None = None,
    ) -> None:
        lengths = {len(m) for m in means}
        require(len(lengths) == 1 and 0 not in lengths, "means are one list of numbers a component, all of one length")
        centre = np.array(means, dtype=np.float64)
        k, d = centre.shape
        share = np.array(weights if weights is not None else np.ones(k) / k, dtype=np.float64)
        require(len(share) == k, f"weights: {len(share)} given for {k} components")
        require(bool((share > 0).all()) and abs(share.sum() - 1) < 1e-9, "weights are positive and sum to 1")
        self.law = Mixture(share, centre, _covariances(covariances, k, d))
        self.columns = tuple("xyz"[:d]) if d <= 3 else tuple(f"x{j}" for j in range(d))

    def draw(self, n: int, rng: Stream) -> Corpus:
        """N independent rows."""
        return Corpus.of(self.law.sample(n, rng))

    def statistics(self, kind: type[Statistics], n: int, rng: Stream) -> Any:
        """Sufficient statistics of n independent rows; moments at a cost free of n."""
        return self.law.statistics(n, rng) if kind is Moments else kind.of(self.draw(n, rng))

    @property
    def divides(self) -> bool:
        """Whether `part` is exact: for one Gaussian it is."""
        return len(self.law.weights) == 1

    def part(self, pool: Moments, m: int, rng: Stream) -> Moments:
        """Moments of m of the rows whose moments are these."""
        return pool.part(m, rng)


def _covariances(given: Literal["identity"] | float | Sequence[Matrix], k: int, d: int) -> np.ndarray:
    if isinstance(given, str):
        require(given == "identity", f"covariances are `identity`, a variance, or a matrix a component, got {given!r}")
        return np.broadcast_to(np.eye(d), (k, d, d)).copy()
    if isinstance(given, int | float):
        require(given > 0, f"a variance is positive, got {given:g}")
        return np.broadcast_to(given * np.eye(d), (k, d, d)).copy()
    require(
        len(given) == k and all(len(m) == d and all(len(r) == d for r in m) for m in given),
        f"covariances: one {d} x {d} matrix for each of the {k} components",
    )
    matrices = np.array(given, dtype=np.float64)
    for j, m in enumerate(matrices):
        require(
            bool(np.array_equal(m, m.T)) and cholesky(m, np.empty((d, d))),
            f"covariances: matrix {j} is not symmetric and positive definite",
        )
    return matrices
