"""Chains of one Gaussian whose rows pass a stage that theory knows: what to predict of them, beside what they did."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.theory import gaussian, live, poisoning
from outcross.theory.live import Check, Observed, Records
from outcross.theory.special import geometric

Array = NDArray[np.float64]
LOG = "log variance"


class Cut(NamedTuple):
    """So many rows of each set after the first are left out: those of the first column's highest values, or lowest."""

    rows: int
    top: bool = True


class Outliers(NamedTuple):
    """So many rows of each set after the first lie at mean + distance sd of the model before, in the first column."""

    rows: int
    distance: float


Staged = Cut | Outliers


def cut(stage: Cut, n: int, estimator: str, at: Observed) -> Check | None:
    """P5: the log variance gains an independent term a fit, and the mean moves by its share of the sd.

    The first fit, on real rows, is clean (G4).
    """
    law = poisoning.trimmed_fit(n, stage.rows, estimator)
    sign = 1.0 if stage.top else -1.0

    def mean(a: int, b: int) -> float:
        clean = gaussian.mean_log_variance(n, 1, estimator) if a < 0 else 0.0
        return clean + (b - max(a, 0)) * law.log_mean

    def variance(a: int, b: int) -> float:
        clean = gaussian.variance_of_log_variance(n, 1) if a < 0 else 0.0
        return clean + (b - max(a, 0)) * law.log_variance

    def moved(a: int, b: int) -> float:
        """Expected move of the mean from generation a to b, in sd of the model at a."""
        return sign * law.shift * geometric(law.root, b - a) if a >= 0 else 0.0

    first = float(np.exp(mean(-1, 0) / 2.0 + variance(-1, 0) / 8.0))  # expected sd of generation 0
    chief = live.logs("P5", LOG, _logs(at["first_variance"]), mean, variance)
    shifts = live.by_chains("P5", "first_mean", [
        (b, (now - before) / sd - moved(a, b), moved(a, b)) for a, b, before, now, sd in _moves(at)
    ])  # fmt: skip
    levels = {"first_mean": live.means(at["first_mean"], lambda t: first * moved(0, t))}
    return live.joined([chief, Check([], levels)], shifts)


def poisoned(stage: Outliers, n: int, real: int, estimator: str, at: Observed) -> Check | None:
    """P2, and P3 without real rows: the next fit given the one before, where records are neighbours.

    Exact for any number of rows, and above the critical share too. From one record to one further on nothing is
    predicted: the map there holds for infinitely many rows alone.
    """
    oracle = "P2" if real else "P3"
    means, variances = [], []
    steps = zip(at["first_mean"].steps(None), at["first_variance"].steps(None), strict=False)
    for (a, b, m, mean), (_, _, v, variance) in steps:
        if b == a + 1:
            past, sd = poisoning.Moments(m, v), np.sqrt(v)
            due = poisoning.poisoned_fit(n, real, stage.rows, stage.distance, past, estimator)
            means.append((b, (mean - due.mean) / sd, float(((due.mean - m) / sd).mean())))
            variances.append((b, variance / due.variance - 1.0, 1.0))
    found = live.by_chains(oracle, "first_variance over that due", variances)
    found += live.by_chains(oracle, "step of first_mean", means)
    return live.joined([Check([], _mapped(stage, n, real, at["first_variance"]))], found)


def _mapped(stage: Outliers, n: int, real: int, at: Records) -> dict[str, list[live.Level]]:
    """Levels of the variance by the map, to look at; none where it runs away."""
    alpha, eps = real / n, stage.rows / n
    if not real or eps >= poisoning.critical_rate(alpha, stage.distance):
        return {}

    @cache
    def expected(t: int) -> float:
        return float(poisoning.population(alpha, eps, stage.distance, t + 1).variance)

    return {"first_variance": live.means(at, expected)}


def _logs(at: Records) -> Records:
    """Logarithms of a quantity, up to the first record at which a chain has none left."""
    with np.errstate(divide="ignore"):
        return Records.whole(at.generations, np.log(at.values))


def _moves(at: Observed) -> list[tuple[int, int, Array, Array, Array]]:
    """Generations a and b of neighbouring records, the mean at both, and the sd at a."""
    sd = np.sqrt(at["first_variance"].values)
    steps = enumerate(at["first_mean"].steps(0.0))
    return [(a, b, before, now, sd[:, i - 1] if i else np.ones(len(now))) for i, (a, b, before, now) in steps]
