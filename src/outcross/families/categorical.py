"""A law on categories, fitted by their frequencies: neutral drift in its purest form (oracles D1-D7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Model, State
from outcross.core.corpus import Corpus
from outcross.core.rng import Stream
from outcross.core.statistics import Counts, Statistics, codes, multinomial


@dataclass(frozen=True, eq=False)
class CategoricalModel:
    """Frequencies of categories: how often each was seen in the pool."""

    counts: NDArray[np.int64]

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Probability of each category (K,)."""
        return np.asarray(self.counts / self.counts.sum())

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N independent category codes (n, 1)."""
        edges = np.cumsum(self.counts)
        drawn = rng.generator().integers(edges[-1], size=n)
        return np.searchsorted(edges, drawn, side="right")[:, None].astype(np.float64)

    def statistics(self, n: int, rng: Stream) -> Counts:
        """Counts of n independent draws: one multinomial over the categories that are left."""
        return Counts(multinomial(n, self.counts, rng))

    def log_prob(self, items: np.ndarray) -> np.ndarray:
        """Log probability of each row, nats; minus infinity for a category that is lost."""
        which = codes(items)
        known = np.where(which < len(self.counts), which, 0)
        with np.errstate(divide="ignore"):
            return np.where(which < len(self.counts), np.log(self.probabilities[known]), -np.inf)

    def state(self) -> State:
        """The categories that are left, how often each was seen, and how many there were."""
        left = np.flatnonzero(self.counts)
        return {"categories": np.array([len(self.counts)]), "left": left, "seen": self.counts[left]}


@dataclass(frozen=True)
class Learner:
    """Frequencies of the pool: maximum likelihood, no smoothing, so what is lost stays lost."""

    items: ClassVar[str] = "categories"
    statistics: ClassVar[type[Statistics]] = Counts
    remedies: ClassVar[dict[str, dict[str, Any]]] = {"expressivity": {}, "approximation": {}, "sampler": {}}

    def fit(self, pool: Corpus | Counts, rng: Stream, previous: Model | None = None) -> CategoricalModel:
        """The frequencies. Raises InputError unless rows are category codes."""
        return CategoricalModel((pool if isinstance(pool, Counts) else Counts.of(pool)).counts)

    def load(self, state: State) -> CategoricalModel:
        """The model whose state this is."""
        counts = np.zeros(int(state["categories"][0]), dtype=np.int64)
        counts[state["left"]] = state["seen"]
        return CategoricalModel(counts)
