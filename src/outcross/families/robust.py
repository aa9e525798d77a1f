"""One Gaussian fitted by statistics that a few wild rows do not move: a defence that costs precision.

Medians and quartiles, or moments of what is left when the outermost rows are trimmed; both are consistent for Gaussian
rows. On rows that are not Gaussian, or in a loop that trims again and again, they are biased (oracle P4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from outcross.core.contracts import Model, State
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, require
from outcross.core.rng import Stream
from outcross.families.gaussian import GaussianModel
from outcross.families.gaussian import Learner as Gaussian

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Learner:
    """by: `median`, with the distance between quartiles as spread; or `trimmed` means and standard deviations, without
    the share `trim` of rows at each end. Correlations are of ranks.
    """

    by: Literal["median", "trimmed"] = "median"
    trim: float = 0.05
    remedies: ClassVar[dict[str, dict[str, Any]]] = {"sampler": {}}

    def __post_init__(self) -> None:
        require(self.by in ("median", "trimmed"), f"by is median or trimmed, got {self.by!r}")
        require(0.0 < self.trim < 0.5, f"trim is a share of rows at each end, in (0, 0.5), got {self.trim:g}")

    def least(self, columns: int) -> int:
        """Rows that a fit needs at least."""
        return max(8, columns + 2)

    def fit(self, pool: Corpus, rng: Stream, previous: Model | None = None) -> GaussianModel:
        """Robust centre and spread. Raises FitDegenerate where a column has none, or correlations are singular."""
        rows, least = pool.items, self.least(pool.dimension)
        if len(rows) < least:
            raise FitDegenerate(f"robust fits of {pool.dimension} columns need at least {least} rows, got {len(rows)}")
        centre, spread = _median(rows) if self.by == "median" else _trimmed(rows, self.trim)
        if not (spread > 0.0).all():
            raise FitDegenerate("half of the rows are the same in one column: it has no robust spread")
        return self.load({"mean": centre, "covariance": _correlations(rows) * np.outer(spread, spread)})

    def load(self, state: State) -> GaussianModel:
        """The model whose state this is. Raises FitDegenerate unless the covariance is positive definite."""
        return Gaussian().load(state)


def _median(rows: Array) -> tuple[Array, Array]:
    """Median and interquartile range, the latter as a standard deviation (1.349 of which lie between quartiles)."""
    low, middle, high = np.quantile(rows, [0.25, 0.5, 0.75], axis=0)
    return middle, (high - low) / (2.0 * norm.ppf(0.75))


def _trimmed(rows: Array, trim: float) -> tuple[Array, Array]:
    """Mean and standard deviation between the quantiles `trim` and 1 - trim; the latter as of a whole Gaussian."""
    cut = int(trim * len(rows))
    inner = np.sort(rows, axis=0)[cut : len(rows) - cut]
    z = norm.ppf(1.0 - cut / len(rows)) if cut else np.inf
    lost = 2.0 * z * norm.pdf(z) / (1.0 - 2.0 * cut / len(rows)) if cut else 0.0
    return inner.mean(axis=0), inner.std(axis=0) / np.sqrt(1.0 - lost)


def _correlations(rows: Array) -> Array:
    """Correlations by ranks, as of Gaussian columns: 2 sin(pi r/6) (Pearson 1907)."""
    ranks = np.corrcoef(rankdata(rows, axis=0), rowvar=False)
    found = np.atleast_2d(2.0 * np.sin(np.pi * ranks / 6.0))
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)
