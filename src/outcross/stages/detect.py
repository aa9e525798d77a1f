"""A detector weighs rows: those that look real to a classifier, trained on the side, are drawn more often.

Importance resampling where origins are unknown (Drayson et al., arXiv 2502.15654): the classifier tells trusted real
rows from rows of the model; the pool is drawn again in proportion to the odds that it gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from outcross.core.contracts import Passed, Place, Scene
from outcross.core.corpus import Corpus, eight_bit, intensities
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.stages import part
from outcross.stages.scores import kind_of


@dataclass(frozen=True)
class Stage:
    """rows: real rows, and as many of the model, that the classifier is trained on, at most. power: of the odds, by
    which rows are drawn: 0 weighs nothing. cap: largest odds that count, so that few rows do not fill the pool.
    """

    rows: int = 1000
    power: float = 1.0
    cap: float = 10.0
    on: ClassVar[Place] = "fitted"

    def __post_init__(self) -> None:
        require(self.rows >= 10, f"rows is 10 or more, got {self.rows}")
        require(self.power >= 0.0, f"power is at least 0, got {self.power:g}")
        require(self.cap >= 1.0, f"cap is at least 1, got {self.cap:g}")

    def __call__(self, rows: Corpus, scene: Scene, rng: Stream) -> Passed:
        """As many rows as there were, drawn with replacement by their odds to be real; repeats count as put in."""
        weight = self.odds(rows, scene, rng) ** self.power
        chosen = rng.generator().choice(len(rows), size=len(rows), p=weight / weight.sum())
        return Passed(part(rows, np.sort(chosen)), len(chosen) - len(np.unique(chosen)))

    def odds(self, rows: Corpus, scene: Scene, rng: Stream) -> Any:
        """Odds (n,) that each row is real, of a classifier that saw as many real rows as generated ones."""
        real = scene.trusted(self.rows)
        made = _made(scene, real, rng.another(1))
        seen = _features(real + made)
        judge = _judge(rows, rng).fit(seen, np.repeat([1, 0], [len(real), len(made)]))
        chance = np.clip(judge.predict_proba(_features(rows))[:, 1], 1e-6, 1.0 - 1e-6)
        return np.minimum(chance / (1.0 - chance), self.cap)


def _made(scene: Scene, real: Corpus, rng: Stream) -> Corpus:
    """As many rows of the model as there are real ones."""
    model: Any = scene.model
    if real.vocabulary is None:
        made = model.sample(len(real), rng)
        return Corpus.of(eight_bit(made) if real.items.dtype == np.uint8 else made, scene.generation)
    given = real if getattr(model, "prompted", False) else None
    return Corpus.text(model.sample(len(real), rng, given), real.vocabulary, scene.generation)


def _features(rows: Corpus) -> Any:
    """What a row is judged by: its numbers, its pixels, or how often each token is in it."""
    if rows.vocabulary is None:
        return (intensities(rows.items) if rows.items.dtype == np.uint8 else rows.items).reshape(len(rows), -1)
    from scipy.sparse import csr_matrix

    n, block = rows.items.shape
    ends = np.arange(0, n * block + 1, block)
    return csr_matrix((np.ones(n * block), rows.items.ravel(), ends), shape=(n, rows.vocabulary))


def _judge(rows: Corpus, rng: Stream) -> Any:
    """A classifier fit for such rows: trees for numbers, which bend; a line for pixels and words, which are many."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    if kind_of(rows) == "numbers":
        return HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=rng.seed())
    return LogisticRegression(max_iter=300)
