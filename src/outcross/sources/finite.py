"""Finite: real data of which there are only so many rows, split once for good.

The split depends on the data alone, never on the seed: 70 % can be drawn, 10 % validate, 20 % are the reference.
"""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np

from outcross.core.corpus import Corpus
from outcross.core.errors import InputError, require
from outcross.core.rng import FIXED, Purpose, Stream

LEAST = 10  # rows below which a split leaves nothing to judge by


def split(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of n rows can be drawn, which validate, which are the reference."""
    order = FIXED.stream(0, Purpose.SPLIT).generator().permutation(n)
    held, validated = max(2, n // 5), max(1, n // 10)
    reference, validation, train = np.split(order, [held, held + validated])
    return train, validation, reference


class Finite:
    """A source over a table of rows (n, d) with column names."""

    law = None

    def __init__(self, name: str, items: np.ndarray, columns: tuple[str, ...]) -> None:
        require(len(items) >= LEAST, f"{name}: {len(items)} rows; at least {LEAST} are needed to hold a reference out")
        self.name = name
        self.columns = columns
        self._items = items

    @cached_property
    def _parts(self) -> tuple[Corpus, Corpus, Corpus]:
        return tuple(Corpus.of(self._items[index]) for index in split(len(self._items)))  # type: ignore[return-value]

    @property
    def rows(self) -> int:
        """Rows that can be drawn."""
        return len(self._parts[0])

    def draw(self, n: int, rng: Stream) -> Corpus:
        """N different training rows. Raises InputError if there are fewer."""
        if n > self.rows:
            raise InputError(
                f"{self.name}: {self.rows} rows can be drawn (30 % are held out), {n} were asked for: "
                f"use samples={self.rows} or less, or samples=auto"
            )
        return self._parts[0].subset(n, rng)

    def validation(self, n: int) -> Corpus:
        """Up to n rows of the validation part."""
        return self._parts[1].take(slice(0, n))

    def reference(self, n: int) -> Corpus:
        """Up to n rows of the reference part."""
        return self._parts[2].take(slice(0, n))

    def fingerprint(self) -> str:
        """SHA-256 of the rows: other data, other run."""
        return hashlib.sha256(repr(self.columns).encode() + np.ascontiguousarray(self._items).tobytes()).hexdigest()
