"""Corpus: rows with their origin, immutable.

`born` says where a row comes from: 0 = real, g = made by the model of generation g - 1. A corpus is a list of batches;
a pool that grows shares the batches of the pool before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from outcross.core.compiled import choose
from outcross.core.errors import InputError
from outcross.core.rng import Stream


def frozen(values: NDArray) -> NDArray:  # type: ignore[type-arg]
    """The array itself, made read-only."""
    values.flags.writeable = False
    return values


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows that came into being together: items (n, d) float64, born (n,) int32."""

    items: NDArray[np.float64]
    born: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.items)

    def arrays(self) -> dict[str, NDArray]:  # type: ignore[type-arg]
        """Items and origins, by name."""
        return {"items": self.items, "born": self.born}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shape, items and origins."""
        h = hashlib.sha256(repr(self.items.shape).encode())
        h.update(np.ascontiguousarray(self.items).tobytes())
        h.update(self.born.tobytes())
        return h.hexdigest()


class Corpus:
    """An immutable set of numeric rows with origin."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.batches = tuple(batches)

    @classmethod
    def of(cls, items: NDArray[np.float64], born: int | NDArray[np.int32] = 0) -> Corpus:
        """A corpus of one batch from an array (n, d), or (n,) for one column.

        Raises InputError unless it is a table of finite numbers.
        """
        values = np.array(items, dtype=np.float64, order="C", copy=True)
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2:
            raise InputError(f"a corpus is a table (rows, columns), got an array of {values.ndim} dimensions")
        if not np.isfinite(values).all():
            raise InputError(f"a corpus holds finite numbers, got {int((~np.isfinite(values)).sum())} that are not")
        origin = np.broadcast_to(np.asarray(born, dtype=np.int32), (len(values),)).copy()
        return cls([Batch(frozen(values), frozen(origin))])

    @cached_property
    def items(self) -> NDArray[np.float64]:
        """All rows (n, d), read-only."""
        if len(self.batches) == 1:
            return self.batches[0].items
        return frozen(np.concatenate([b.items for b in self.batches]))

    @cached_property
    def born(self) -> NDArray[np.int32]:
        """Origin of each row (n,): 0 real, g made by the model of generation g - 1."""
        if len(self.batches) == 1:
            return self.batches[0].born
        return frozen(np.concatenate([b.born for b in self.batches]))

    @property
    def dimension(self) -> int:
        """Number of columns."""
        return int(self.batches[0].items.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of items and origins."""
        return sum(b.items.nbytes + b.born.nbytes for b in self.batches)

    @property
    def digest(self) -> str:
        """SHA-256 over items and origins, however they are batched."""
        return Batch(self.items, self.born).digest

    def __len__(self) -> int:
        return sum(len(b) for b in self.batches)

    def __add__(self, other: Corpus) -> Corpus:
        return Corpus(self.batches + other.batches)

    def take(self, index: NDArray[np.int64] | slice) -> Corpus:
        """The rows at the given positions, in that order."""
        return Corpus([Batch(frozen(self.items[index]), frozen(self.born[index]))])

    def subset(self, m: int, rng: Stream) -> Corpus:
        """M distinct rows in random order; all of them, in their own order, when m is their number."""
        return self if m == len(self) else self.take(choose(len(self), m, rng.words()))

    def __repr__(self) -> str:
        return f"Corpus({len(self):,} rows x {self.dimension}, {int((self.born == 0).sum()):,} real)"
