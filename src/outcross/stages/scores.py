"""Scores of rows: what a verifier judges by, what a curator rewards, by what rows are sorted.

A score is a frozen dataclass that is called with rows and the scene, and gives one number a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Scene
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError, one_line, require
from outcross.core.statistics import codes
from outcross.families.adapter import resolve
from outcross.families.neural.classifier import real

Array = NDArray[np.float64]
TRUSTED = 10_000  # real rows that means and standard deviations are read off
Score = Callable[[Corpus, Scene], Array]


def scored(score: Score, rows: Corpus, scene: Scene) -> Array:
    """The score of each row (n,). Raises InputError where one is missing or not a number."""
    found = np.asarray(score(rows, scene), dtype=np.float64)
    shape = f"score gave an array {found.shape}; it must give one number for each of {len(rows)} rows"
    require(found.shape == (len(rows),), shape)
    wrong = np.flatnonzero(~np.isfinite(found))
    where = f" (the first at row {wrong[0]}: {found[wrong[0]]})" if len(wrong) else ""
    require(not len(wrong), f"score gave {len(wrong)} of {len(rows)} rows no finite number{where}: mend the score")
    return found


def centre_and_sd(scene: Scene) -> tuple[Array, Array]:
    """Mean and standard deviation of the trusted real rows, column by column; a constant column has 1."""
    rows = scene.trusted(TRUSTED).items
    sd = rows.std(axis=0)
    return rows.mean(axis=0), np.where(sd > 0.0, sd, 1.0)


def numbers(rows: Corpus, what: str) -> Array:
    """The rows as a table. Raises InputError where they are not numbers."""
    table = rows.items
    require(table.dtype == np.float64, f"{what} is for numbers, these rows are {kind_of(rows)}")
    return np.asarray(table)


def kind_of(rows: Corpus) -> str:
    """What rows are, for people."""
    return "text" if rows.vocabulary is not None else "images" if rows.items.dtype == np.uint8 else "numbers"


def column_of(scene: Scene, column: int | str) -> int:
    """Number of a column, named or counted from 0. Raises InputError where there is none such."""
    names = scene.columns
    if isinstance(column, str):
        require(column in names, f"column {column!r} is not there; columns: {', '.join(names[:12])}")
        return names.index(column)
    require(0 <= column < len(names), f"column is 0 to {len(names) - 1}, or a name, got {column}")
    return column


@dataclass(frozen=True)
class Nearness:
    """Minus half the squared distance from `centre`, in multiples of `width` standard deviations of trusted real rows.

    Without a centre that is their mean. So e^score is a Gaussian verifier's chance to keep a row (oracle S5).
    """

    centre: Sequence[float] | None = None
    width: float = 1.0

    def __post_init__(self) -> None:
        require(self.width > 0.0, f"width is positive, got {self.width:g}")
        if self.centre is not None:
            object.__setattr__(self, "centre", tuple(self.centre))

    def __call__(self, rows: Corpus, scene: Scene) -> Array:
        """(n,)."""
        table = numbers(rows, "score.kind=nearness")
        mean, sd = centre_and_sd(scene)
        centre = mean if self.centre is None else np.asarray(self.centre)
        require(centre.shape == mean.shape, f"centre has {len(mean)} numbers here, one a column, got {len(centre)}")
        return np.asarray(-0.5 * np.square((table - centre) / (self.width * sd)).sum(axis=1))


@dataclass(frozen=True)
class Column:
    """The value of one column, by name or counted from 0, in standard deviations of trusted real rows."""

    column: int | str = 0

    def __call__(self, rows: Corpus, scene: Scene) -> Array:
        """(n,)."""
        table, j = numbers(rows, "score.kind=column"), column_of(scene, self.column)
        mean, sd = centre_and_sd(scene)
        return np.asarray((table[:, j] - mean[j]) / sd[j])


@dataclass(frozen=True)
class Rewards:
    """A number for each category, or for each label where rows have labels."""

    values: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        require(len(self.values) > 0, "values: one reward a category is due")

    def __call__(self, rows: Corpus, scene: Scene) -> Array:
        """(n,)."""
        which = codes(numbers(rows, "score.kind=rewards")) if rows.label is None else rows.label
        most = int(which.max(initial=0))
        require(most < len(self.values), f"values: {len(self.values)} rewards, but there is a category {most}")
        return np.asarray(np.asarray(self.values, dtype=np.float64)[which])


@dataclass(frozen=True)
class Confidence:
    """Images: log probability of their label by a classifier of the original real images; of the likeliest without."""

    def __call__(self, rows: Corpus, scene: Scene) -> Array:
        """(n,), nats."""
        require(kind_of(rows) == "images", f"score.kind=confidence is for images, these rows are {kind_of(rows)}")
        known = scene.original.label
        if known is None:
            raise InputError("score.kind=confidence needs real images with labels: use another score or source")
        seen = real(scene.original, int(known.max()) + 1).look(rows.items).probabilities
        chance = seen.max(axis=1) if rows.label is None else seen[np.arange(len(rows)), rows.label]
        return np.log(np.maximum(chance, 1e-12).astype(np.float64))


@dataclass(frozen=True)
class Function:
    """A function of yours, `package.module:function`: from items (n, ...) to one number a row (n,)."""

    function: str

    def __post_init__(self) -> None:
        require(callable(resolve(self.function)), f"function: {self.function} is not a function")

    def __call__(self, rows: Corpus, scene: Scene) -> Array:
        """(n,). Whatever the function raises becomes an InputError."""
        try:
            return np.asarray(resolve(self.function)(rows.items), dtype=np.float64)
        except Exception as e:  # a user's function may raise anything
            raise InputError(f"{self.function}: {one_line(f'{type(e).__name__}: {e}')}") from e


SCORES: Mapping[str, Callable[..., Any]] = {
    "column": Column,
    "confidence": Confidence,
    "function": Function,
    "nearness": Nearness,
    "rewards": Rewards,
}
