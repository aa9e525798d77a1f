"""Back-test: forecasts from the first generations of what was measured, beside what came.

Forecasts of one run are dependent: coverage is over all of them, its interval across runs. A loss that never came by
the last generation is a censored time, not a missing one: an interval that reaches beyond that generation holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.errors import require
from outcross.core.stats import Interval, ratio_interval
from outcross.plan.calibrated import Forecast, Series, forecast

Array = NDArray[np.float64]
LEVELS = (0.8, 0.95)
ORIGINS = (2, 5, 10, 20, 50)  # last generations that a forecast has, where they were recorded
AHEAD = (1.5, 2.0, 4.0, 10.0)  # generations that are forecast, as multiples of the origin


class Tried(NamedTuple):
    """Forecast readings beside what came, of a cohort (one value) or of its chains one by one.

    low, high: (levels, values). naive: the last slope carried on; scale: its error's, up to a factor.
    """

    came: Array
    low: Array
    high: Array
    naive: Array
    scale: Array

    @property
    def held(self) -> NDArray[np.bool_]:
        """Whether each interval held what came: (levels, values)."""
        return (self.low <= self.came) & (self.came <= self.high)

    @property
    def score(self) -> Array:
        """Interval score at each level (Gneiting and Raftery 2007): (levels, values)."""
        return _score(self.came, self.low, self.high)


class Case(NamedTuple):
    """One forecast: of one cell of a run, from an origin to a generation. times: interval and outcome of the time until
    the loss, in chains that had not lost as much by the origin, infinite for never.
    """

    run: str
    family: str
    policy: str
    measure: str
    origin: int
    generation: int
    cohort: Tried
    single: Tried
    times: Tried | None


class Coverage(NamedTuple):
    """How often intervals held what came: over a group of forecasts, with its interval across runs, at each level."""

    group: str
    forecasts: int
    runs: int
    cohort: list[Interval]
    single: list[Interval]
    times: list[Interval]
    score: float  # mean interval score over that of the naive forecast, at the last level: of cohorts
    score_single: float


def cases(series: Series, run: str, family: str, policy: str, measure: str, tolerance: float) -> Iterator[Case]:
    """Every forecast of a series that the recorded generations allow."""
    last = series.generations[-1]
    for origin in (g for g in ORIGINS if g in series.generations[2:] and 1.5 * g <= last):
        wanted = _ahead(series.generations, origin)
        chains = series.followed(origin)
        if not wanted or not len(chains):
            continue
        past = series.until(origin)
        later = [g for g in series.generations if origin < g <= max(wanted)]
        found = forecast(past, later)
        times = _times(series, chains, past, found, tolerance)
        for generation in wanted:
            came = series.readings[series.generations.index(generation), chains]
            if np.isfinite(came).all():  # a chain that ended has no reading; what is over chains then has none either
                i = later.index(generation)
                cohort = _tried(past, found.cohort[i][None], _over(past, came[:, None]), generation)
                single = _tried(past, found.single[i], came, generation)
                first = times if generation == wanted[-1] else None
                yield Case(run, family, policy, measure, origin, generation, cohort, single, first)


def _ahead(recorded: Sequence[int], origin: int) -> list[int]:
    """Recorded generations nearest to the multiples of an origin."""
    near = {min(recorded, key=lambda g: abs(g - m * origin)) for m in AHEAD if m * origin <= recorded[-1]}
    return sorted(g for g in near if g > origin)


def _over(series: Series, values: Array) -> Array:
    return np.atleast_1d(series.over(values))


def _tried(past: Series, drawn: Array, came: Array, generation: int) -> Tried:
    """A forecast (values, particles) beside what came (values,), and the last slope of the same values."""
    sides = np.array([[0.5 - level / 2.0, 0.5 + level / 2.0] for level in LEVELS])
    low, high = (np.quantile(drawn, sides[:, i], axis=1) for i in (0, 1))
    read = past.readings if len(came) > 1 or past.readings.shape[1] == 1 else past.over(past.readings[..., None])
    read = read.reshape(len(past.generations), len(came))
    steps = np.diff(past.generations)
    slope = (read[-1] - read[-2]) / steps[-1]
    ahead = generation - past.generations[-1]
    spread = np.sqrt(np.nanmean(np.diff(read, axis=0) ** 2 / steps[:, None]))
    scale = spread * np.sqrt(ahead * (1.0 + ahead / steps[-1])) * np.ones(len(came))
    return Tried(came, low, high, np.maximum(read[-1] + slope * ahead, 0.0), scale)


def _times(series: Series, chains: Any, past: Series, found: Forecast, tolerance: float) -> Tried | None:
    """Generations until a single chain first loses the tolerance, in recorded ones; None where all have lost it."""
    lasting = np.nanmax(series.loss(past.readings), axis=0) <= tolerance
    if not lasting.any():
        return None
    at = [series.generations.index(g) for g in found.generations]
    grid = np.append(np.array(found.generations, dtype=np.float64), np.inf)
    with np.errstate(invalid="ignore"):
        came = grid[_first(series.loss(series.readings[np.ix_(at, chains)]) > tolerance)][lasting]
    drawn = grid[_first(series.loss(found.single) > tolerance)][lasting]
    sides = [(0.5 - level / 2.0, 0.5 + level / 2.0) for level in LEVELS]
    low, high = (np.array([np.quantile(drawn, s[i], axis=1, method="nearest") for s in sides]) for i in (0, 1))
    nothing = np.full(len(came), np.nan)
    return Tried(came, low, high, nothing, nothing)


def _first(lost: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The first generation (first axis) at which it is lost; one past the last for never."""
    return np.where(lost.any(axis=0), lost.argmax(axis=0), len(lost))


def coverage(found: Sequence[Case], group: str) -> Coverage:
    """Coverage of a group of forecasts. Raises InputError where there is none."""
    require(bool(found), "no run has generations enough to forecast some from others")
    runs = sorted({c.run for c in found})
    timed = [c for c in found if c.times is not None]
    return Coverage(
        group,
        len(found),
        len(runs),
        _by_run(found, runs, lambda c: c.cohort),
        _by_run(found, runs, lambda c: c.single),
        _by_run(timed, runs, lambda c: c.times),
        _against_naive([c.cohort for c in found]),
        _against_naive([c.single for c in found]),
    )


def _by_run(found: Sequence[Case], runs: Sequence[str], of: Callable[[Case], Any]) -> list[Interval]:
    """Share that was held at each level, its interval across runs; a forecast counts as one, whatever its chains."""
    counts = np.array([sum(c.run == r for c in found) for r in runs])
    told = []
    for level in range(len(LEVELS)):
        held = np.array([sum(float(np.mean(of(c).held[level])) for c in found if c.run == r) for r in runs])
        there = counts > 0
        told.append(ratio_interval(held[there], counts[there]) if there.any() else Interval(np.nan, np.nan, np.nan))
    return told


def _against_naive(found: Sequence[Tried]) -> float:
    """Mean interval score over that of the naive forecast, widened or narrowed until it holds as often."""
    level = len(LEVELS) - 1
    came, naive, scale = (np.concatenate([getattr(t, name) for t in found]) for name in ("came", "naive", "scale"))
    held = np.concatenate([t.held[level] for t in found])
    factor = float(np.quantile(np.abs(came - naive) / np.maximum(scale, 1e-12), held.mean()))
    low, high = np.maximum(naive - factor * scale, 0.0), naive + factor * scale
    theirs = _score(came, *(np.repeat(side[None], len(LEVELS), axis=0) for side in (low, high)))[level]
    return float(np.mean(np.concatenate([t.score[level] for t in found])) / np.mean(theirs))


def _score(came: Array, low: Array, high: Array) -> Array:
    """Width, and how far outside what came lies, at the rate of the level: (levels, values)."""
    rate = 2.0 / (1.0 - np.array(LEVELS))[:, None]
    return np.asarray(high - low + rate * (np.maximum(low - came, 0.0) + np.maximum(came - high, 0.0)))
