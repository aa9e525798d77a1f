"""The collapse phase of a generation: decided per chain by effects against stated margins, never by significance.

late   generalised variance below its margin, or the distance to the truth beyond its margin (modes dead or merged,
       mean wandered, spread blown up: late collapse is often, not always, less variance)
early  the bulk intact, tail mass below its margin
none   tails and bulk intact
inconclusive   an interval straddles a margin, or a number is missing

Shumailov et al. 2024 define early and late collapse; the margins are settings, calibrated in LOG.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from outcross.core.contracts import Reading
from outcross.core.errors import require

Phase = Literal["none", "early", "late", "inconclusive"]
TAIL, VARIANCE, DISTANCE = "tail_99", "generalised_variance_ratio", "w2_gaussian"


@dataclass(frozen=True)
class Margins:
    """tail, variance: the ratio below which a loss counts. distance: in standard deviations.

    persistence: how many records in a row must agree before a chain raises an alarm.
    """

    tail: float = 0.45
    variance: float = 0.5
    distance: float = 0.5
    persistence: int = 3

    def __post_init__(self) -> None:
        for name in ("tail", "variance"):
            value = getattr(self, name)
            require(0.0 < value < 1.0, f"margins.{name} is a ratio in (0, 1), got {value:g}")
        require(self.distance > 0.0, f"margins.distance is positive, got {self.distance:g}")
        require(self.persistence >= 1, f"margins.persistence is at least 1, got {self.persistence}")


def side(reading: Reading | None, margin: float) -> int:
    """-1 wholly below the margin, +1 wholly above, 0 when the interval straddles it or there is no number."""
    if reading is None or not np.isfinite(reading.value):
        return 0
    low = reading.value if reading.low is None else reading.low
    high = reading.value if reading.high is None else reading.high
    return -1 if high < margin else (1 if low >= margin else 0)


def phase(readings: Mapping[str, Reading], margins: Margins) -> Phase:
    """The phase of one generation of one chain."""
    variance = side(readings.get(VARIANCE), margins.variance)
    away = side(readings.get(DISTANCE), margins.distance)
    if variance < 0 or away > 0:
        return "late"
    if variance == 0 or away == 0:
        return "inconclusive"
    tail = side(readings.get(TAIL), margins.tail)
    return {-1: "early", 0: "inconclusive", 1: "none"}[tail]  # type: ignore[return-value]


def alarm(phases: Sequence[Phase], persistence: int) -> int | None:
    """Position of the first of `persistence` consecutive records in early or late collapse, or None."""
    run = 0
    for i, p in enumerate(phases):
        run = run + 1 if p in ("early", "late") else 0
        if run == persistence:
            return i - persistence + 1
    return None
