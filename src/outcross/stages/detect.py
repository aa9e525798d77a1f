"""A detector weighs rows: those that look real to a classifier, trained on the side, are drawn more often.

Importance resampling where origins are unknown (Drayson et al., arXiv 2502.15654): the classifier tells trusted real
rows from rows of the model; the pool is drawn again in proportion to the odds that it gives.

Odds against the newest model mend a pool of its rows alone. In a pool that keeps older rows, which is near the truth
already, a model too wide by a factor is followed by one too narrow by it: p q = p_pool p, an oscillation that noise
drives up. `against: pool` tells trusted rows from the pool instead, whatever it holds: then p_pool p / p_pool = p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from outcross.core.contracts import Passed, Place, Scene, later
from outcross.core.corpus import Corpus, eight_bit, intensities
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.stages import part
from outcross.stages.scores import kind_of


@dataclass(frozen=True)
class Stage:
    """rows: real rows, and as many of the model, that the classifier is trained on, at most. power: of the odds, by
    which rows are drawn: 0 weighs nothing. cap: largest odds that count, so that few rows do not fill the pool.
    against: what it tells real rows from, rows of the newest `model` or of the `pool` itself: then no row is judged by
    a classifier that saw it (each half by that of the other).
    """

    rows: int = 1000
    power: float = 1.0
    cap: float = 10.0
    on: ClassVar[Place] = "fitted"
    against: Literal["model", "pool"] = later("model")

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
        if self.against == "model":
            chance = _chance(real, _made(scene, real, rng.another(1)), rows, rng)
        else:
            chance = _crossed(real, rows, rng)
        chance = np.clip(chance, 1e-6, 1.0 - 1e-6)
        return np.minimum(chance / (1.0 - chance), self.cap)


def _chance(real: Corpus, made: Corpus, rows: Corpus, rng: Stream) -> Any:
    """Chance (n,) that each row is real, of a classifier trained on real and made rows."""
    judge = _judge(rows, rng).fit(_features(real + made), np.repeat([1, 0], [len(real), len(made)]))
    return judge.predict_proba(_features(rows))[:, 1]


def _crossed(real: Corpus, pool: Corpus, rng: Stream) -> Any:
    """Chance (n,) that each row of a pool is real, of a classifier of half the real rows and rows of its other half."""
    require(min(len(real), len(pool)) >= 2, f"against=pool: a pool of 2 rows or more is halved, got {len(pool)}")
    dice = rng.another(2).generator()
    halves, trusted = (np.array_split(dice.permutation(n), 2) for n in (len(pool), len(real)))
    chance = np.empty(len(pool))
    for mine, other, known in zip(halves, halves[::-1], trusted, strict=True):
        n = min(len(other), len(known))
        chance[mine] = _chance(real.take(known[:n]), pool.take(other[:n]), pool.take(mine), rng)
    return chance


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
