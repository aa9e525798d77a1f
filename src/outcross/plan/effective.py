"""The chain that stands for a measured one: mean and variance under the run's own policy, with measured noise and bias.

It is the exact recursion of a Gaussian chain (M1 to M4, A1, A3: parts keep their mean and scatter) with numbers that
are measured instead of known. noise: the relative variance of a ratio that so many rows tell (2/n of a Gaussian column,
so 2/noise is an effective sample size). bias: what a generation does to the logarithm of the ratio, by the rows that a
model makes, at the ratio of real rows; elsewhere it fades by exp(-fade |log ratio|), as a model's own rows are easier
to learn the farther they are from real ones. reading: what is no part of the model, but of its measurement.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Policy
from outcross.core.schedules import Samples

Array = NDArray[np.float64]
_LEAST, _MOST, _STEEP = 1e-12, 1e12, 5.0  # ratios, and nats a generation, that are followed
_SURE, _NOISIEST = 1e-12, 4.0  # a noise that is none, and the most that is followed


class Drift(NamedTuple):
    """What a generation does, one value a particle or one for all."""

    noise: Array
    bias: Array
    fade: Array
    reading: Array


class Part(NamedTuple):
    """Rows: their number, mean and expected variance over the true one, and the relative variance of the latter."""

    rows: int
    mean: Array
    ratio: Array
    noise: Array


class Setup(NamedTuple):
    """What is known of a chain before anything is measured. items: numbers, categories, images or text."""

    policy: Policy
    samples: Samples
    items: str = "numbers"

    @property
    def learned(self) -> bool:
        """Whether chance is in training, not in which rows are drawn: else a fit has the mean and variance of them."""
        return self.items in ("images", "text")

    def noise(self, measured: Array, ratio: Array) -> Array:
        """Noise at a ratio, from that near 1: what narrows ends as one Gaussian column, or as two categories.

        Two categories of heterozygosity H have a relative variance of 2 (1 - 2 H)/(n H) (Wright-Fisher; derived).
        """
        if self.learned:
            return np.asarray(measured * np.ones_like(ratio))
        n, lost = self.samples.at(0), np.clip(1.0 - ratio, 0.0, 1.0)
        if self.items == "categories":
            two = 2.0 * (2.0 * lost - 1.0) / (n * np.maximum(1.0 - lost, _LEAST))
            return np.asarray(np.clip(two, measured, np.maximum(measured, _NOISIEST)))
        return measured + (np.maximum(measured, 2.0 / n) - measured) * lost


class Chain:
    """Many chains at one generation, advanced together; shape (chains, particles) as `ratio`. quiet: means wander, but
    ratios are the expected ones.

    ratio: that of the fitted model. pool, original: mean and ratio of rows that later pools are made of.
    """

    def __init__(self, setup: Setup, drift: Drift, ratio: Array, rng: np.random.Generator, quiet: bool = False) -> None:
        self.setup, self.drift, self.rng, self.quiet, self.t = setup, drift, rng, quiet, 0
        self.shape = ratio.shape
        self.start = setup.samples.at(0)
        nothing = np.zeros(self.shape)
        real = self._drawn(Part(0, nothing, np.ones(self.shape), nothing), self.start)
        self.original = real._replace(ratio=real.ratio if setup.learned else ratio, noise=nothing)
        self.pool, self.mean, self.ratio = self.original, self.original.mean, ratio
        self.spread = np.ones(self.shape) * drift.noise  # of the logarithm of the ratio, since it was last observed
        self._anchor: Part | None = None
        self._doubt = self._lean = nothing  # relative variance of a fixed anchor; how much of it is in the ratio
        self._carried: Any = 1.0  # how much of a small difference in the last ratio is in the next, as logarithms

    def step(self, observed: Array | None = None) -> Array | None:
        """The next generation. observed (NaN for none) becomes its ratios; returned is the log density of that."""
        self.t += 1
        pool = self._blended(self._made())
        fitted = self._fitted(pool)
        self.spread = self._carried**2 * self.spread + pool.noise + fitted.noise
        if self._anchor is not None:
            self._lean = self._carried * self._lean + self._anchor.rows / pool.rows * self._anchor.ratio / pool.ratio
        drawn = self._scaled(pool.ratio, pool.noise)
        self.mean, self.ratio = fitted.mean, self._scaled(drawn * (fitted.ratio / pool.ratio), fitted.noise)
        self.pool = pool._replace(ratio=drawn, noise=np.zeros(self.shape))
        return None if observed is None else self._observe(observed, fitted, pool.noise)

    def off(self, observed: Array) -> Array:
        """Log of observed ratios (chains, 1) over the expected ones, which are then as observed: (chains,).

        A fixed anchor, which no one has seen, is learned from it too (a Kalman step).
        """
        there = np.isfinite(observed)
        found = np.log(np.where(there, observed, 1.0) / self.ratio.mean(axis=1, keepdims=True))
        if self._anchor is not None:
            gain = np.where(there, self._lean * self._doubt / np.maximum(self.unsure, _SURE), 0.0)
            self._anchor = self._anchor._replace(ratio=self._anchor.ratio * np.exp(gain * found))
            self._doubt = self._doubt * (1.0 - gain * self._lean)
            self._lean = np.where(there, 0.0, self._lean)
        self._move(np.where(there, observed / self.ratio, 1.0), 1.0, 1.0, there)
        return np.where(there, found, np.nan)[:, 0]

    @property
    def unsure(self) -> Array:
        """Variance of the logarithm of the ratio since it was last observed, a fixed anchor's included."""
        return np.asarray(self.spread + self._lean**2 * self._doubt)

    def _observe(self, observed: Array, fitted: Part, of_pool: Array) -> Array:
        """Take on what is observed (chains, 1), each by the part of chance that is its own: the log density of it.

        An ensemble Kalman step (Evensen 1994) on logarithms, by particle.
        """
        noise = of_pool + fitted.noise
        there, whole = np.isfinite(observed), np.maximum(noise + self.drift.reading, _SURE)
        logs = np.log(np.where(there, observed, 1.0) / fitted.ratio) + 0.5 * whole
        density = np.where(there, -0.5 * (logs**2 / whole + np.log(whole)), 0.0)
        read = self.ratio * np.exp(np.sqrt(self.drift.reading) * self.rng.standard_normal(self.shape))
        self._move(np.where(there, observed / read, 1.0), noise / whole, of_pool / whole, there)
        return np.asarray(density)

    def _move(self, factor: Array, share: Any, of_pool: Any, there: Any) -> None:
        """Move model and pool by their shares of a factor."""
        self.ratio = self.ratio * factor**share
        self.pool = self.pool._replace(ratio=self.pool.ratio * factor**of_pool)
        self.spread = np.where(there, 0.0, self.spread)

    def _made(self) -> tuple[Array, Array]:
        """Mean and ratio of the law of the rows that the model makes."""
        level = np.clip(self.ratio, _LEAST, _MOST)
        bias = np.clip(self.drift.bias * np.exp(-self.drift.fade * np.abs(np.log(level))), -_STEEP, _STEEP)
        return self.mean, level * np.exp(bias)

    def _blended(self, made: tuple[Array, Array]) -> Part:
        """The next pool."""
        counts = self.setup.policy.rows(self.t, self.setup.samples.at(self.t), self.pool.rows)
        nothing, parts = np.zeros(self.shape), []
        if counts.synthetic:
            parts.append(self._drawn(Part(0, *made, nothing), counts.synthetic))
        synthetic = sum(p.rows * p.ratio for p in parts)
        if counts.previous:
            parts.append(self._drawn(self.pool, counts.previous))
        if counts.original:
            parts.append(self._kept(counts.original))
        if counts.fresh:
            parts.append(self._drawn(Part(0, nothing, np.ones(self.shape), nothing), counts.fresh))
        pool = _together(parts)
        whole = getattr(self.setup.policy, "keep_all", False)  # then it is in the rows that are kept, too
        self._carried = 1.0 if whole else synthetic / (pool.rows * pool.ratio)
        return pool

    def _fitted(self, pool: Part) -> Part:
        """What is fitted: all of the pool, or a random part of it; its noise is what comes on top of the pool's."""
        budget = self.setup.policy.budget_rows(self.t, self.setup.samples.at(self.t))
        whole = budget is None or budget >= pool.rows
        fitted = pool._replace(noise=np.zeros(self.shape)) if whole else self._drawn(pool, int(budget or 0))
        return fitted._replace(noise=fitted.noise + self.drift.noise) if self.setup.learned else fitted

    def _kept(self, rows: int) -> Part:
        """The original rows of a pool."""
        if self.setup.policy.anchor != "fixed":
            return self._drawn(self.original, rows)
        if self._anchor is None or self._anchor.rows != rows:
            part = self._drawn(self.original, rows)
            self._doubt = part.noise
            self._anchor = part._replace(ratio=self._scaled(part.ratio, part.noise), noise=np.zeros(self.shape))
        return self._anchor

    def _drawn(self, law: Part, rows: int) -> Part:
        """Rows of a law, or a random part of so many there are (`law.rows`, 0 for no end)."""
        left = 1.0 - rows / law.rows if law.rows else 1.0
        if self.setup.learned or left <= 0.0:
            return Part(rows, law.mean, law.ratio, np.zeros(self.shape))
        mean = law.mean + np.sqrt(law.ratio * left / rows) * self.rng.standard_normal(self.shape)
        measured = self.drift.noise * np.ones(
            self.shape
        )  # as it was on the whole, where the expected chain is compared
        noise = measured if self.quiet else self.setup.noise(measured, law.ratio)
        noise = noise * (left * self.start / rows)
        return Part(rows, mean, law.ratio * (1.0 - left / rows), noise)

    def _scaled(self, ratio: Array, noise: Array) -> Array:
        """A ratio with chance of that relative variance, as chi-squared has it."""
        if self.quiet:
            return ratio
        shape = 1.0 / np.maximum(noise, _SURE)
        return np.clip(ratio * self.rng.standard_gamma(shape) / shape, _LEAST, _MOST)

    def chosen(self, index: NDArray[np.int64], unit: Array) -> None:
        """Keep these particles (chains, particles) of every chain: what is hidden goes on from likelier ones.

        unit: of the ratios of each particle (particles,), which stays its own, as noise and bias do.
        """

        def take(values: Array) -> Array:
            return np.take_along_axis(values, index, axis=1)

        def part(given: Part) -> Part:
            return Part(given.rows, take(given.mean), take(given.ratio / unit) * unit, take(given.noise))

        self.mean, self.ratio, self.spread = take(self.mean), take(self.ratio / unit) * unit, take(self.spread)
        self.pool, self.original = part(self.pool), part(self.original)
        self._anchor = None if self._anchor is None else part(self._anchor)


def _together(parts: list[Part]) -> Part:
    """Parts as one pool."""
    n = sum(p.rows for p in parts)
    mean = sum(p.rows * p.mean for p in parts) / n
    ratio = sum(p.rows * (p.ratio + (p.mean - mean) ** 2) for p in parts) / n
    noise = sum((p.rows / n * p.ratio / ratio) ** 2 * p.noise for p in parts)
    return Part(n, np.asarray(mean), np.asarray(ratio), np.asarray(noise))
