"""Pools kept as sufficient statistics: what a fit needs of n rows, at a size that does not grow with n.

A Gaussian needs count, mean and scatter; a law on categories needs the counts; a one-parameter family needs the sum.
Drawing the statistics of n rows, exactly in law, costs the same for a thousand rows and for a billion. What is given
up is the single row: a random part of the rows can be taken from Counts (multivariate hypergeometric) but not from
Moments or Sums.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from outcross.core.compiled import compiled
from outcross.core.corpus import Batch, Corpus, frozen
from outcross.core.errors import InputError, require
from outcross.core.rng import Stream

Array = NDArray[np.float64]
_MOST_DRAWN = 10**9  # numpy draws without replacement from fewer than this many
_SPARSE = 3  # fewer draws than categories / 3: drawing each is faster than a binomial for every category


class Statistics:
    """What Counts, Moments and Sums share with a Corpus: length, sum, digest, arrays to store."""

    divisible: ClassVar[bool]  # whether a random part of the rows can be taken

    @classmethod
    def of(cls, corpus: Corpus) -> Any:
        """The statistics of rows."""
        raise NotImplementedError

    @property
    def batches(self) -> tuple[Any, ...]:
        """The parts that are stored: one."""
        return (self,)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything it holds, by name."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """Bytes of all that it holds."""
        return sum(a.nbytes for a in self.arrays().values())

    @property
    def digest(self) -> str:
        """SHA-256 over all that it holds."""
        h = hashlib.sha256(type(self).__name__.encode())
        for name, array in self.arrays().items():
            h.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return h.hexdigest()

    def take(self, index: NDArray[np.int64] | slice) -> Any:
        """Single rows are what statistics have given up."""
        raise InputError(f"{type(self).__name__} keep no single rows: use pools=rows")


@dataclass(frozen=True, eq=False)
class Counts(Statistics):
    """How often each of K categories occurs: counts (K,) int64."""

    counts: NDArray[np.int64]
    divisible: ClassVar[bool] = True

    @classmethod
    def of(cls, corpus: Corpus, categories: int = 0) -> Counts:
        """Counts of a corpus of category codes (n, 1); at least so many categories."""
        return cls(frozen(np.bincount(codes(corpus.items), minlength=categories)))

    def __len__(self) -> int:
        return int(self.counts.sum())

    def __add__(self, other: Counts) -> Counts:
        if len(self.counts) < len(other.counts):
            return other + self
        whole = self.counts.copy()
        whole[: len(other.counts)] += other.counts
        return Counts(frozen(whole))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The counts."""
        return {"counts": self.counts}

    def subset(self, m: int, rng: Stream) -> Counts:
        """M of the items at random, without replacement. Raises InputError from a thousand million items up."""
        n = len(self)
        if m == n:
            return self
        require(
            n < _MOST_DRAWN,
            f"a random part of {n:,} items was asked for; without replacement it can be drawn from fewer than "
            f"{_MOST_DRAWN:,}: use fewer samples, or the anchor fresh",
        )
        there = np.flatnonzero(self.counts)
        whole = np.zeros_like(self.counts)
        whole[there] = rng.generator().multivariate_hypergeometric(self.counts[there], m, method="marginals")
        return Counts(frozen(whole))


def codes(items: Array) -> NDArray[np.int64]:
    """Category codes of rows (n, 1). Raises InputError unless they are whole numbers from 0."""
    require(items.shape[1] == 1, f"categories are one column, got {items.shape[1]}")
    found = items[:, 0].astype(np.int64)
    bad = np.flatnonzero((found != items[:, 0]) | (found < 0))
    require(len(bad) == 0, f"categories are whole numbers from 0, got {items[bad[0], 0] if len(bad) else 0:g}")
    return found


def multinomial(n: int, weights: NDArray[Any], rng: Stream) -> NDArray[np.int64]:
    """How often each category occurs among n independent draws: weights (K,), not negative, need not sum to 1.

    A binomial for each category that has weight, each given those before it, the probabilities from sums taken from
    the far end: rare categories that come last lose nothing to rounding. Few draws are made one by one.
    """
    generator, there = rng.generator(), np.flatnonzero(weights)
    out = np.zeros(len(weights), dtype=np.int64)
    mass = np.asarray(weights[there], dtype=np.float64)
    if n * _SPARSE < len(there):
        edges = np.cumsum(mass)
        which = np.searchsorted(edges, generator.random(n) * edges[-1], side="right")
        out[there] = np.bincount(np.minimum(which, len(there) - 1), minlength=len(there))
        return out
    left = np.cumsum(mass[::-1])[::-1]
    out[there] = _binomials(n, mass / left, generator)
    return out


@compiled
def _binomials(n, share, generator):
    """Counts of a multinomial: share[i] is the probability of i given that it is none of those before."""
    out = np.zeros(share.shape[0], dtype=np.int64)
    for i in range(share.shape[0]):
        if n == 0:
            break
        out[i] = n if share[i] >= 1.0 else generator.binomial(n, share[i])
        n -= out[i]
    return out


@dataclass(frozen=True, eq=False)
class Moments(Statistics):
    """Count n, mean (d,) and scatter (d, d), the sum of squared deviations from the mean."""

    count: int
    mean: Array
    scatter: Array
    divisible: ClassVar[bool] = False

    @classmethod
    def of(cls, corpus: Corpus) -> Moments:
        """Moments of rows."""
        mean = corpus.items.mean(axis=0)
        centred = corpus.items - mean
        return cls(len(corpus), mean, centred.T @ centred)

    @classmethod
    def drawn(cls, n: int, mean: Array, factor: Array, rng: Stream) -> Moments:
        """Moments of n Gaussian rows, exact in law; factor (d, d): the lower Cholesky factor of the covariance.

        The mean is normal, the scatter an independent Wishart with n - 1 degrees of freedom, by Bartlett's
        decomposition. Fewer rows than the decomposition needs are drawn one by one.
        """
        generator, d = rng.generator(), len(mean)
        if n <= d:
            return cls.of(Corpus.of(mean + generator.standard_normal((n, d)) @ factor.T))
        noise = generator.standard_normal(d * (d + 1) // 2)
        spread = np.sqrt(generator.chisquare(n - 1.0 - np.arange(d)))
        return cls(n, *_bartlett(float(n), mean, factor, noise, spread))

    def part(self, m: int, rng: Stream) -> Moments:
        """Moments of m of these rows, given the moments of all, exact in law if the rows are Gaussian.

        Whitened by their own Cholesky factor, Gaussian rows do not depend on their moments: so standard normal rows are
        drawn in two parts, and both are mapped so that together they have the moments of all. Needs n > d.
        """
        d = len(self.mean)
        shape = np.zeros(d), np.eye(d)
        mine = Moments.drawn(m, *shape, rng)
        if m == self.count:
            return self
        whole = mine + Moments.drawn(self.count - m, *shape, rng._replace(shard=rng.shard + 1))
        move = np.linalg.cholesky(self.scatter) @ np.linalg.inv(np.linalg.cholesky(whole.scatter))
        return Moments(m, self.mean + move @ (mine.mean - whole.mean), move @ mine.scatter @ move.T)

    def __len__(self) -> int:
        return self.count

    def __add__(self, other: Moments) -> Moments:
        n = self.count + other.count
        gap = other.mean - self.mean
        between = np.outer(gap, gap) * (self.count * (other.count / n))
        return Moments(n, self.mean + gap * (other.count / n), self.scatter + other.scatter + between)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Count, mean and scatter."""
        return {"count": np.array([self.count]), "mean": self.mean, "scatter": self.scatter}

    def subset(self, m: int, rng: Stream) -> Moments:
        """All of them, or an InputError."""
        require(m == self.count, "no random part can be taken of rows kept as moments: use pools=rows")
        return self


@compiled
def _bartlett(n, mean, factor, noise, spread):
    """Mean and scatter of n Gaussian rows from d + d (d - 1) / 2 normal numbers and d chi numbers."""
    d = mean.shape[0]
    centre, root, scatter = mean.copy(), np.zeros((d, d)), np.zeros((d, d))
    k = d
    for a in range(d):
        for b in range(a + 1):
            centre[a] += factor[a, b] * noise[b] / np.sqrt(n)
    triangle = np.zeros((d, d))
    for a in range(d):
        triangle[a, a] = spread[a]
        for b in range(a):
            triangle[a, b] = noise[k]
            k += 1
    for a in range(d):
        for b in range(a + 1):
            for c in range(b, a + 1):
                root[a, b] += factor[a, c] * triangle[c, b]
    for a in range(d):
        for b in range(a + 1):
            for c in range(b + 1):
                scatter[a, b] += root[a, c] * root[b, c]
            scatter[b, a] = scatter[a, b]
    return centre, scatter


@dataclass(frozen=True, eq=False)
class Sums(Statistics):
    """Count n and the sum of each column (d,): all that a one-parameter exponential family needs."""

    count: int
    total: Array
    divisible: ClassVar[bool] = False

    @classmethod
    def of(cls, corpus: Corpus) -> Sums:
        """Sums of rows."""
        return cls(len(corpus), corpus.items.sum(axis=0))

    def __len__(self) -> int:
        return self.count

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.count + other.count, self.total + other.total)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Count and sums."""
        return {"count": np.array([self.count]), "total": self.total}

    def subset(self, m: int, rng: Stream) -> Sums:
        """All of them, or an InputError."""
        require(m == self.count, "no random part can be taken of rows kept as sums: use pools=rows")
        return self


Part = Batch | Statistics


class Pool(Protocol):
    """What a generation is fitted on: a Corpus of rows, or Counts, Moments or Sums."""

    @property
    def batches(self) -> tuple[Any, ...]:
        """The parts that are stored."""

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""

    def __len__(self) -> int: ...

    def __add__(self, other: Any) -> Pool: ...

    def subset(self, m: int, rng: Stream) -> Pool:
        """M of its rows at random, without replacement."""


def stored_part(arrays: Mapping[str, NDArray[Any]]) -> Part:
    """The part of a pool that was stored as these arrays."""
    if "items" in arrays:
        size = arrays.get("vocabulary")
        return Batch(arrays["items"], arrays["born"], arrays.get("label"), None if size is None else int(size[0]))
    if "counts" in arrays:
        return Counts(arrays["counts"])
    count = int(arrays["count"][0])
    if "scatter" in arrays:
        return Moments(count, arrays["mean"], arrays["scatter"])
    return Sums(count, arrays["total"])


def pool_of(parts: tuple[Part, ...]) -> Pool:
    """A pool from its stored parts: batches of rows, or one set of statistics."""
    if isinstance(parts[0], Batch):
        return Corpus([p for p in parts if isinstance(p, Batch)])
    pool: Any = parts[0]
    return pool  # type: ignore[no-any-return]
