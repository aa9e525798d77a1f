"""Nearest neighbours among vectors, by blocks of one matrix product: radii, precision, recall, density, coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[Any]
_BLOCK = 64  # rows of a block of distances: it stays in the cache


class Manifold(NamedTuple):
    """Vectors (n, k) with the squared distance of each to its neighbour of a given rank (n,)."""

    vectors: Vectors
    radius: Vectors

    @classmethod
    def of(cls, vectors: Vectors, neighbours: int) -> Manifold:
        """Radii to the k-th neighbour among the vectors themselves, each its own nearest."""
        parts = [ranked(block, neighbours) for _, block in squared(vectors, vectors)]
        return cls(vectors, np.concatenate(parts))


def ranked(block: Vectors, rank: int) -> Vectors:
    """The value of a rank (0 is the smallest) in each row (rows,).

    The rank + 1 smallest lie in the rank + 1 groups of columns with the smallest minima: only those are sorted.
    """
    rows, columns = block.shape
    groups = isqrt(columns)
    if groups <= rank:
        return np.asarray(np.partition(block, rank, axis=1)[:, rank])
    grouped = block[:, : columns - columns % groups].reshape(rows, -1, groups)
    chosen = np.argpartition(grouped.min(axis=1), rank, axis=1)[:, None, : rank + 1]
    few = np.take_along_axis(grouped, chosen, axis=2).reshape(rows, -1)
    left = block[:, columns - columns % groups :]
    return np.asarray(np.partition(np.concatenate([few, left], axis=1), rank, axis=1)[:, rank])


class Overlap(NamedTuple):
    """How two manifolds cover each other."""

    precision: float  # share of the model's vectors inside the reference's manifold (Kynkaanniemi et al. 2019)
    recall: float  # share of the reference's inside the model's
    density: float  # reference neighbourhoods that hold a model vector, over k (Naeem et al. 2020)
    coverage: float  # share of reference neighbourhoods that hold one


def overlap(real: Manifold, fake: Manifold, neighbours: int) -> Overlap:
    """Precision, recall, density and coverage."""
    near = np.zeros(len(fake.vectors), dtype=bool)
    inside, hits = np.zeros(len(real.vectors), dtype=bool), 0
    covered = 0
    for first, block in squared(real.vectors, fake.vectors):
        rows = slice(first, first + len(block))
        within = block < real.radius[rows, None]
        near |= within.any(axis=0)
        hits += int(np.count_nonzero(within))
        covered += int(np.count_nonzero(within.any(axis=1)))
        inside[rows] = (block < fake.radius[None]).any(axis=1)
    density = hits / neighbours / len(fake.vectors)
    return Overlap(float(near.mean()), float(inside.mean()), density, covered / len(real.vectors))


def nearest(of: Vectors, among: Vectors) -> Vectors:
    """Distance of each vector to the nearest among others (n,)."""
    least = np.concatenate([np.zeros(0, of.dtype), *(block.min(axis=1) for _, block in squared(of, among))])
    return np.asarray(np.sqrt(np.maximum(least, 0.0)))


def squared(a: Vectors, b: Vectors) -> Iterator[tuple[int, Vectors]]:
    """Squared distances, a block of a's rows at a time, with the number of its first; rounding can make one < 0."""
    centre = b.mean(axis=0)  # distances do not change, and the products cancel less
    a, b = a - centre, b - centre
    # |x - y|^2 = (-2 x, |x|^2, 1) . (y, 1, |y|^2): one matrix product and no pass over the block besides
    left = np.column_stack([-2.0 * a, np.einsum("ij,ij->i", a, a), np.ones_like(a[:, 0])])
    right = np.column_stack([b, np.ones_like(b[:, 0]), np.einsum("ij,ij->i", b, b)])
    product = _product(left, right)
    for first in range(0, len(a), _BLOCK):
        yield first, product(left[first : first + _BLOCK], right)


def _product(left: Vectors, right: Vectors) -> Callable[[Vectors, Vectors], Vectors]:
    """How to multiply one by the other transposed: by oneDNN where torch is there, at half the time."""
    if left.dtype == right.dtype == np.float32 and find_spec("torch") is not None:
        from outcross.families.neural.linear import by_transposed

        return by_transposed
    return lambda x, y: x @ y.T
