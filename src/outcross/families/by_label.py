"""One model for each label: any family becomes one that gives rows with their labels.

Labels are drawn as often as they were in the pool, and each row from the model of its label. A label with too few rows
for a fit is lost: the model gives no more rows of it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Model, State, node
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, require
from outcross.core.mixture import Mixture
from outcross.core.rng import Stream


@dataclass(frozen=True, eq=False)
class LabelledModel:
    """A model of every label that the pool had, and how often it had it."""

    models: dict[int, Any]
    shares: NDArray[np.float64]

    @property
    def law(self) -> Mixture | None:
        """The exact law of the rows, where every model has one."""
        laws = [getattr(m, "law", None) for m in self.models.values()]
        if any(law is None for law in laws):
            return None
        weights = [share * law.weights for share, law in zip(self.shares, laws, strict=True) if law is not None]
        means, covariances = ([getattr(law, part) for law in laws] for part in ("means", "covariances"))
        return Mixture(*(np.concatenate(parts) for parts in (weights, means, covariances)))

    def labelled(self, n: int, rng: Stream) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """N independent rows with their labels (n,)."""
        names = np.array(list(self.models), dtype=np.int32)
        label = rng.generator().choice(names, size=n, p=self.shares)
        rows: NDArray[Any] | None = None
        for place, name in enumerate(names.tolist()):
            mine = np.flatnonzero(label == name)
            made = self.models[name].sample(max(len(mine), 1), rng.another(1 + place))[: len(mine)]
            rows = np.empty((n, *made.shape[1:]), made.dtype) if rows is None else rows
            rows[mine] = made
        assert rows is not None
        return rows, label

    def sample(self, n: int, rng: Stream) -> NDArray[Any]:
        """N independent rows, whatever their labels."""
        return self.labelled(n, rng)[0]

    def state(self) -> State:
        """The states of all models, named by their labels, the labels, and their shares."""
        inner = {f"{k}/{name}": value for k, model in self.models.items() for name, value in model.state().items()}
        return {**inner, "labels": np.array(list(self.models), dtype=np.int64), "shares": self.shares}


@dataclass(frozen=True)
class Learner:
    """learner: what is fitted to the rows of each label."""

    learner: Any = node("families", {"kind": "vae"})

    def __post_init__(self) -> None:
        fits = self.items
        require(fits in ("numbers", "images"), f"learner: rows with labels are numbers or images, this one fits {fits}")

    @cached_property
    def items(self) -> str:
        """What the rows are."""
        return getattr(self.learner, "items", "numbers")

    def fit(self, pool: Corpus, rng: Stream, previous: Model | None = None) -> LabelledModel:
        """A fit for each label. Raises InputError for rows without labels, FitDegenerate where no label has a fit."""
        label = pool.label
        require(
            label is not None, "by_label fits rows with labels: use a source that has them, such as digits or mnist"
        )
        assert label is not None
        before, fits, rows = getattr(previous, "models", {}), {}, {}
        for k in np.unique(label[label >= 0]).tolist():
            mine = pool.take(np.flatnonzero(label == k))
            with suppress(FitDegenerate):  # that label is lost
                fits[k] = self._fit(mine, rng.another(1 + k), before.get(k))
                rows[k] = len(mine)
        if not fits:
            raise FitDegenerate("no label has rows enough for a fit")
        counts = np.array(list(rows.values()), dtype=np.float64)
        return LabelledModel(fits, counts / counts.sum())

    def _fit(self, rows: Corpus, rng: Stream, previous: Any) -> Any:
        """The model of the rows of one label."""
        least = getattr(self.learner, "least", lambda columns: 1)(rows.dimension)
        if len(rows) < least:
            raise FitDegenerate(f"{len(rows)} rows, a fit needs at least {least}")
        return self.learner.fit(rows, rng, previous)

    def load(self, state: State) -> LabelledModel:
        """The model whose state this is."""
        inner: dict[int, State] = {int(k): {} for k in state["labels"]}
        for name, value in state.items():
            label, slash, rest = name.partition("/")
            if slash:
                inner[int(label)][rest] = value
        return LabelledModel({k: self.learner.load(s) for k, s in inner.items()}, state["shares"])
