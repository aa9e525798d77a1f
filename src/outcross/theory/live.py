"""The live check: what theory predicts of the chains of a run, beside what they did, with a z-score for each.

A prediction is of an *innovation*: what a quantity did since the last record, beyond what was to be expected given that
record. Innovations of different records are uncorrelated, so each is a test of its own, and a fault in any generation
shows at the next record. z is the innovation's mean over chains against the oracle, in standard errors: the oracle's
own where it gives one, else those of the chains (through Student's t, so that few chains are not taken for many).
Theory counts fits from 1: generation t is fit g = t + 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
FALSE_ALARMS = 0.001  # chance that a sound run leaves the band anywhere
_POWER = float(stats.norm.ppf(0.8))
FEW = 8  # chains below which their own spread is no standard error
_ROUNDING = 1e-9  # a spread that is less, relative to the level, is rounding
HEAVY = 4.0  # kurtosis beyond which a mean square rests on few chains
_LEAST = 0.5  # degrees of freedom: with fewer yet, nothing is ever far off
_MANY, _EVEN = 32, 12.0  # chains, and degrees of freedom, below which what is left of skewness adds up over records
_SURE = 700.0  # a log probability that is still a number


class Prediction(NamedTuple):
    """One innovation: its mean over chains, what theory predicts, the standard error, and z.

    bias: the relative bias of every fit since the last record that would have shown, with a power of 80 %; infinite
    where the quantity is not one that a biased fit moves in proportion.
    """

    oracle: str
    quantity: str
    generation: int
    observed: float
    predicted: float
    error: float
    z: float
    bias: float = math.inf


class Level(NamedTuple):
    """The mean over chains of a quantity at a record, where theory expects it, and the standard error."""

    generation: int
    observed: float
    predicted: float
    error: float


class Check(NamedTuple):
    """Every prediction of one cell, and the levels that pictures show, by quantity."""

    predictions: list[Prediction]
    levels: dict[str, list[Level]]


class Records(NamedTuple):
    """One quantity of all chains (R, T) at recorded generations (T,): up to the first where a chain has no number."""

    generations: list[int]
    values: Array

    @classmethod
    def whole(cls, generations: Sequence[int], values: Array) -> Records:
        """The records at which every chain has a number, up to the first where one has none."""
        there = np.asarray(np.isfinite(values).all(axis=0))
        count = len(there) if there.all() else int(np.argmin(there))
        return cls(list(generations[:count]), values[:, :count])

    def steps(self, start: float | None) -> Iterator[tuple[int, int, Array, Array]]:
        """Generations a and b of neighbouring records, values at both; a = -1, before the first fit, has `start`."""
        if start is not None and self.generations and self.generations[0] == 0:
            yield -1, 0, np.full(len(self.values), start), self.values[:, 0]
        for i in range(1, len(self.generations)):
            yield self.generations[i - 1], self.generations[i], self.values[:, i - 1], self.values[:, i]


def threshold(predictions: int) -> float:
    """The largest |z| that chance explains among so many predictions (Bonferroni, FALSE_ALARMS)."""
    return float(stats.norm.isf(FALSE_ALARMS / (2 * max(predictions, 1))))


def pooled(found: Sequence[Prediction]) -> list[Prediction]:
    """All innovations of a quantity as one prediction: the relative bias of a fit that they show together, which is 0.

    Each is weighted by what a bias does to it, in its standard errors: so it sees a bias too small for any one record.
    """
    sure = (threshold(1) + _POWER) / np.array([p.bias for p in found])
    whole = float((sure**2).sum())
    if len(found) < 2 or not whole > 0.0:
        return []
    bias, error, last = float(sure @ [p.z for p in found]) / whole, whole**-0.5, found[-1]
    return [
        Prediction(
            last.oracle,
            f"bias of {last.quantity} a fit",
            last.generation,
            bias,
            0.0,
            error,
            bias / error,
            _seen(error, 1.0),
        )
    ]


Stretch = Callable[[int, int], float]  # a number for the fits of generations a + 1 .. b; a = -1 begins at the first


def logs(oracle: str, quantity: str, at: Records, mean: Stretch, variance: Stretch, unit: float = 1.0) -> Check:
    """Predictions of a quantity to which every fit adds an independent term, with the mean and variance of their sums.

    unit: what a relative bias of one in a fit adds. The levels are the sums from the first fit on.
    """
    found, n = [], len(at.values)
    for a, b, before, now in at.steps(0.0):
        observed, predicted = float((now - before).mean()), mean(a, b)
        error = math.sqrt(variance(a, b) / n)
        z = (observed - predicted) / error
        found.append(Prediction(oracle, quantity, b, observed, predicted, error, z, _seen(error, unit * (b - a))))
    observed_means = at.values.mean(axis=0)
    shown = [
        Level(t, float(m), mean(-1, t), math.sqrt(variance(-1, t) / n))
        for t, m in zip(at.generations, observed_means, strict=True)
    ]
    return Check(found + pooled(found), {quantity: shown})


def spreads(oracle: str, quantity: str, at: Records, variance: Stretch, fourth: Stretch) -> list[Prediction]:
    """Predictions of how innovations vary between chains: sums of independent terms, with their fourth cumulant.

    Draws used twice keep every mean and show here.
    """
    n = len(at.values)
    if n < 2 * FEW:
        return []
    found = []
    for a, b, before, now in at.steps(0.0):
        predicted = variance(a, b)
        observed = float((now - before).var(ddof=1))
        error = math.sqrt(fourth(a, b) / n + 2.0 * predicted**2 / (n - 1))
        found.append(
            Prediction(oracle, quantity, b, observed, predicted, error, _gamma_score(observed, predicted, error))
        )
    return found


def levels(
    oracle: str,
    quantity: str,
    at: Records,
    expected: Callable[[int], float],
    start: float | None,
    carry: Stretch,
    noise: Stretch | None = None,
    martingale: bool = True,
) -> Check:
    """Predictions of x_b - carry(a, b) x_a, whose expectation is that of the two levels.

    expected: the level at a generation. start: the level before the first fit, None where nothing is known of it.
    carry: what of a deviation at a is left at b. noise: variance of x_b / x_a given x_a; without it the errors are
    those of the chains. martingale: whether nothing that is not recorded moves several innovations alike, so that they
    can be pooled.
    """
    found, steps = [], list(at.steps(start))
    predicted = [expected(b) - carry(a, b) * (float(start or 0.0) if a < 0 else expected(a)) for a, b, _, _ in steps]
    innovations = [now - carry(a, b) * before - p for (a, b, before, now), p in zip(steps, predicted, strict=True)]
    heavy = _tails(innovations)
    for (a, b, before, _), innovation, mean in zip(steps, innovations, predicted, strict=True):
        level = abs(expected(b))
        if noise is None:
            score = _chains_score(innovation, level, heavy)
        else:
            score = _own_score(innovation, before, noise(a, b))
        if score is not None:
            z, error = score
            bias = _seen(error, level * _biased_fits(carry(a, b), b - a))
            found.append(Prediction(oracle, quantity, b, float(innovation.mean()) + mean, mean, error, z, bias))
    chains = len(at.values)
    even = noise is not None or (chains >= _MANY and _freedom(chains, heavy) >= _EVEN)
    return Check(found + (pooled(found) if martingale and even else []), {quantity: means(at, expected)})


def by_chains(oracle: str, quantity: str, innovations: Sequence[tuple[int, Array, float]]) -> list[Prediction]:
    """Predictions of mean 0, by the chains' own spread: (generation, innovation, the expectation it is beyond)."""
    heavy = _tails([i for _, i, _ in innovations])
    scores = [(b, i, beyond, _chains_score(i, beyond, heavy)) for b, i, beyond in innovations]
    return [
        Prediction(oracle, quantity, b, float(i.mean()) + beyond, beyond, score[1], score[0])
        for b, i, beyond, score in scores
        if score is not None
    ]


def _biased_fits(keep: float, fits: int) -> float:
    """How many fits' bias is seen at the end of a stretch at whose end `keep` of a deviation is left."""
    if keep >= 1.0:
        return float(fits)
    return (1.0 - keep) / (1.0 - keep ** (1.0 / fits)) if keep > 0.0 else 1.0


def means(at: Records, expected: Callable[[int], float]) -> list[Level]:
    """Levels whose errors are those of the chains."""
    n = len(at.values)
    error = at.values.std(axis=0, ddof=1) / math.sqrt(n) if n > 1 else np.full(len(at.generations), math.nan)
    observed = at.values.mean(axis=0)
    return [Level(t, float(m), expected(t), float(e)) for t, m, e in zip(at.generations, observed, error, strict=True)]


def squares(
    oracle: str, quantity: str, generation: int, innovation: Array, predicted: float, kurtosis: float = 3.0
) -> list[Prediction]:
    """A prediction of the mean square of an innovation of mean 0; none where too few chains would carry it."""
    n = len(innovation)
    if kurtosis > HEAVY:
        return []
    error = predicted * math.sqrt((kurtosis - 1.0) / n)
    observed = float((innovation**2).mean())
    z = _gamma_score(observed, predicted, error)
    return [Prediction(oracle, quantity, generation, observed, predicted, error, z)]


def _own_score(innovation: Array, before: Array, noise: float) -> tuple[float, float] | None:
    error = math.sqrt(float((before**2).sum()) * noise) / len(innovation)
    return (float(innovation.mean()) / error, error) if error > 0.0 else None


def _kurtosis(innovation: Array) -> float:
    """Kurtosis without the bias of few chains; 3 where it has no number."""
    found = float(stats.kurtosis(innovation, bias=False)) if len(innovation) > 3 and np.ptp(innovation) > 0.0 else 0.0
    return found + 3.0


def _tails(innovations: Sequence[Array]) -> float:
    """Kurtosis over all records."""
    return float(np.mean([_kurtosis(i) for i in innovations])) if innovations else 0.0


def _freedom(chains: int, kurtosis: float) -> float:
    """Degrees of freedom of the chains' own spread."""
    return max(2.0 * chains / (max(kurtosis, 3.0) - 1.0) - 1.0, _LEAST)


def _chains_score(innovation: Array, level: float, heavy: float) -> tuple[float, float] | None:
    """Z of a mean of 0 by the chains' own spread, through Student's t; None without a spread.

    Skewed chains would bias t: its skewness is taken out by Hall's cubic transformation (Hall 1992, J. R. Stat. Soc. B
    54, 221-228). Heavy tails make the spread itself uncertain: it has the degrees of freedom that the kurtosis leaves
    (Satterthwaite 1946, Biometrics Bull. 2, 110-114), by this record or by all (`heavy`), whichever is fewer.
    """
    n = len(innovation)
    if n < FEW or not innovation.std() > _ROUNDING * level:
        return None
    error = float(innovation.std(ddof=1)) / math.sqrt(n)
    t, skew = float(innovation.mean()) / error, float(stats.skew(innovation)) / (3.0 * math.sqrt(n))
    t += skew * t**2 + skew**2 * t**3 / 3.0 + skew / 2.0
    freedom = _freedom(n, max(_kurtosis(innovation), heavy))
    return math.copysign(_score(float(stats.t.logsf(abs(t), freedom))), t), error


def _gamma_score(observed: float, predicted: float, error: float) -> float:
    """Z of a mean square, by the gamma law of the same mean and variance: a few squares are skewed."""
    shape = (predicted / error) ** 2
    law = stats.gamma(shape, scale=predicted / shape)
    above, below = float(law.logsf(observed)), float(law.logcdf(observed))
    return _score(above) if above < below else -_score(below)


def _score(log_tail: float) -> float:
    """The normal deviate with this tail."""
    return float(stats.norm.isf(math.exp(max(log_tail, -_SURE))))


def _seen(error: float, effect: float) -> float:
    """Relative bias that would be noticed, where a bias of one moves the mean by `effect`."""
    return (threshold(1) + _POWER) * error / effect if effect > 0.0 else math.inf


def joined(parts: Sequence[Check], more: Sequence[Prediction] = ()) -> Check | None:
    """Several checks of one cell as one. None without a prediction."""
    found = [p for part in parts for p in part.predictions] + list(more)
    return Check(found, {name: shown for part in parts for name, shown in part.levels.items()}) if found else None


Observed = Mapping[str, Records]
