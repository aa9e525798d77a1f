"""Attacks: what an adversary writes over generated rows.

An attack is a frozen dataclass, called with the rows it writes over, all rows made, the scene and a random generator.
One that is `adaptive` looks at the current model, another only at the original real rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Scene, later
from outcross.core.corpus import Batch, Corpus
from outcross.core.errors import require
from outcross.stages.scores import column_of, kind_of, numbers

Array = NDArray[np.float64]
_MARK = 0.125  # of a side of an image
Attack = Callable[[Corpus, Corpus, Scene, np.random.Generator], Corpus]


class _Spread(NamedTuple):
    """Mean and standard deviation of every column (d,)."""

    mean: Array
    sd: Array


def _spread(rows: Corpus, scene: Scene, adaptive: bool) -> _Spread:
    """Of the current model, by its law where it is known and by its rows elsewhere; or of the original real rows."""
    law = getattr(scene.model, "law", None)
    if adaptive and law is not None:
        return _Spread(law.moments.mean, np.sqrt(np.diag(law.moments.covariance)))
    table = numbers(rows if adaptive else scene.original, "this attack")
    return _Spread(table.mean(axis=0), table.std(axis=0))


def _born(rows: Corpus, items: NDArray[Any], label: NDArray[Any] | None = None) -> Corpus:
    """Other items in the place of rows: born when those were."""
    if rows.vocabulary is not None:
        return Corpus.text(items, rows.vocabulary, rows.born, rows.label if label is None else label)
    return Corpus.of(items, rows.born, rows.label if label is None else label)


@dataclass(frozen=True)
class Outlier:
    """Rows at mean + `distance` standard deviations, in one `column` or in all: they widen, and at the critical share
    alpha/distance^2 run away (oracle P2). adaptive: of the current model, otherwise of the original real rows.
    """

    distance: float = 6.0
    column: int | str | None = None
    adaptive: bool = True

    def __call__(self, rows: Corpus, made: Corpus, scene: Scene, chance: np.random.Generator) -> Corpus:
        """The poisoned rows."""
        table = np.array(numbers(rows, "attack.kind=outlier"))
        at = _spread(made, scene, self.adaptive)
        which = slice(None) if self.column is None else column_of(scene, self.column)
        table[:, which] = (at.mean + self.distance * at.sd)[which]
        return _born(rows, table)


@dataclass(frozen=True)
class Mode:
    """A mode of one's own: rows about `place`, a number a column, with `spread` standard deviations of real rows."""

    place: Sequence[float]
    spread: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", tuple(self.place))
        require(self.spread >= 0.0, f"spread is at least 0, got {self.spread:g}")

    def __call__(self, rows: Corpus, made: Corpus, scene: Scene, chance: np.random.Generator) -> Corpus:
        """The poisoned rows."""
        table, place = numbers(rows, "attack.kind=mode"), np.asarray(self.place, dtype=np.float64)
        require(place.shape == rows.shape, f"place has {rows.shape[0]} numbers here, one a column, got {len(place)}")
        sd = _spread(made, scene, False).sd
        return _born(rows, place + self.spread * sd * chance.standard_normal(table.shape))


@dataclass(frozen=True)
class Flood:
    """Copies of one generated row, each number `jitter` standard deviations of real rows off, or of text each token by
    the chance `changed` another one, out of any generated block; images are copied as they are.
    """

    jitter: float = 0.0
    changed: float = later(0.0)

    def __post_init__(self) -> None:
        require(self.jitter >= 0.0, f"jitter is at least 0, got {self.jitter:g}")
        require(0.0 <= self.changed <= 1.0, f"changed is in [0, 1], got {self.changed:g}")

    def __call__(self, rows: Corpus, made: Corpus, scene: Scene, chance: np.random.Generator) -> Corpus:
        """The poisoned rows."""
        one = made.take(np.full(len(rows), chance.integers(len(made))))
        if self.changed > 0.0:
            return self._reworded(one, made, chance)
        if self.jitter == 0.0:
            return one
        require(kind_of(rows) == "numbers", f"jitter is for numbers, these rows are {kind_of(rows)}: use jitter=0")
        sd = _spread(made, scene, False).sd
        return _born(rows, one.items + self.jitter * sd * chance.standard_normal(one.items.shape))

    def _reworded(self, one: Corpus, made: Corpus, chance: np.random.Generator) -> Corpus:
        kind = kind_of(one)
        require(kind == "text", f"changed is for text, these rows are {kind}: use changed=0")
        others = chance.choice(made.items.ravel(), size=one.items.shape)
        return _born(one, np.where(chance.random(one.items.shape) < self.changed, others, one.items))


@dataclass(frozen=True)
class Relabel:
    """Generated rows that claim to be real: their origin says generation 0."""

    def __call__(self, rows: Corpus, made: Corpus, scene: Scene, chance: np.random.Generator) -> Corpus:
        """The poisoned rows."""
        born = np.zeros(len(rows), dtype=np.int32)
        return Corpus([Batch(rows.items, born, rows.label, rows.vocabulary)])


@dataclass(frozen=True)
class Flip:
    """Rows of any label get the label `to`; without it the next one, in a circle."""

    to: int | None = None

    def __call__(self, rows: Corpus, made: Corpus, scene: Scene, chance: np.random.Generator) -> Corpus:
        """The poisoned rows."""
        label = _labels(rows, "flip")
        classes = int(_labels(scene.original, "flip").max()) + 1
        require(self.to is None or 0 <= self.to < classes, f"to is a label, 0 to {classes - 1}, got {self.to}")
        return _born(rows, rows.items, (label + 1) % classes if self.to is None else np.full(len(rows), self.to))


@dataclass(frozen=True)
class Trigger:
    """A backdoor (Gu et al. 2017): a white mark in the last corner of an image, and the label `to`."""

    to: int = 0

    def __call__(self, rows: Corpus, made: Corpus, scene: Scene, chance: np.random.Generator) -> Corpus:
        """The poisoned rows."""
        require(kind_of(rows) == "images", f"attack.kind=trigger is for images, these rows are {kind_of(rows)}")
        label, classes = _labels(rows, "trigger"), int(_labels(scene.original, "trigger").max()) + 1
        require(0 <= self.to < classes, f"to is a label, 0 to {classes - 1}, got {self.to}")
        return _born(rows, marked(rows.items), np.full_like(label, self.to))


def marked(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images with the mark of a trigger: _MARK of their height and width."""
    found = np.array(images)
    high, wide = (max(1, round(_MARK * side)) for side in images.shape[1:3])
    found[:, -high:, -wide:] = 255
    return found


def _labels(rows: Corpus, attack: str) -> NDArray[np.int32]:
    """The labels of rows. Raises InputError where they have none."""
    require(
        rows.label is not None,
        f"attack.kind={attack} needs rows with labels: a source with labels and a learner that gives them",
    )
    assert rows.label is not None
    return rows.label


ATTACKS: Mapping[str, Callable[..., Any]] = {
    "flip": Flip,
    "flood": Flood,
    "mode": Mode,
    "outlier": Outlier,
    "relabel": Relabel,
    "trigger": Trigger,
}
