"""Parted: finite real rows that come in three parts, to draw from, to validate, and held out, as they are for good."""

from __future__ import annotations

from collections.abc import Sequence

from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import Stream


class Parted:
    """What sources of images and of text share. rows_are: what a row is called when there are too few of them."""

    columns: tuple[str, ...] = ()
    law = None

    def __init__(self, name: str, parts: Sequence[Corpus], rows_are: str) -> None:
        self.name, self._parts, self._rows_are = name, tuple(parts), rows_are

    @property
    def shape(self) -> tuple[int, ...]:
        """What one row is: an image's sides, or the tokens of a block."""
        return self._parts[0].shape

    @property
    def rows(self) -> int:
        """Rows that can be drawn."""
        return len(self._parts[0])

    @property
    def training(self) -> Corpus:
        """Every row that can be drawn, in order."""
        return self._parts[0]

    def draw(self, n: int, rng: Stream) -> Corpus:
        """N different rows. Raises InputError if there are fewer."""
        require(
            n <= self.rows,
            f"{self.name}: {self.rows:,} {self._rows_are} can be drawn (others are held out), {n:,} were asked for: "
            f"use samples={self.rows} or less, or samples=auto",
        )
        return self.training.subset(n, rng)

    def validation(self, n: int) -> Corpus:
        """Up to n rows of the validation part."""
        return self._parts[1].take(slice(0, n))

    def reference(self, n: int) -> Corpus:
        """Up to n rows of the reference part."""
        return self._parts[2].take(slice(0, n))
