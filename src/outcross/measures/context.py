"""What a measure may look at: the held-out reference, the model (through its exact law or fresh draws), generation 0.

Measuring reads; nothing here can reach a pool that is trained on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from outcross.core.contracts import Model, Source
from outcross.core.corpus import Corpus
from outcross.core.mixture import MeanCovariance, Mixture
from outcross.core.rng import FIXED, Purpose, Streams
from outcross.core.statistics import codes

Array = NDArray[np.float64]
REFERENCE_ROWS = 1 << 18  # rows of a known law, where its closed form is not enough
DRAWS = 100_000  # fresh rows of a model whose law is not known
LEVELS = np.array([0.01, 0.001, 0.05])  # outer mass of each tail, of each side; 5 % for small references
SAMPLED = 1000  # rows of each side where a measure compares rows with rows
SHAPE = np.linspace(-4.0, 4.0, 161)  # standard deviations about the mean at which shapes are compared
GRID = 65  # points of the marginal distribution functions
_LUMP, _FEWEST = 0.02, 5  # share of rows at one value, and rows, from which a column is one of counts or flags


def sample_moments(rows: Array) -> MeanCovariance:
    """Mean and covariance (divisor n) of rows (n, d)."""
    mean = rows.mean(axis=0)
    centred = rows - mean
    return MeanCovariance(mean, centred.T @ centred / len(rows))


@dataclass(frozen=True, eq=False)
class Reference:
    """The held-out real rows and what is read off them once: moments, tail thresholds, distribution functions."""

    rows: Array  # (n, d)
    law: Mixture | None
    known: MeanCovariance | None = None  # of a truth that is known, if not as a mixture
    frequencies: Array | None = None  # of categories (K,)
    gallery: Any = None  # a Gallery, where rows are images
    library: Any = None  # a Library, where rows are text
    label: NDArray[np.int32] | None = None  # of each row (n,), where rows are numbers with labels

    @classmethod
    def of(cls, source: Source) -> Reference:
        """The reference of a source."""
        held = source.reference(REFERENCE_ROWS)
        law, known, frequencies = (getattr(source, name, None) for name in ("law", "moments", "frequencies"))
        return cls(held.items, law, known, frequencies, _gallery(source, held), _library(source, held), held.label)

    @lru_cache(maxsize=8)  # noqa: B019  a reference lives as long as its process
    def rarest(self, mass: float) -> Array:
        """True mass of the rarest categories that together hold `mass` (K,); the one at the edge with its part."""
        truth = self.frequencies
        assert truth is not None
        share, order = np.zeros(len(truth)), np.argsort(truth, kind="stable")
        below = np.cumsum(truth[order]) - truth[order]
        share[order] = np.clip(mass - below, 0.0, truth[order])
        return share

    @property
    def items(self) -> str:
        """What the rows are: numbers, categories, images or text."""
        if self.library is not None:
            return "text"
        if self.gallery is not None:
            return "images"
        return "numbers" if self.frequencies is None else "categories"

    @cached_property
    def moments(self) -> MeanCovariance:
        """Mean and covariance of the truth."""
        if self.known is not None:
            return self.known
        return self.law.moments if self.law is not None else sample_moments(self.rows)

    @cached_property
    def sd(self) -> Array:
        """Standard deviation of each column (d,)."""
        return np.sqrt(np.diag(self.moments.covariance))

    @cached_property
    def flat(self) -> str | None:
        """Why distances in standard deviations are undefined, or None."""
        constant = np.flatnonzero(~(self.sd > 0))
        if len(constant):
            return f"column {constant[0]} of the reference is constant"
        if np.linalg.matrix_rank(self.moments.covariance / np.outer(self.sd, self.sd)) < len(self.sd):
            return "the reference covariance is singular"
        return None

    @cached_property
    def whitener(self) -> Array:
        """W with W covariance W' = I: Mahalanobis distance is |W (x - mean)|."""
        return np.asarray(np.linalg.inv(np.linalg.cholesky(self.moments.covariance)))

    @cached_property
    def lumps(self) -> NDArray[np.bool_]:
        """Columns of counts or flags (d,)."""
        return lumped(self.rows) if self.law is None else np.zeros(len(self.sd), dtype=bool)

    @cached_property
    def beyond(self) -> Array:
        """Mass of the rows strictly beyond `quantiles`: (d, 2, levels)."""
        below, above = self.quantiles[:, 0], self.quantiles[:, 1]
        rows = self.rows[:, :, None]
        return np.stack([np.mean(rows < below, axis=0), np.mean(rows > above, axis=0)], axis=1)

    @cached_property
    def thresholds(self) -> Array:
        """`quantiles` about the mean: (d, 2, levels)."""
        return self.quantiles - self.moments.mean[:, None, None]

    @cached_property
    def quantiles(self) -> Array:
        """Per column the lower and upper quantiles at LEVELS: (d, 2, levels), lower side first."""
        sides = np.stack([LEVELS, 1.0 - LEVELS])  # (2, levels)
        if self.law is None:
            quantiles = np.quantile(self.rows, sides.ravel(), axis=0).T
        else:
            quantiles = np.stack([[self._quantile(a, p) for p in sides.ravel()] for a in range(len(self.sd))])
        return np.asarray(quantiles).reshape(len(self.sd), *sides.shape)

    def _quantile(self, column: int, p: float) -> float:
        from scipy.optimize import brentq

        law, mean, sd = self.law, self.moments.mean, self.sd
        assert law is not None
        points = np.tile(mean[:, None], (1, 1))

        def excess(x: float) -> float:
            points[column, 0] = x
            return float(law.marginal_cdf(points)[column, 0]) - p

        return float(brentq(excess, mean[column] - 40 * sd[column], mean[column] + 40 * sd[column], xtol=1e-12))

    @cached_property
    def radii(self) -> Array:
        """Mahalanobis distances that the truth exceeds with probability LEVELS (levels,)."""
        exact = None if self.law is None else self.law.mass_outside(self.moments.mean, self.whitener, np.ones(1))
        if exact is None:
            return np.asarray(np.quantile(self.distances(self.rows, self.moments.mean), 1.0 - LEVELS))
        from scipy.optimize import brentq

        return np.array([brentq(self._radius_excess, 0.0, 100.0, args=(p,), xtol=1e-12) for p in LEVELS])

    def _radius_excess(self, radius: float, p: float) -> float:
        assert self.law is not None
        mass = self.law.mass_outside(self.moments.mean, self.whitener, np.array([radius]))
        assert mass is not None
        return float(mass[0]) - p

    def distances(self, rows: Array, centre: Array) -> Array:
        """Mahalanobis distance of each row from a centre (n,)."""
        return np.asarray(np.sqrt((((rows - centre) @ self.whitener.T) ** 2).sum(axis=1)))

    def tail_error(self, mass: float) -> float:
        """Relative standard error of a tail mass of the reference, from its finite rows; 0 for a known law."""
        return 0.0 if self.law is not None else math.sqrt((1 - mass) / (mass * len(self.rows)))

    @cached_property
    def shape(self) -> Array:
        """Marginal distribution functions of the truth at SHAPE standard deviations about its mean (d, points)."""
        points = self.moments.mean[:, None] + SHAPE * self.sd[:, None]
        return self.law.marginal_cdf(points) if self.law is not None else empirical_cdf(self.rows, points)

    @cached_property
    def frame(self) -> Array:
        """Lower and upper edge of each column, a twentieth beyond the rows: (2, d)."""
        low, high = self.rows.min(axis=0), self.rows.max(axis=0)
        margin = 0.05 * np.where(high > low, high - low, 1.0)
        return np.stack([low - margin, high + margin])

    @cached_property
    def root(self) -> Array:
        """Symmetric square root of the true correlation matrix."""
        values, vectors = np.linalg.eigh(self.moments.covariance / np.outer(self.sd, self.sd))
        return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)

    @lru_cache(maxsize=2)  # noqa: B019
    def neighbour_radius(self, n: int, k: int) -> Array:
        """Distance of each of the first n reference rows to its k-th neighbour among them (n,)."""
        return kth_neighbour(self.within(n), k)

    @lru_cache(maxsize=2)  # noqa: B019
    def within(self, n: int) -> Array:
        """Distances in standard deviations among the first n reference rows (n, n)."""
        scaled = self.rows[:n] / self.sd
        return np.asarray(cdist(scaled, scaled))

    @cached_property
    def grid(self) -> Array:
        """Points (d, GRID) over mean +- 6 standard deviations."""
        return self.moments.mean[:, None] + np.linspace(-6.0, 6.0, GRID) * self.sd[:, None]

    @cached_property
    def cdf(self) -> Array:
        """Marginal distribution functions of the truth on the grid (d, GRID)."""
        return self.law.marginal_cdf(self.grid) if self.law is not None else empirical_cdf(self.rows, self.grid)


def _gallery(source: Any, held: Corpus) -> Any:
    """The gallery of a source of images, None of any other."""
    if getattr(source, "items", "numbers") != "images":
        return None
    from outcross.measures.gallery import IMAGES, Gallery

    held, names = held.take(slice(0, IMAGES)), tuple(getattr(source, "classes", ()))
    return Gallery(held, source.training, getattr(source, "features", None), names)


def _library(source: Source, held: Corpus) -> Any:
    """The library of a source of text, None of any other."""
    if getattr(source, "items", "numbers") != "text":
        return None
    from outcross.measures.library import Library

    told = getattr(source, "truth", None), getattr(source, "about", "")
    return Library(held, source.training, source.coding, *told)  # type: ignore[attr-defined]


def lumped(rows: Array) -> NDArray[np.bool_]:
    """Columns in which a single value holds many of the rows: counts or flags, not measurements (d,)."""
    most = [np.unique(column, return_counts=True)[1].max() for column in rows.T]
    return np.array(most) >= max(_LUMP * len(rows), _FEWEST)


def kth_neighbour(within: Array, k: int) -> Array:
    """Distance of each row to its k-th neighbour, from all distances (n, n); a row is its own nearest."""
    return np.asarray(np.partition(within, k, axis=1)[:, k])


def empirical_cdf(rows: Array, grid: Array) -> Array:
    """Share of rows (n, d) at or below each grid point (d, q)."""
    below = [np.searchsorted(np.sort(rows[:, a]), grid[a], side="right") for a in range(rows.shape[1])]
    return np.array(below) / len(rows)


@dataclass(frozen=True, eq=False)
class Context:
    """What the measures of one generation share: reference, generation 0, draws made at most once."""

    reference: Reference
    model: Model
    first: Model
    streams: Streams
    generation: int

    @cached_property
    def law(self) -> Mixture | None:
        """The exact law of the model, where it has one."""
        return getattr(self.model, "law", None)

    @cached_property
    def draws(self) -> Any:
        """Fresh rows of the model, never rows of a pool: DRAWS, IMAGES, or as many blocks of text as are held out."""
        stream, library = self.streams.stream(self.generation, Purpose.MEASURE), self.reference.library
        if library is not None:
            return np.asarray(library.written(self.model, stream))
        n = DRAWS if self.reference.gallery is None else self.reference.gallery.images
        return np.asarray(self.model.sample(n, stream))

    @cached_property
    def sight(self) -> Any:
        """What the classifier of real images sees in the draws."""
        return self.reference.gallery.classifier.look(self.draws)

    @cached_property
    def features(self) -> tuple[Any, Any]:
        """Equally many images of the model and of the reference as vectors."""
        gallery = self.reference.gallery
        by_classifier = gallery.features is None and gallery.unlabelled is None
        fake = self.sight.features if by_classifier else gallery.vectors(self.draws)
        n = min(len(fake), len(gallery.truth))
        return fake[:n], gallery.truth[:n]

    @cached_property
    def moments(self) -> MeanCovariance:
        """Mean and covariance of the model."""
        known: MeanCovariance | None = getattr(self.law or self.model, "moments", None)
        return known if known is not None else sample_moments(self.draws)

    @cached_property
    def probabilities(self) -> Array:
        """Probability of each category in the model (K,): exact where it tells them, else the share of draws."""
        known = getattr(self.model, "probabilities", None)
        return np.asarray(known if known is not None else np.bincount(codes(self.draws)) / DRAWS)

    @cached_property
    def lumps(self) -> NDArray[np.bool_]:
        """Columns of counts or flags in truth and model alike (d,): no shift of a mean makes their values agree."""
        found = self.reference.lumps.copy()
        if self.law is not None:
            return np.zeros_like(found)
        found[found] = lumped(self.draws[:, found])
        return found

    @cached_property
    def cdf(self) -> Array:
        """Marginal distribution functions of the model on the reference's grid (d, GRID)."""
        return self.cdf_at(self.reference.grid)

    def cdf_at(self, points: Array) -> Array:
        """Marginal distribution functions of the model at points (d, q)."""
        return self.law.marginal_cdf(points) if self.law is not None else empirical_cdf(self.draws, points)

    def rows(self, n: int) -> tuple[Array, Array]:
        """Equally many rows of the model and of the reference, at most n, for measures on samples."""
        m = min(n, len(self.reference.rows), DRAWS)
        return self.draws[:m], self.reference.rows[:m]

    @cached_property
    def gaps(self) -> tuple[Array, Array, Array]:
        """Distances in standard deviations between rows of reference and model, and within each: (n, n) all three."""
        sd = self.reference.sd
        fake, real = self.rows(SAMPLED)
        within = self.reference.within(len(real))
        return cdist(real / sd, fake / sd), cdist(fake / sd, fake / sd), within

    def fixed(self, shard: int) -> np.random.Generator:
        """The same chance in every generation of every chain."""
        return FIXED.stream(0, Purpose.MEASURE, shard).generator()

    def generator(self, shard: int) -> np.random.Generator:
        """Chance for a measure; `shard` tells the measures of one generation apart."""
        return self.streams.stream(self.generation, Purpose.MEASURE, shard).generator()


Take = Callable[[Any, Context], Any]
