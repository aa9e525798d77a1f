"""A chain calibrated on measured generations, and carried forward: forecasts with intervals.

Over all chains of a cell come the noise of a generation and its bias (`effective.Drift`), by least squares on the
innovations: how far each reading is off the expected chain that has all earlier ones. Whether there is a bias beyond
what theory has for n rows is weighed by the Bayesian information criterion (Schwarz 1978). Forecasts are simulations of
that chain from where each measured one stands, over what noise and bias may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from outcross.core.errors import require
from outcross.plan.effective import Array, Chain, Drift, Setup

Middle = Literal["mean", "median"]
PARTICLES, MOST_CHAINS, SEED = 400, 32, 0
_QUIET = 512  # particles of all chains together whose means are averaged over
FADES = (0.0, 12.0)  # what the fade of a bias can be
KNOWN, FREE = (0.0, 0.3), (1.0, 1.5)  # its mean and sd before anything is measured: of a scaled sampler (G7), of others
BEND, BEND_FREEDOM = 0.45, 5.0  # logarithm of how much a later bias differs from the measured one: Student's
_NOISIEST, _SUREST = 4.0, 1e-12  # relative variances that are followed
_BENT = 2.0  # a bend at most
_STEEPEST = 4.0  # nats a generation
_STEP = 1e-4  # of a numerical derivative
_OUTERMOST, _THICKEST = 1e-4, 40.0  # tails, over the true one, that are told apart


@dataclass(frozen=True)
class Series:
    """Readings of one quantity in one cell.

    generations (records,) from 0; readings (records, chains), over what models of real rows read, NaN for none;
    perplexities are inverted. base: how many fits to real rows that rests on. middle: over which chains a loss is.
    theory: whether the mean chain is known where nothing is biased. tail: the true mass beyond each side, of tails.
    rises: whether the loss is the relative rise of what is inverted.
    """

    setup: Setup
    generations: tuple[int, ...]
    readings: Array
    base: float
    middle: Middle = "mean"
    theory: bool = True
    tail: float | None = None
    rises: bool = False

    def loss(self, reading: Array) -> Array:
        """What is lost at a reading: 1 minus it, or the relative rise of a perplexity."""
        return np.asarray(1.0 / np.maximum(reading, _SUREST) - 1.0 if self.rises else 1.0 - reading)

    def until(self, generation: int) -> Series:
        """What was measured by then, of MOST_CHAINS chains at most that have a number there."""
        last = self.generations.index(generation)
        there = self.followed(generation)
        return replace(self, generations=self.generations[: last + 1], readings=self.readings[: last + 1, there])

    def followed(self, generation: int) -> NDArray[np.int64]:
        """The chains that `until` takes."""
        ends = self.readings[[0, self.generations.index(generation)]]
        return np.flatnonzero((np.isfinite(ends) & (ends > 0.0)).all(axis=0))[:MOST_CHAINS]

    @property
    def variance(self) -> Array:
        """Readings as variances over the true one: of a Gaussian with such a tail, less what n rows lose of it."""
        read = self.readings
        if self.tail is not None:
            mass = self.tail * np.clip(read, _OUTERMOST, _THICKEST)
            read = np.where(np.isfinite(read), (ndtri(self.tail) / ndtri(np.minimum(mass, 0.45))) ** 2, np.nan)
        return np.maximum(read, _SUREST) * self.kept

    def told(self, variance: Array) -> Array:
        """The reading of such a variance: the other way round."""
        ratio = variance / self.kept
        return ratio if self.tail is None else np.asarray(ndtr(ndtri(self.tail) / np.sqrt(ratio)) / self.tail)

    @property
    def kept(self) -> float:
        """What n real rows keep of the variance, where a fit has that of its rows."""
        return 1.0 if self.setup.learned else 1.0 - 1.0 / self.setup.samples.at(0)

    def over(self, values: Array) -> Array:
        """The mean, or median, over chains: the first axis but one of (..., chains, particles)."""
        return np.asarray((np.mean if self.middle == "mean" else np.median)(values, axis=-2))


class Fit(NamedTuple):
    """Least squares: bias and fade, their covariance in units of the noise, sum of squares and count of innovations."""

    bias: float
    fade: float
    covariance: Array
    squares: float
    innovations: int
    size: float  # mean logarithm of their multiples of the noise
    reading: float  # share of the mean square that is of measurement

    @property
    def score(self) -> float:
        """Twice the log likelihood, at its best noise."""
        return -self.innovations * (float(np.log(max(self.squares, _SUREST) / self.innovations)) + self.size)


class Calibration(NamedTuple):
    """What noise and bias may be: draws (PARTICLES,), how likely there is a bias, from how many innovations.

    level: logarithm of what models of real rows read over what they were taken to, draws.
    """

    drift: Drift
    biased: float
    innovations: int
    level: Array


def calibrate(series: Series, rng: np.random.Generator) -> Calibration:
    """Noise and bias of a generation. Raises InputError for fewer than two generations after 0, or no chain there."""
    require(series.readings.shape[1] > 0, "no chain has numbers at the last generation that is to be learned from")
    require(len(series.generations) > 2, "a calibration takes two measured generations after 0 or more")
    plain, free = _unbiased(series), _biased(series)
    odds = 0.5 * (free.score - plain.score - np.log(max(free.innovations, 2)))
    biased = float(1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0)))) if series.theory else 1.0
    pick = rng.random(PARTICLES) < biased
    noise = np.where(pick, _noise(free, series, rng), _noise(plain, series, rng))
    off = rng.standard_normal((PARTICLES, 2)) @ np.linalg.cholesky(free.covariance).T * np.sqrt(noise)[:, None]
    bend = np.ones(PARTICLES) if series.theory else _bends(rng)
    read = np.where(pick, free.reading, plain.reading)
    fade = np.clip(free.fade + off[:, 1], *FADES)
    drift = Drift(noise * (1.0 - 2.0 * read), np.where(pick, (free.bias + off[:, 0]) * bend, 0.0), fade, noise * read)
    level = np.sqrt(noise / max(series.base, 1.0)) * rng.standard_normal(PARTICLES)
    return Calibration(drift, biased, free.innovations, level)


def _bends(rng: np.random.Generator) -> Array:
    """How much later biases differ from the measured one, where no theorem has their form: draws."""
    return np.exp(np.clip(BEND * rng.standard_t(BEND_FREEDOM, PARTICLES), -_BENT, _BENT))


def _noise(fit: Fit, series: Series, rng: np.random.Generator) -> Array:
    """Draws of the noise: scaled inverse chi-squared. Where rows are the chance, theirs counts as two innovations."""
    prior = 0 if series.setup.learned else 2
    freedom = max(fit.innovations - 1, 1) + prior
    drawn = (fit.squares + prior * 2.0 / series.setup.samples.at(0)) / rng.chisquare(freedom, PARTICLES)
    return np.clip(drawn, _SUREST, _NOISIEST)


def _unbiased(series: Series) -> Fit:
    """The fit without a bias; noise and innovations by turns, as the expected logarithm hangs on the noise."""
    noise = 2.0 / series.setup.samples.at(0)
    for _ in range(3):
        off, size = innovations(series, 0.0, 0.0, noise)
        noise = _mean_square(off)
    return Fit(0.0, 0.0, np.eye(2), float(np.sum(off**2)), off.size, size, _read(series, off))


def _biased(series: Series) -> Fit:
    """The fit with a bias, and a fade that is as it was before unless the readings say otherwise."""
    from scipy.optimize import least_squares

    noise, best = 2.0 / series.setup.samples.at(0), np.array([1.0, 1.1])  # 1 more than both: steps are relative
    middle, sd = KNOWN if series.theory else FREE

    def scaled(theta: Array, noise: float) -> Array:
        off, size = innovations(series, float(theta[0]) - 1.0, float(theta[1]) - 1.0, noise)
        likely = off.ravel() * np.exp(0.5 * size) / np.sqrt(noise)  # whose squares have the likelihood's minimum
        return np.append(likely, (theta[1] - 1.0 - middle) / sd)

    for _ in range(3):
        found = least_squares(
            scaled,
            best,
            diff_step=_STEP,
            x_scale=[0.01, 1.0],
            bounds=([-_STEEPEST, 1.0 + FADES[0]], [_STEEPEST, 1.0 + FADES[1]]),
            args=(noise,),
        )
        best = found.x
        bias, fade = (float(v) - 1.0 for v in best)
        off, size = innovations(series, bias, fade, noise)
        used, noise = noise, _mean_square(off)
    covariance = np.linalg.inv(found.jac.T @ found.jac + 1e-9 * np.eye(2)) / used
    return Fit(bias, fade, covariance, float(np.sum(off**2)), off.size, size, _read(series, off))


def _read(series: Series, off: Array) -> float:
    """Share of the innovations' mean square that is of measurement: what the next innovation takes back."""
    if not series.setup.learned or len(off) < 3:
        return 0.0
    back = -float(np.mean(off[1:] * off[:-1])) / max(float(np.mean(off**2)), _SUREST)
    return float(np.clip(back, 0.0, 0.5))


def _mean_square(off: Array) -> float:
    return float(np.clip(np.mean(off**2), _SUREST, _NOISIEST))


def innovations(series: Series, bias: float, fade: float, noise: float) -> tuple[Array, float]:
    """How far each reading is off the expected chain, as a logarithm, over the root of its multiple of the noise.

    (records, chains), 0 for none; and the mean logarithm of those multiples.
    """
    drift, first = Drift(*map(np.asarray, (noise, bias, fade, 0.0))), series.variance[0][:, None]
    copies = max(_QUIET // len(first), 16)
    chain = Chain(series.setup, drift, np.repeat(first, copies, axis=1), np.random.default_rng(SEED), quiet=True)
    chain.spread = np.zeros(chain.shape)
    found, sizes = [], []
    for observed in _observations(series):
        chain.step()
        if observed is not None:
            size = np.maximum(chain.unsure.mean(axis=1) / noise, _SUREST)
            off = chain.off(observed[:, None]) + 0.5 * size * noise
            found.append(np.nan_to_num(off / np.sqrt(size)))
            sizes.append(np.log(size))
    return np.array(found), float(np.mean(sizes))


def _observations(series: Series) -> Iterator[Array | None]:
    """For every generation after 0: variances (chains,), or None where nothing was recorded."""
    at = dict(zip(series.generations, series.variance, strict=True))
    return (at.get(g) for g in range(1, series.generations[-1] + 1))


class Forecast(NamedTuple):
    """Readings to come at these generations: of single chains (generations, chains, particles), over them (generations,
    particles).
    """

    calibration: Calibration
    generations: tuple[int, ...]
    single: Array
    cohort: Array


def forecast(series: Series, generations: Sequence[int], seed: int = SEED) -> Forecast:
    """Forecast later generations from all that is in the series. Raises InputError as `calibrate` does."""
    rng = np.random.default_rng(seed)
    found = calibrate(series, rng)
    chain, paths = _followed(series, found, rng), []
    while chain.t < max(generations):
        chain.step()
        if chain.t in generations:
            read = np.exp(np.sqrt(found.drift.reading) * rng.standard_normal(chain.shape) - found.level)
            paths.append(series.told(chain.ratio * read))
    single = np.array(paths)
    return Forecast(found, tuple(sorted(generations)), single, series.over(single))


def _followed(series: Series, found: Calibration, rng: np.random.Generator) -> Chain:
    """Particles of every chain at the last measured generation, what is hidden by likelihood."""
    unit = np.exp(found.level)
    read = np.exp(np.sqrt(found.drift.reading) * rng.standard_normal((series.readings.shape[1], PARTICLES)))
    chain = Chain(series.setup, found.drift, series.variance[0][:, None] * unit * read, rng)
    for observed in _observations(series):
        density = chain.step(None if observed is None else observed[:, None] * unit)
        if density is not None:
            chain.chosen(_resampled(density, rng), unit)
    return chain


def _resampled(density: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of particles by their likelihood, evenly spaced (systematic): (chains, particles)."""
    chains, particles = density.shape
    edges = np.cumsum(np.exp(density - density.max(axis=1, keepdims=True)), axis=1)
    points = (np.arange(particles) + rng.random((chains, 1))) / particles * edges[:, -1:]
    index = np.stack([np.searchsorted(e, p) for e, p in zip(edges, points, strict=True)])
    return np.asarray(np.minimum(index, particles - 1))
