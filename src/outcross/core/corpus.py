"""Corpus: rows with their origin, immutable.

A row is numbers (d,), an image (h, w) or (h, w, channels) of 8 bits a pixel, as image files are, or a block of tokens
(block,) int32 from a vocabulary (adr/0008).

`born` says where a row comes from: 0 = real, g = made by the model of generation g - 1. A corpus is a list of batches;
a pool that grows shares the batches of the pool before it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.compiled import choose
from outcross.core.errors import InputError
from outcross.core.rng import Stream

Items = NDArray[np.float64] | NDArray[np.uint8] | NDArray[np.int32]


def frozen(values: NDArray) -> NDArray:  # type: ignore[type-arg]
    """The array itself, made read-only."""
    values.flags.writeable = False
    return values


def eight_bit(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Images as a data set keeps them: intensities in [0, 1] to the nearest of 256 levels."""
    levels = images if images.dtype == np.uint8 else np.rint(255.0 * np.clip(images, 0.0, 1.0))
    return levels.astype(np.uint8, copy=False)


def intensities(images: NDArray[Any]) -> NDArray[np.float32]:
    """Images as a learner sees them: float32 in [0, 1]."""
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255.0)
    return images.astype(np.float32, copy=False)


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows that came into being together: items (n, d) float64, images uint8 or blocks of tokens int32; born (n,).

    label (n,): a whole number from 0, -1 where a row has none; None where no row has one. vocabulary: how many
    different tokens there can be, None where rows are no text.
    """

    items: Items
    born: NDArray[np.int32]
    label: NDArray[np.int32] | None = None
    vocabulary: int | None = None

    def __len__(self) -> int:
        return len(self.items)

    def arrays(self) -> dict[str, NDArray]:  # type: ignore[type-arg]
        """Items, origins, labels and size of the vocabulary, by name."""
        labels = {} if self.label is None else {"label": self.label}
        size = {} if self.vocabulary is None else {"vocabulary": np.array([self.vocabulary])}
        return {"items": self.items, "born": self.born, **labels, **size}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shape, items, origins and labels."""
        h = hashlib.sha256(repr(self.items.shape).encode())
        h.update(np.ascontiguousarray(self.items).tobytes())
        h.update(self.born.tobytes())
        h.update(b"" if self.label is None else self.label.tobytes())
        h.update(b"" if self.vocabulary is None else f"vocabulary {self.vocabulary}".encode())
        return h.hexdigest()


class Corpus:
    """An immutable set of rows with origin."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.batches = tuple(batches)

    @classmethod
    def of(cls, items: Items, born: int | NDArray[np.int32] = 0, label: NDArray[Any] | None = None) -> Corpus:
        """A corpus of one batch from an array (n, d), or (n,) for one column, or images of 8 bits (n, h, w[, c]).

        Raises InputError unless it is a table of finite numbers, or images.
        """
        values = _images(items) if items.dtype == np.uint8 else _table(items)
        origin = np.broadcast_to(np.asarray(born, dtype=np.int32), (len(values),)).copy()
        names = None if label is None else frozen(np.array(label, dtype=np.int32))
        return cls([Batch(frozen(values), frozen(origin), names)])

    @classmethod
    def text(
        cls,
        blocks: NDArray[Any],
        vocabulary: int,
        born: int | NDArray[np.int32] = 0,
        label: NDArray[Any] | None = None,
    ) -> Corpus:
        """A corpus of blocks of tokens (n, block), each from 0 to vocabulary - 1. Raises InputError of any other."""
        if blocks.ndim != 2 or blocks.dtype.kind not in "iu":
            raise InputError(f"text is blocks of tokens (n, block), whole numbers, got {blocks.dtype} {blocks.shape}")
        if blocks.size and not (0 <= int(blocks.min()) and int(blocks.max()) < vocabulary):
            raise InputError(f"tokens are 0 to {vocabulary - 1}, got {int(blocks.min())} to {int(blocks.max())}")
        origin = np.broadcast_to(np.asarray(born, dtype=np.int32), (len(blocks),)).copy()
        names = None if label is None else frozen(np.array(label, dtype=np.int32))
        return cls([Batch(frozen(np.array(blocks, dtype=np.int32, order="C")), frozen(origin), names, vocabulary)])

    @cached_property
    def items(self) -> Any:
        """All rows (n, ...), read-only."""
        if len(self.batches) == 1:
            return self.batches[0].items
        return frozen(np.concatenate([b.items for b in self.batches]))

    @cached_property
    def born(self) -> NDArray[np.int32]:
        """Origin of each row (n,): 0 real, g made by the model of generation g - 1."""
        if len(self.batches) == 1:
            return self.batches[0].born
        return frozen(np.concatenate([b.born for b in self.batches]))

    @cached_property
    def label(self) -> NDArray[np.int32] | None:
        """Label of each row (n,), -1 where it has none; None where no row has one."""
        if len(self.batches) == 1:
            return self.batches[0].label
        if all(b.label is None for b in self.batches):
            return None
        return frozen(
            np.concatenate([np.full(len(b), -1, np.int32) if b.label is None else b.label for b in self.batches])
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """What one row is: (columns,), or an image's (height, width) or (height, width, channels)."""
        return tuple(self.batches[0].items.shape[1:])

    @property
    def vocabulary(self) -> int | None:
        """How many different tokens there can be; None where rows are no text."""
        return self.batches[0].vocabulary

    @property
    def dimension(self) -> int:
        """Numbers in a row: columns, or pixels times channels, or tokens."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of items, origins and labels."""
        return sum(a.nbytes for b in self.batches for a in b.arrays().values())

    @property
    def digest(self) -> str:
        """SHA-256 over items, origins and labels, however they are batched."""
        return Batch(self.items, self.born, self.label, self.vocabulary).digest

    def __len__(self) -> int:
        return sum(len(b) for b in self.batches)

    def __add__(self, other: Corpus) -> Corpus:
        return Corpus(self.batches + other.batches)

    def take(self, index: NDArray[np.int64] | slice) -> Corpus:
        """The rows at the given positions, in that order."""
        label = None if self.label is None else frozen(self.label[index])
        return Corpus([Batch(frozen(self.items[index]), frozen(self.born[index]), label, self.vocabulary)])

    def subset(self, m: int, rng: Stream) -> Corpus:
        """M distinct rows in random order; all of them, in their own order, when m is their number."""
        return self if m == len(self) else self.take(choose(len(self), m, rng.words()))

    def __repr__(self) -> str:
        each = " x ".join(str(s) for s in self.shape)
        return f"Corpus({len(self):,} rows x {each}, {int((self.born == 0).sum()):,} real)"


def _table(items: Items) -> NDArray[np.float64]:
    values = np.array(items, dtype=np.float64, order="C", copy=True)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise InputError(f"a corpus is a table (rows, columns), got an array of {values.ndim} dimensions")
    if not np.isfinite(values).all():
        raise InputError(f"a corpus holds finite numbers, got {int((~np.isfinite(values)).sum())} that are not")
    return values


def _images(items: Items) -> NDArray[np.uint8]:
    if items.ndim not in (3, 4):
        raise InputError(f"images are an array (n, height, width) or (n, height, width, channels), got {items.shape}")
    return np.array(items, order="C", copy=True)
