"""How many rows a generation draws: constant, or growing with the generation.

Only a schedule that grows faster than linearly keeps the Wasserstein risk of replace finite: E W2^2 is about
(3/2) sigma^2 sum_i 1/M_i (Shumailov et al. 2024, theorem 3.1; oracle G5).
"""

from __future__ import annotations

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
