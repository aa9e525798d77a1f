"""The collapse phase of a generation: decided per chain by effects against stated margins, never by significance.

late   generalised variance below its margin, or a distance to the truth beyond its margin: the Gaussian one (mean
       wandered, spread blown up) or the shape (modes dead or merged); late collapse is often, not always, less variance
early  the bulk intact, tail mass below its margin
Of categories the variance is the heterozygosity, the distance total variation, the tail what is left of the rare ones.
none   tails and bulk intact
inconclusive   an interval straddles a margin, or a number is missing

Effects are relative to the floor, what models fitted on real data read: a family that never fitted the truth, or a
small reference, is not collapse. Shumailov et al. 2024 define early and late collapse; LOG.md calibrates the margins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from outcross.core.contracts import Reading
from outcross.core.errors import require

Phase = Literal["none", "early", "late", "inconclusive"]
TAIL, VARIANCE, DISTANCE, SHAPE = "tail_99", "generalised_variance_ratio", "w2_gaussian", "shape_ks"
TAILS = (TAIL, "tail_95")  # the second where the reference is too small for the first


class Signs(NamedTuple):
    """The quantities that decide a phase, in words: tails (the first that has a number), variance, distances."""

    tails: Mapping[str, str]
    variance: Mapping[str, str]
    distances: Mapping[str, tuple[str, str]]  # with the name of their margin


NUMBERS = Signs(
    dict.fromkeys(TAILS, "tail mass"),
    {VARIANCE: "generalised variance"},
    {DISTANCE: ("distance", "distance"), SHAPE: ("shape", "shape")},
)
CATEGORIES = Signs(
    dict.fromkeys(("rare_kept_99", "rare_kept_95"), "rare mass left"),
    {"heterozygosity_ratio": "heterozygosity"},
    {"total_variation": ("total variation", "distance")},
)
RATIOS = {
    **dict.fromkeys([*NUMBERS.tails, *CATEGORIES.tails], "tail"),
    **dict.fromkeys([*NUMBERS.variance, *CATEGORIES.variance], "variance"),
}  # the name of the margin of each ratio
DISTANCES = {name: margin for signs in (NUMBERS, CATEGORIES) for name, (_, margin) in signs.distances.items()}


def signs(readings: Mapping[str, object]) -> Signs:
    """The quantities that decide, by which of them were measured."""
    return CATEGORIES if any(name in readings for name in CATEGORIES.variance) else NUMBERS


NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Margins:
    """tail, variance: the ratio below which a loss counts. distance: in standard deviations, or total variation of
    categories. shape: a probability.

    persistence: how many records in a row must agree before a chain raises an alarm.
    """

    tail: float = 0.45
    variance: float = 0.5
    distance: float = 0.5
    shape: float = 0.085
    persistence: int = 3

    def __post_init__(self) -> None:
        for name in ("tail", "variance"):
            value = getattr(self, name)
            require(0.0 < value < 1.0, f"margins.{name} is a ratio in (0, 1), got {value:g}")
        for name in ("distance", "shape"):
            value = getattr(self, name)
            require(value > 0.0, f"margins.{name} is positive, got {value:g}")
        require(self.persistence >= 1, f"margins.persistence is at least 1, got {self.persistence}")


def side(reading: Reading | None, margin: float) -> int:
    """-1 wholly below the margin, +1 wholly above, 0 when the interval straddles it or there is no number."""
    if reading is None or not np.isfinite(reading.value):
        return 0
    low = reading.value if reading.low is None else reading.low
    high = reading.value if reading.high is None else reading.high
    return -1 if high < margin else (1 if low >= margin else 0)


def phase(readings: Mapping[str, Reading], margins: Margins, floor: Mapping[str, float] = NOTHING) -> Phase:
    """The phase of one generation of one chain. floor: median reading of models fitted on real rows, by name."""
    by = signs(readings)
    (name,) = by.variance
    variance = side(_over(readings.get(name), floor.get(name)), margins.variance)
    away = [
        side(_beyond(readings.get(name), floor.get(name)), getattr(margins, margin))
        for name, (_, margin) in by.distances.items()
    ]
    if variance < 0 or max(away) > 0:
        return "late"
    if variance == 0 or 0 in away:
        return "inconclusive"
    name = tail_name(readings)
    tail = side(_over(readings.get(name), floor.get(name)), margins.tail)
    return {-1: "early", 0: "inconclusive", 1: "none"}[tail]  # type: ignore[return-value]


def tail_name(readings: Mapping[str, Reading]) -> str:
    """The tail that decides: the outermost that has a number."""
    names = list(signs(readings).tails)
    return next((name for name in names if name in readings and np.isfinite(readings[name].value)), names[0])


def _over(reading: Reading | None, base: float | None) -> Reading | None:
    """A ratio relative to the floor."""
    return _shifted(reading, lambda v: v / base) if base is not None and base > 0.0 else reading


def _beyond(reading: Reading | None, base: float | None) -> Reading | None:
    """A distance in excess of the floor."""
    return _shifted(reading, lambda v: v - base) if base is not None and np.isfinite(base) else reading


def _shifted(reading: Reading | None, change: Callable[[float], float]) -> Reading | None:
    if reading is None:
        return None
    low, high = (None if v is None else change(v) for v in (reading.low, reading.high))
    return Reading(change(reading.value), low, high, reading.why)


def alarm(phases: Sequence[Phase], persistence: int) -> int | None:
    """Position of the first of `persistence` consecutive records in early or late collapse, or None."""
    run = 0
    for i, p in enumerate(phases):
        run = run + 1 if p in ("early", "late") else 0
        if run == persistence:
            return i - persistence + 1
    return None
