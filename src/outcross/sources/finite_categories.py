"""FiniteCategories: so many real rows, each one of K categories, split once for good.

The split depends on the data alone: 70 % of the rows (or of the documents they come in) can be drawn, 10 % validate,
20 % are the reference.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.corpus import Corpus, frozen
from outcross.core.errors import InputError, require
from outcross.core.rng import FIXED, Purpose, Stream
from outcross.core.statistics import Counts
from outcross.sources.finite import LEAST

Codes = NDArray[np.int32]


class Parts(NamedTuple):
    """The codes of each part."""

    train: Codes
    validation: Codes
    reference: Codes


class FiniteCategories:
    """A source over codes (n,) of the categories named by `labels`; a row of it is one code, a table (n, 1).

    offsets (documents + 1,): where each document begins, so that none lies in two parts; None: each row on its own.
    Raises InputError for fewer than two categories, or too few rows or documents to hold a reference out.
    """

    items = "categories"
    law = None

    def __init__(
        self,
        name: str,
        column: str,
        codes: Codes,
        labels: tuple[str, ...],
        offsets: NDArray[np.int64] | None = None,
    ) -> None:
        units, what = (len(codes), "rows") if offsets is None else (len(offsets) - 1, "documents")
        hint = "" if offsets is None else "; what belongs together is a choice: documents=line, paragraph or heading"
        require(units >= LEAST, f"{name}: {units} {what}; at least {LEAST} are needed to hold a reference out{hint}")
        require(
            len(labels) >= 2,
            f"{name}: every value is {labels[0] if labels else ''!r}; with one category there is nothing to lose",
        )
        self.name = name
        self.columns = (column,)
        self.labels = labels
        self._codes, self._offsets = codes, offsets

    @property
    def categories(self) -> int:
        """K, how many categories there are."""
        return len(self.labels)

    @cached_property
    def _parts(self) -> Parts:
        units = len(self._codes) if self._offsets is None else len(self._offsets) - 1
        order = FIXED.stream(0, Purpose.SPLIT).generator().permutation(units)
        held, validated = max(2, units // 5), max(1, units // 10)
        reference, validation, train = np.split(order, [held, held + validated])
        return Parts(*(self._codes[self._rows(index)] for index in (train, validation, reference)))

    def _rows(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of the rows of these documents."""
        if self._offsets is None:
            return units
        first, length = self._offsets[units], np.diff(self._offsets)[units]
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        return np.asarray(np.repeat(first, length) + within)

    @cached_property
    def _counts(self) -> Counts:
        """How often each category occurs in the training part."""
        return Counts(frozen(np.bincount(self._parts.train, minlength=self.categories)))

    @cached_property
    def _train(self) -> Corpus:
        return Corpus.of(self._parts.train.astype(np.float64))

    @property
    def rows(self) -> int:
        """Rows that can be drawn."""
        return len(self._parts.train)

    @property
    def reference_rows(self) -> int:
        """Rows of the reference part."""
        return len(self._parts.reference)

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """Relative frequency of each category in the reference part (K,); 0 for one that it lacks."""
        seen = np.bincount(self._parts.reference, minlength=self.categories)
        return frozen(seen / seen.sum())

    def draw(self, n: int, rng: Stream) -> Corpus:
        """N different training rows. Raises InputError if there are fewer."""
        self._enough(n)
        return self._train.subset(n, rng)

    def statistics(self, kind: Any, n: int, rng: Stream) -> Any:
        """Counts of n different training rows: the law of `draw`, at a cost free of n. Raises InputError as it does."""
        self._enough(n)
        return self._counts.subset(n, rng) if kind is Counts else kind.of(self.draw(n, rng))

    def _enough(self, n: int) -> None:
        if n > self.rows:
            raise InputError(
                f"{self.name}: {self.rows} rows can be drawn (30 % are held out), {n} were asked for: "
                f"use samples={self.rows} or less, or samples=auto"
            )

    def validation(self, n: int) -> Corpus:
        """Up to n rows of the validation part."""
        return Corpus.of(self._parts.validation[:n].astype(np.float64))

    def reference(self, n: int) -> Corpus:
        """Up to n rows of the reference part."""
        return Corpus.of(self._parts.reference[:n].astype(np.float64))

    def fingerprint(self) -> str:
        """SHA-256 of the rows, the names and the documents: other data, other run."""
        h = hashlib.sha256(repr((self.columns, self.labels)).encode())
        h.update(np.ascontiguousarray(self._codes).tobytes())
        if self._offsets is not None:
            h.update(np.ascontiguousarray(self._offsets).tobytes())
        return h.hexdigest()
