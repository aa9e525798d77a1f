"""Chance: what drawing whole documents again does to rare items, when nothing but drift is at work.

The real documents are split at random into halves T and R: T says how rare an item is, R knows nothing of that choice.
`measures.rarity` says what is compared with it, and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.errors import require
from outcross.core.rng import Purpose, Stream, Streams
from outcross.core.statistics import Counts, multinomial

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
TOKENS = 50  # of T in a bin: thinner bins are joined with the next
RARER = 0.25  # bins of the rarer items, which together hold about so much of the text, are tested
NAMEABLE = 0.4  # items can be named among the rarer, which together hold about so much
HALF = 0.5  # token added to each count of a bin, so that a bin can be empty
_ROOM = 1 << 24  # numbers held at once by the resamples


@dataclass(frozen=True, eq=False)
class Documents:
    """Documents as item counts: counts (D, K), a scipy CSR array; times (D,): how many documents are like each."""

    counts: Any
    times: Ints

    @classmethod
    def of(cls, codes: NDArray[Any], offsets: NDArray[Any], items: int) -> Documents:
        """Documents of item codes (n,) from 0; offsets (D + 1,): where each document begins."""
        from scipy.sparse import csr_array

        counts = csr_array((np.ones(len(codes)), codes, offsets), shape=(len(offsets) - 1, items), copy=True)
        counts.sum_duplicates()  # in place, so not on the caller's arrays
        return cls(counts, np.ones(len(offsets) - 1, dtype=np.int64))

    @classmethod
    def rows(cls, codes: NDArray[Any], items: int, block: int = 1) -> Documents:
        """Rows of one item each (n,), so many in a row taken for a document. Single rows cost nothing in n."""
        from scipy.sparse import eye_array

        require(block >= 1, f"a block is one row or more, got {block}")
        if block > 1:
            return cls.of(codes, np.r_[np.arange(0, len(codes), block), len(codes)], items)
        return cls(eye_array(items, format="csr"), np.bincount(codes, minlength=items))

    @property
    def number(self) -> int:
        """How many documents there are."""
        return int(self.times.sum())

    @cached_property
    def lengths(self) -> Array:
        """Tokens in each kind of document (D,)."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.float64)

    @cached_property
    def total(self) -> Array:
        """Tokens of each item (K,)."""
        return np.asarray(self.counts.T @ self.times, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Null:
    """One row a resample: log ratios of the bins for both origins, lowest item score, extinct items."""

    elsewhere: Array  # (N, B)
    here: Array  # (N, B)
    score: Array  # (N,)
    extinct: Array  # (N, tested bins)


@dataclass(frozen=True, eq=False)
class Chance:
    """Real documents, their split and bins, and resamples: snapshots of `size` documents after so many generations."""

    real: Documents
    size: int
    generations: int
    resamples: int
    streams: Streams

    @cached_property
    def split(self) -> tuple[Ints, Ints]:
        """How often each document is in T and in R."""
        half = Counts(self.real.times).subset(self.real.number // 2, self.streams.stream(0, Purpose.SPLIT)).counts
        return half, self.real.times - half

    @cached_property
    def copies(self) -> Ints:
        """Copies of each item in T (K,)."""
        return np.asarray(self.real.counts.T @ self.split[0]).astype(np.int64)

    @cached_property
    def edges(self) -> list[tuple[int, int]]:
        """Least and most copies of each bin: doubling, and joined until T holds enough tokens of it."""
        order, tokens = octave(self.copies), np.zeros(64)
        np.add.at(tokens, order[self.copies > 0], self.copies[self.copies > 0])
        out, first, held = [], 0, 0.0
        for k in range(int(order.max(initial=0)) + 1):
            held += tokens[k]
            if held >= TOKENS:
                out.append((first, k))
                first, held = k + 1, 0.0
        if held and out:
            out[-1] = (out[-1][0], int(order.max()))
        return [(1 if a == 0 else (1 << (a - 1)) + 1, 1 << b) for a, b in out]

    @cached_property
    def bin_of(self) -> Ints:
        """The bin of each item (K,), -1 for one that T lacks."""
        uppers = np.array([most for _, most in self.edges])
        return np.where(self.copies > 0, np.searchsorted(uppers, self.copies), -1)

    @cached_property
    def tested(self) -> Ints:
        """The bins of the rarer items."""
        return self._rarer(RARER)

    @cached_property
    def rare(self) -> Ints:
        """The items that can be named (k,): rarer ones, and those that R alone has."""
        return np.flatnonzero((self.bin_of <= self._rarer(NAMEABLE).max(initial=-2)) & (self.real.total > 0))

    def _rarer(self, share: float) -> Ints:
        """Bins, rarest first, until they hold this share of T; never that of the commonest items."""
        tokens = np.bincount(self.bin_of + 1, weights=self.copies, minlength=len(self.edges) + 1)[1:]
        before = np.cumsum(tokens) - tokens
        return np.flatnonzero((before < share * tokens.sum()) & (np.arange(len(tokens)) < len(tokens) - 1))

    @cached_property
    def by_bin(self) -> Any:
        """Tokens of each bin in each document (D, B), sparse."""
        from scipy.sparse import csr_array

        there = np.flatnonzero(self.bin_of >= 0)
        belongs = csr_array((np.ones(len(there)), (there, self.bin_of[there])), (len(self.copies), len(self.edges)))
        return (self.real.counts @ belongs).tocsr()

    @cached_property
    def training(self) -> int:
        """Documents of a drawn training text: no more than there are, for nobody knows how many there were."""
        return min(self.size, self.real.number)

    def _drawn(self, times: NDArray[Any], sizes: list[int], role: int, number: int) -> Ints:
        """Documents drawn from `times`, and again from those, and so on."""
        for g, size in enumerate(sizes):
            times = multinomial(size, times, self._stream(role + 5 * g, number))
        return np.asarray(times)

    def _stream(self, generation: int, number: int) -> Stream:
        return self.streams.stream(generation, Purpose.MEASURE, number)

    def _weights(self) -> Iterator[tuple[Array, ...]]:
        """Weights of the documents, (D, some) each: R, its snapshot, the snapshot of all, all, its snapshot."""
        held, whole = self.split[1], self.real.times
        here = [self.training] * (self.generations - 1) + [self.size]
        elsewhere = [self.training, *here]
        ways = [
            (held, [int(held.sum())]),
            (held, elsewhere),
            (whole, here),
            (whole, [self.real.number]),
            (whole, elsewhere),
        ]
        some = max(1, min(64, _ROOM // max(self.real.counts.shape)))
        for first in range(0, self.resamples, some):
            numbers = range(first, min(first + some, self.resamples))
            yield tuple(
                np.stack([self._drawn(times, sizes, role, i) for i in numbers], axis=1).astype(np.float64)
                for role, (times, sizes) in enumerate(ways)
            )

    @cached_property
    def null(self) -> Null:
        """What chance gives."""
        parts = [self._chance(*weights) for weights in self._weights()]
        return Null(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _chance(self, held: Array, drawn: Array, here: Array, whole: Array, again: Array) -> tuple[Array, ...]:
        lengths, tokens = self.real.lengths, self.by_bin.T
        elsewhere = log_ratio(tokens @ drawn, lengths @ drawn, tokens @ held, lengths @ held)
        total = self.real.times.astype(np.float64)
        same = log_ratio(tokens @ here, lengths @ here, (tokens @ total)[:, None], lengths @ total)
        r, square = self.tokens_of(whole)
        s = self._by_item @ again
        score = score_of(s, r, square, (lengths @ again) / (lengths @ whole), self.excess)
        return elsewhere.T, same.T, score.min(axis=0, initial=0.0), self._extinct(s).T

    @cached_property
    def _by_item(self) -> Any:
        return self.real.counts[:, self.rare].T.tocsr()

    @cached_property
    def _squares(self) -> Any:
        return self._by_item.multiply(self._by_item).tocsr()

    def tokens_of(self, weights: Array) -> tuple[Array, Array]:
        """Tokens (k, some) of the rare items in documents of these weights, and the sum of their squares."""
        return self._by_item @ weights, self._squares @ weights

    @cached_property
    def excess(self) -> float:
        """Variance of a count under chance, relative to that of two independent real texts."""
        ratio = self.size / self.real.number
        drift = self.size / self.training
        return (1.0 + ratio + drift * self.generations) / (1.0 + ratio)

    def _extinct(self, s: Array) -> Array:
        """Items of each tested bin that counts (k, some) of the rare items lack."""
        bins = self.bin_of[self.rare]
        return np.stack([(s[bins == b] == 0).sum(axis=0) for b in self.tested]).astype(np.float64)


def octave(copies: Ints) -> Ints:
    """0 for 1 copy, 1 for 2, 2 for 3-4, 3 for 5-8, ..."""
    return np.frexp(np.maximum(copies - 1, 0))[1].astype(np.int64)


def log_ratio(s: Array, size: Any, r: Array, other: Any) -> Array:
    """Log ratio of shares (B, some)."""
    return np.asarray(np.log((s + HALF) / size) - np.log((r + HALF) / other))


def score_of(s: Array, r: Array, square: Array, ratio: Array, excess: float) -> Array:
    """Log probability of so few copies s given s + r, both over their burstiness: (k, some); 0 where none is amiss."""
    from scipy.special import betainc

    out = np.zeros(s.shape)
    missing = ratio * r - s
    i, j = np.nonzero(missing > 2.0 * np.sqrt(square * ratio))  # nothing milder is the most extreme
    burst = excess * square[i, j] / r[i, j]
    tail = betainc(r[i, j] / burst, s[i, j] / burst + 1.0, 1.0 / (1.0 + ratio[j]))
    out[i, j] = np.log(np.maximum(tail, 1e-300))
    return out
