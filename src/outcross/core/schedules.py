"""What changes with the generation: how many rows it draws, and shares that rise along a curve.

Only a schedule that grows faster than linearly keeps the Wasserstein risk of replace finite: E W2^2 is about
(3/2) sigma^2 sum_i 1/M_i (Shumailov et al. 2024, theorem 3.1; oracle G5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from outcross.core.errors import require

MOST = 10**12  # rows of a generation; sums over a million of them are still whole numbers of 64 bits


@dataclass(frozen=True)
class Samples:
    """Rows of generation t: start x growth(t), with growth 1, t + 1, (t + 1)^power, or a list of factors."""

    start: int
    growth: Literal["constant", "linear", "superlinear"] | Sequence[float] = "constant"
    power: float = 1.5

    def __post_init__(self) -> None:
        require(1 <= self.start <= MOST, f"samples start with 1 to {MOST:g} rows, got {self.start:,}")
        require(self.power > 1.0, f"a superlinear schedule has a power above 1, got {self.power:g}")
        if not isinstance(self.growth, str):
            object.__setattr__(self, "growth", tuple(self.growth))
            require(len(self.growth) > 0 and min(self.growth) > 0, "growth is a list of positive factors of start")

    def at(self, t: int) -> int:
        """Rows in the pool of generation t."""
        if self.growth == "constant":
            return self.start
        if self.growth == "linear":
            return self.start * (t + 1)
        if self.growth == "superlinear":
            return round(self.start * float((t + 1) ** self.power))
        return max(1, round(self.start * float(self.growth[min(t, len(self.growth) - 1)])))


_MOST_PERIODS = 10_000  # middle and width of a curve, in generations
_SETTLED = 1e-6  # of the way that is left when a curve is taken to have arrived


@dataclass(frozen=True)
class Logistic:
    """A share that goes from `start` to `end` along an S: start + (end - start) / (1 + exp(-(t - middle) / width)).

    middle: the generation half way; width: generations, a tenth to nine tenths of the way take 4.4 of them. So a market
    fills (Verhulst 1838).
    Raises InputError unless both shares lie in [0, 1] and middle and width are generations.
    """

    curve: Literal["logistic"] = "logistic"
    start: float = 0.0
    end: float = 1.0
    middle: float = 10.0
    width: float = 2.0

    def __post_init__(self) -> None:
        require(self.curve == "logistic", f"curve is logistic, got {self.curve!r}")
        for name in ("start", "end"):
            share = getattr(self, name)
            require(0.0 <= share <= 1.0, f"{name} is a share in [0, 1], got {share:g}")
        require(0.0 <= self.middle <= _MOST_PERIODS, f"middle is a generation, 0 to 10,000, got {self.middle:g}")
        require(0.0 < self.width <= _MOST_PERIODS, f"width is positive generations, at most 10,000, got {self.width:g}")

    def at(self, t: int) -> float:
        """The share of generation t."""
        return self.start + (self.end - self.start) * 0.5 * (1.0 + math.tanh(0.5 * (t - self.middle) / self.width))

    def values(self) -> tuple[float, ...]:
        """The shares of generations 1, 2, ... until a millionth of the way is left, and then `end`."""
        last = max(0, math.ceil(self.middle - self.width * math.log(_SETTLED)))
        return (*(self.at(t) for t in range(1, last + 1)), self.end)
