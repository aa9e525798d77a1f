"""A plan calibrated on measured generations: what is to come under the policy in use, and what another would do.

Every answer is simulated by the chain that `calibrated` fits, over what noise and bias may be, so that each has its
range. What is over chains is expected, or of the median chain; a single chain goes on from where each one stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, inf, isfinite
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from outcross.core import policies
from outcross.core.contracts import Policy
from outcross.core.errors import require
from outcross.core.stats import Interval
from outcross.plan.calibrated import PARTICLES, SEED, Forecast, Series, forecast
from outcross.plan.chain import Anchor
from outcross.plan.effective import Array, Chain, Drift, Setup
from outcross.plan.safe import Answer, share, weights

Verdict = Literal["kept", "lost", "inconclusive"]
LONGEST = 2000  # generations that are carried forward
AGAIN = 20  # generations that are looked at unless told, or twice as many as were measured
_MEANS, _MEDIANS = 8, 32  # chains of each draw of noise and bias, where a loss is a mean and where it is a median
_SHARES, _POINTS = 48, 16  # real shares that are tried, and that are told
_FURTHER = 10_000  # generations that are worth waiting for


class Point(NamedTuple):
    """A point of the trade-off: real rows of every set, their share, and the loss over chains with its range."""

    real: int
    share: float
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class Outlook:
    """A calibrated plan: answers, the trade-off, and whether the policy in use keeps the loss within the tolerance.

    what: what is lost, for people. generations: by when, counted as the series counts them.
    """

    series: Series
    what: str
    tolerance: float
    generations: int
    anchor: Anchor = "redrawn"

    def __post_init__(self) -> None:
        last = self.series.generations[-1]
        require(0.0 < self.tolerance < 1.0, f"tolerance is a loss between 0 and 1, got {self.tolerance:g}")
        require(self.anchor in get_args(Anchor), f"anchor is one of fresh, fixed, redrawn, got {self.anchor!r}")
        within = last < self.generations <= LONGEST
        require(
            within,
            f"generations is {last + 1:,} (the last measured is {last:,}) to {LONGEST:,}, got {self.generations:,}",
        )

    @cached_property
    def ahead(self) -> Forecast:
        """Every chain from where it stands, generation by generation."""
        last = self.series.generations[-1]
        return forecast(self.series.until(last), range(last + 1, self.generations + 1))

    def losses(self, policy: Policy | None = None, rows: float = 1.0, unbiased: bool = False) -> Array:
        """Loss over chains by then, run anew from generation 0: one for each draw of noise and bias (PARTICLES,).

        policy: the one in use by default. rows: as many times the samples. unbiased: with a sampler that has no bias.
        """
        setup, drift = self.series.setup, self.ahead.calibration.drift
        samples = replace(setup.samples, start=round(rows * setup.samples.start))
        setup = Setup(policy or setup.policy, samples, setup.items)
        drift = Drift(drift.noise / rows, drift.bias * (not unbiased), drift.fade, drift.reading)
        expected = self.series.middle == "mean"
        begun = np.full((_MEANS if expected else _MEDIANS, PARTICLES), self.series.kept)
        chain = Chain(setup, drift, begun, np.random.default_rng(SEED + 1), quiet=expected)
        for _ in range(self.generations):
            chain.step()
        return self.series.loss(self.series.over(self.series.told(chain.ratio)))

    def loss(self, policy: Policy | None = None, rows: float = 1.0, unbiased: bool = False) -> Interval:
        """The same as a median with the range of 95 in 100 draws."""
        return _range(self.losses(policy, rows, unbiased))

    @cached_property
    def shares(self) -> list[int]:
        """Real rows of a set that are tried: none, then evenly on a log scale to all."""
        rows = self.series.setup.samples.at(0)
        return [0, *sorted({round(rows ** (k / (_SHARES - 1))) for k in range(_SHARES)})]

    def smallest(self, anchor: Anchor) -> Interval:
        """The smallest share that keeps the loss within the tolerance, infinite where none does."""
        found = {0: self.loss(policies.replace())}

        def lost(real: int) -> Interval:
            if real not in found:
                found[real] = self.loss(policies.mix(real / self.series.setup.samples.at(0), anchor))
            return found[real]

        value, low, high = (self._fewest(lost, side) for side in range(3))
        return Interval(value, low, high)

    def _fewest(self, lost: Any, side: int) -> float:
        """The first of the shares with which that side of the loss is tolerated."""
        low, high = -1, len(self.shares) - 1  # more real rows never lose more, but for chance
        if lost(self.shares[high])[side] > self.tolerance:
            return inf
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if lost(self.shares[middle])[side] <= self.tolerance else (middle, high)
        return self.shares[high] / self.series.setup.samples.at(0)

    @cached_property
    def used(self) -> Interval:
        """Loss over chains of the policy in use."""
        return self.loss()

    @property
    def verdict(self) -> Verdict:
        """Whether the policy in use keeps the loss within the tolerance: by the whole range, or it cannot be told."""
        if self.used.low > self.tolerance:
            return "lost"
        return "kept" if self.used.high <= self.tolerance else "inconclusive"

    @property
    def further(self) -> float:
        """Generations more after which the range would leave out the tolerance, if it shrinks as their root."""
        gap = abs(self.used.value - self.tolerance)
        half = max(self.used.high - self.used.value, self.used.value - self.used.low)
        last = self.series.generations[-1]
        more = ceil(last * ((half / gap) ** 2 - 1.0)) if gap > half / 1e3 else inf
        return more if more <= _FURTHER else inf

    @cached_property
    def answers(self) -> list[Answer]:
        """Every answer with its range."""
        return [*self._measured(), *self._to_come(), *self._otherwise()]

    def _measured(self) -> list[Answer]:
        """Noise and bias of a generation."""
        found = self.ahead.calibration
        rest = f"least squares on {found.innovations:,} innovations"
        rows = _range(2.0 / found.drift.noise)
        answers = [Answer("effective_rows", "rows of a Gaussian column that are as noisy", *rows, "rows", rest)]
        bias = _range(np.expm1(found.drift.bias))
        question = "bias: what a generation does to the ratio besides chance"
        answers.append(Answer("bias", question, *bias, "share", f"{rest}; there is one at {100 * found.biased:.0f} %"))
        return answers

    def _to_come(self) -> list[Answer]:
        """The policy in use: what is lost, and when the tolerance is."""
        by, over = (
            f"generation {self.generations:,}",
            f"{self.series.middle} of these {len(self.ahead.single[0]):,} chains",
        )
        whose = {"cohort": (over, self.ahead.cohort), "one_chain": ("a single chain", self.ahead.single)}
        if len(self.ahead.single[0]) == 1:
            del whose["cohort"]
        used = f"loss by {by} as it is run, {self.series.middle} over many chains"
        answers = [Answer("loss", used, *self.used, "", "run anew")]
        for key, (who, paths) in whose.items():
            lost = _range(self.series.loss(paths[-1]))
            answers.append(Answer(f"loss_{key}", f"the same, {who}", *lost, "", "carried on"))
        for key, (who, paths) in whose.items():
            question = f"generation at which the tolerance is lost, {who}"
            answers.append(Answer(f"generations_{key}", question, *self._passed(paths), "generations", "carried on"))
        return answers

    def _passed(self, paths: Array) -> Interval:
        """Median and range of the first generation at which paths have lost the tolerance, infinite for none.

        paths: (generations ahead, chains, particles) of single chains, or (generations ahead, particles) over them.
        """
        read = self.series.readings[..., None]
        past = np.broadcast_to(read if paths.ndim == 3 else self.series.over(read), (len(read), *paths.shape[1:]))
        lost = self.series.loss(np.concatenate([past, paths])) > self.tolerance
        grid = np.array([*self.series.generations, *self.ahead.generations, np.inf])
        first = grid[np.where(lost.any(axis=0), lost.argmax(axis=0), len(lost))]
        return Interval(*map(float, np.quantile(first, [0.5, 0.025, 0.975], method="nearest")))

    def _otherwise(self) -> list[Answer]:
        """What other policies, more rows or a better sampler would do, run anew."""
        by, basis = f"by generation {self.generations:,}", "run anew"
        answers = [Answer("loss_without", f"loss {by} without real rows", *self.loss(policies.replace()), "", basis)]
        kept = inf
        for anchor in (self.anchor, *(a for a in get_args(Anchor) if a != self.anchor)):
            least = self.smallest(anchor)
            kept = min(kept, least.value) if anchor == self.anchor else kept
            key = "share" if anchor == self.anchor else f"share_{anchor}"
            question = f"smallest real share {by}, {anchor} rows"
            answers.append(Answer(key, question, *least, "share", f"{basis}; of {len(self.shares)} shares"))
        for key, made, what in (
            ("accumulate", policies.accumulate(), "if every row ever made is kept and fitted"),
            ("accumulate_subsample", policies.accumulate_subsample(), "if as many rows are drawn from all ever made"),
        ):
            answers.append(Answer(key, f"loss {by} {what}", *self.loss(made), "", basis))
        if not self.series.setup.learned:  # where chance is in training, rows are not known to lessen it
            answers.append(
                Answer("rows", f"loss {by} with ten times the rows, bias as it is", *self.loss(rows=10.0), "", basis)
            )
        answers.append(Answer("sampler", f"loss {by} without the bias", *self.loss(unbiased=True), "", basis))
        rows = self.series.setup.samples.at(0)
        return answers + weights(round(kept * rows) if isfinite(kept) else None, rows)

    @cached_property
    def curve(self) -> list[Point]:
        """The trade-off from no real rows to all."""
        rows = self.series.setup.samples.at(0)
        steps = sorted({self.shares[round(k * (len(self.shares) - 1) / (_POINTS - 1))] for k in range(_POINTS)})
        return [
            Point(real, real / rows, *self.loss(policies.mix(real / rows, self.anchor) if real else policies.replace()))
            for real in steps
        ]

    @property
    def sentence(self) -> str:
        """The answer in a line."""
        low, high = (share(v) for v in self.used[1:])
        told = f"By generation {self.generations:,} {self.what} is {share(self.used.value)} [{low}, {high}]"
        if self.verdict == "kept":
            return f"{told}: within the tolerance of {share(self.tolerance)}"
        if self.verdict == "lost":
            return f"{told}: more than the tolerance of {share(self.tolerance)}"
        more = (
            f"about {self.further:,.0f} more measured generations would"
            if isfinite(self.further)
            else "no number of generations in reach would"
        )
        return f"{told}: whether that is within {share(self.tolerance)} cannot be told yet; {more}"

    def json(self) -> dict[str, Any]:
        """The stable machine-readable form."""
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "further_generations": self.further if self.verdict == "inconclusive" and isfinite(self.further) else None,
            "setting": {
                "rows": self.series.setup.samples.at(0),
                "generations": self.generations,
                "measured": list(self.series.generations),
                "chains": int(self.series.readings.shape[1]),
                "anchor": self.anchor,
                "tolerance": self.tolerance,
            },
            "answers": [a.json() for a in self.answers],
            "curve": [p._asdict() for p in self.curve],
        }


def _range(values: Array) -> Interval:
    """Median and the range of 95 in 100 of all values."""
    value, low, high = np.quantile(values, [0.5, 0.025, 0.975])
    return Interval(float(value), float(low), float(high))
