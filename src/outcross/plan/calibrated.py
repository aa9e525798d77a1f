"""A chain calibrated on measured generations, and carried forward: forecasts with intervals.

Readings are ratios to what models of real rows read (perplexity: the inverse of its rise; tails: the variance of a
Gaussian with such a tail). From the generations that were measured come, over all chains, the noise of a generation and
its bias (`effective.Drift`), by least squares on the innovations of the expected chain. Whether there is a bias at all
beyond what theory has for n rows is weighed by the Bayesian information criterion (Schwarz 1978). Forecasts are
simulations of that chain from where each measured one stands, over what noise and bias may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.errors import require
from outcross.plan.effective import Array, Chain, Drift, Setup

Middle = Literal["mean", "median"]
PARTICLES, MOST_CHAINS, SEED = 400, 32, 0
_QUIET = 512  # particles of all chains together whose means are averaged over
FADE, FADE_SD = 0.5, 0.5  # of the bias as the ratio changes, before anything is measured
BEND = 0.15  # sd of the logarithm of how much a later bias differs from the measured one
_NOISIEST = 4.0  # relative variance that is followed
_DIFFERENT = 1e-4  # steps of a numerical derivative


@dataclass(frozen=True)
class Series:
    """Readings of one quantity in one cell: generations (records,) from 0, ratios (records, chains), NaN for none.

    base: how many fits to real rows the unit of the ratios rests on. middle: over which chains a loss is. theory:
    whether the mean chain is known where nothing is biased (variance and what obeys its recursion).
    """

    setup: Setup
    generations: tuple[int, ...]
    ratios: Array
    base: int
    middle: Middle = "mean"
    theory: bool = True

    def until(self, generation: int) -> Series:
        """What was measured by then, of the chains that have a number there: at most MOST_CHAINS of them."""
        last = self.generations.index(generation)
        there = np.flatnonzero(np.isfinite(self.ratios[[0, last]]).all(axis=0))[:MOST_CHAINS]
        return Series(
            self.setup,
            self.generations[: last + 1],
            self.ratios[: last + 1, there],
            self.base,
            self.middle,
            self.theory,
        )


class Fit(NamedTuple):
    """Least squares: bias and fade, their covariance in units of the noise, sum of squares, innovations, noise."""

    bias: float
    fade: float
    covariance: Array
    squares: float
    count: int

    @property
    def score(self) -> float:
        """Twice the log likelihood, at its best noise."""
        return -self.count * float(np.log(self.squares / self.count))


class Calibration(NamedTuple):
    """What noise and bias may be: draws (PARTICLES,), and how likely it is that there is a bias."""

    drift: Drift
    biased: float
    innovations: int
    level: Array  # of the unit: log of what models of real rows read, over the one in use


def calibrate(series: Series, rng: np.random.Generator) -> Calibration:
    """Noise and bias of a generation. Raises InputError for fewer than two generations after 0, or a chain that runs off."""
    n, chains = series.setup.samples.at(0), series.ratios.shape[1]
    require(chains > 0, "no chain has numbers at the last generation that is to be learned from")
    require(len(series.generations) > 2, "a calibration takes two generations after 0 or more")
    plain = _fit(series, biased=False)
    free = _fit(series, biased=True)
    odds = 0.5 * (free.score - plain.score - np.log(max(free.count, 2)))
    weight = 1.0 if not series.theory else float(1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0))))
    pick = rng.random(PARTICLES) < weight
    fit_noise = [_noise(f, n, series.setup.learned, rng) for f in (plain, free)]
    noise = np.where(pick, fit_noise[1], fit_noise[0])
    off = rng.standard_normal((PARTICLES, 2)) @ np.linalg.cholesky(free.covariance).T * np.sqrt(noise)[:, None]
    bent = np.exp(BEND * rng.standard_normal(PARTICLES))
    bias = np.where(pick, (free.bias + off[:, 0]) * bent, 0.0)
    fade = np.where(pick, free.fade + off[:, 1], 0.0)
    level = np.sqrt(noise / max(series.base, 1)) * rng.standard_normal(PARTICLES)
    return Calibration(Drift(noise, bias, fade), weight, free.count, level)


def _noise(fit: Fit, n: int, learned: bool, rng: np.random.Generator) -> Array:
    """Draws of the noise: scaled inverse chi-squared; where rows are the chance, with theirs as two more innovations."""
    prior = 0 if learned else 2
    freedom = max(fit.count - 1, 1) + prior
    return np.minimum((fit.squares + prior * 2.0 / n) / rng.chisquare(freedom, PARTICLES), _NOISIEST)


def _fit(series: Series, biased: bool) -> Fit:
    """Bias and fade by least squares, the noise by turns with them."""
    from scipy.optimize import least_squares

    noise = 2.0 / series.setup.samples.at(0)
    best = np.array([0.0, FADE])
    for _ in range(3 if biased else 1):

        def scaled(theta: Array) -> Array:
            innovations = _innovations(series, float(theta[0]), float(theta[1]), noise)
            prior = (theta[1] - FADE) / FADE_SD
            return np.append(innovations / np.sqrt(noise), prior)

        if biased:
            found = least_squares(scaled, best, diff_step=_DIFFERENT, x_scale=[0.01, 1.0], bounds=([-3, -1], [3, 3]))
            best = found.x
        squares = _innovations(series, *best, noise)
        noise = max(float(np.mean(squares**2)), 1e-12)
    if not biased:
        for _ in range(2):
            squares = _innovations(series, 0.0, 0.0, noise)
            noise = max(float(np.mean(squares**2)), 1e-12)
        return Fit(0.0, 0.0, np.eye(2) * 1e-12, float(np.sum(squares**2)), len(squares))
    information = found.jac.T @ found.jac
    covariance = np.linalg.inv(information + 1e-9 * np.eye(2)) / noise
    return Fit(*best, covariance, float(np.sum(squares**2)), len(squares))


def _innovations(series: Series, bias: float, fade: float, noise: float) -> Array:
    """How far each reading is off the expected chain that has all earlier ones, over the root of its noise's multiple."""
    drift, chains = Drift(*map(np.asarray, (noise, bias, fade))), series.ratios.shape[1]
    first = np.repeat(series.ratios[0][:, None], max(_QUIET // chains, 16), axis=1)
    chain = Chain(series.setup, drift, first, np.random.default_rng(SEED), quiet=True)
    chain.spread = np.zeros(chain.shape)
    found = []
    for observed in _observations(series):
        chain.step()
        if observed is None:
            continue
        spread = chain.spread[:, 0] / noise
        off = chain.off(observed[:, None]) + 0.5 * spread * noise
        found.append((off / np.sqrt(spread))[np.isfinite(off)])
    return np.concatenate(found)


def _observations(series: Series) -> Any:
    """For every generation after 0: the ratios (chains,), or None where nothing was recorded."""
    at = {g: row for g, row in zip(series.generations, series.ratios, strict=True)}
    return (at.get(g) for g in range(1, series.generations[-1] + 1))


class Forecast(NamedTuple):
    """Ratios to come: by generation, chains one by one (generations, chains, particles), and over chains (generations,
    particles).
    """

    generations: tuple[int, ...]
    single: Array
    cohort: Array


def forecast(series: Series, generations: Sequence[int], seed: int = SEED) -> tuple[Calibration, Forecast]:
    """Forecast later generations from all that is in the series."""
    rng = np.random.default_rng(seed)
    found = calibrate(series, rng)
    chain = _followed(series, found, rng)
    wanted, paths = sorted(generations), []
    while chain.t < wanted[-1]:
        chain.step()
        if chain.t in wanted:
            paths.append(chain.ratio * np.exp(-found.level))
    single = np.array(paths)
    over = np.mean if series.middle == "mean" else np.median
    return found, Forecast(tuple(wanted), single, np.asarray(over(single, axis=1)))


def _followed(series: Series, found: Calibration, rng: np.random.Generator) -> Chain:
    """Particles of every chain at the last measured generation, what is hidden by likelihood."""
    unit = np.exp(found.level)
    chain = Chain(series.setup, found.drift, series.ratios[0][:, None] * unit, rng)
    for observed in _observations(series):
        if observed is None:
            chain.step()
            continue
        density = chain.step(observed[:, None] * unit)
        chain.chosen(_resampled(density, rng), unit)
    return chain


def _resampled(density: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of particles by their likelihood, evenly spaced (systematic): (chains, particles)."""
    weights = np.exp(density - density.max(axis=1, keepdims=True))
    edges = np.cumsum(weights, axis=1)
    edges /= edges[:, -1:]
    chains, particles = density.shape
    points = (np.arange(particles) + rng.random((chains, 1))) / particles
    index = np.stack([np.searchsorted(e, p) for e, p in zip(edges, points, strict=True)])
    return np.minimum(index, particles - 1)
