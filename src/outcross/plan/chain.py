"""The chain that a plan is made for: a model whose fit has the mean and variance of its rows, in units of the truth.

Loss of variance, and of diversity (heterozygosity, which is the summed variance of the indicators of categories), obey
the same recursion whatever the law: M1 to M5, D1, D6 of the table of oracles. What is no linear function of variance
(tails, perplexity) and what a single chain does are simulated from the exact law of a Gaussian chain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import ceil, inf, log, log1p, sqrt
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from outcross.core.errors import require
from outcross.core.stats import Interval, median_interval
from outcross.theory import mixing

Array = NDArray[np.float64]
Measure = Literal["variance", "diversity", "tail", "perplexity"]
Anchor = Literal["fresh", "fixed", "redrawn"]
EXACT: tuple[Measure, ...] = ("variance", "diversity")  # whose expected loss is known in closed form
CHAINS, SEED = 2000, 0  # simulated, always the same ones
_OUTER = 2.3263478740408408  # true sd beyond which 1 % lies on each side
_LONGEST, _QUICK = 10_000, 500  # generations that are simulated at all, and without being asked for
LAST = 10**6  # generations of a plan at most


@dataclass(frozen=True)
class Setting:
    """What a plan is asked for.

    rows of every training set; generations after 0; measure of the loss: `variance` (1 - its ratio to the true one),
    `diversity` (the same of the chance that two draws differ), `tail` (of the mass beyond the true 1st and 99th
    percentile about the model's own mean), `perplexity` (its relative rise, of a Gaussian column). anchor: which real
    rows are kept. sampler: what it multiplies standard deviations by; below 1 it narrows.
    """

    rows: int
    generations: int
    measure: Measure = "variance"
    anchor: Anchor = "fresh"
    sampler: float = 1.0

    def __post_init__(self) -> None:
        require(2 <= self.rows <= 10**12, f"rows is 2 to 1e12, got {self.rows:,}")
        require(1 <= self.generations <= LAST, f"generations is 1 to {LAST:,}, got {self.generations:,}")
        for name, known in (("measure", Measure), ("anchor", Anchor)):
            given = getattr(self, name)
            require(given in get_args(known), f"{name} is one of {', '.join(get_args(known))}, got {given!r}")
        narrow = 0.5 <= self.sampler <= 1.0
        require(narrow, f"sampler multiplies standard deviations by 0.5 to 1, got {self.sampler:g}")

    @property
    def middle(self) -> str:
        """Over which chains a loss is: a mean is exact; of what is no linear function, rare chains would carry it."""
        return "mean over chains" if self.measure in EXACT else "median chain"

    def loss(self, real: int, generation: int | None = None) -> Interval:
        """Loss with so many real rows a set: the exact mean, or the median of simulated chains with its interval."""
        at = self.generations if generation is None else generation
        if self.measure in EXACT:
            anchor = self.anchor if real else mixing.FRESH
            exact = 1.0 - mixing.after(self.rows, real / self.rows, at + 1, anchor, scale=self.sampler).S
            return Interval(exact, exact, exact)
        return median_interval(self.chain_losses(real, at))

    def chain_losses(self, real: int, generation: int | None = None) -> Array:
        """Loss of each simulated chain (CHAINS,); generations after the law has settled are not simulated."""
        at = self.generations if generation is None else generation
        fits = self._fits(real, at)
        require(fits <= _LONGEST, f"{fits:,} generations cannot be simulated, at most {_LONGEST:,}: ask for variance")
        fixed = self.anchor == "fixed" and real > 0  # redrawn rows are taken for fresh ones in single chains
        anchor = mixing.FIXED if fixed else mixing.FRESH
        return _losses(self.measure, *_simulated(self.rows, real, fits, anchor, self.sampler))

    def limit(self, real: int) -> Interval:
        """Loss after ever so many generations."""
        if not real:
            return Interval(1.0, 1.0, 1.0)
        return self.loss(real, min(LAST, ceil(40.0 * self.rows / real)))

    def smallest(self, tolerance: float, of: Literal["by then", "for ever", "chain"] = "by then") -> Interval:
        """Smallest real share that loses no more than the tolerance, infinite where none does; with its interval.

        of: the loss by the last generation, that for ever, or what 39 of 40 single chains lose less than.
        """
        lost = {"by then": self.loss, "for ever": self.limit, "chain": self.most}[of]
        return Interval(*(self._fewest(lost, side, tolerance) for side in range(3)))

    def _fewest(self, lost: Callable[[int], Interval], side: int, tolerance: float) -> float:
        """The smallest share of real rows with which that side of the interval of a loss is tolerated."""
        if lost(self.rows)[side] > tolerance:
            return inf
        low, high = -1, self.rows  # more real rows never lose more
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if lost(middle)[side] <= tolerance else (middle, high)
        return high / self.rows

    def most(self, real: int) -> Interval:
        """What 39 of 40 single chains lose less than, with the interval of that quantile over the simulated ones."""
        error = 1.96 * sqrt(0.025 * 0.975 / CHAINS)
        value, low, high = np.quantile(self.chain_losses(real), [0.975, 0.975 - error, 0.975 + error])
        return Interval(float(value), float(low), float(high))

    def simulable(self, real: int) -> bool:
        """Whether single chains are simulated in a moment; of diversity they depend on the law of the categories."""
        return self.measure != "diversity" and self._fits(real, self.generations) <= _QUICK

    def _fits(self, real: int, generation: int) -> int:
        """Fits of a simulated chain: when its law has settled, to e^-14, no more are needed."""
        return 1 + min(generation, ceil(14.0 * self.rows / real) if real else generation)

    def chain_range(self, real: int, generation: int | None = None) -> tuple[float, float]:
        """Losses that 95 of 100 single chains lie between."""
        low, high = np.quantile(self.chain_losses(real, generation), [0.025, 0.975])
        return float(low), float(high)


@lru_cache(maxsize=64)
def _simulated(rows: int, real: int, fits: int, anchor: str, sampler: float) -> tuple[Array, Array]:
    """Mean and variance of CHAINS chains after so many fits."""
    walk = mixing.simulate(rows, real / rows, CHAINS, np.random.default_rng(SEED), anchor, sampler)
    return next(islice(walk, fits - 1, None))


def _losses(measure: Measure, mean: Array, variance: Array) -> Array:
    """Losses of Gaussians with these means and variances."""
    if measure == "tail":
        return np.asarray(1.0 - ndtr(-_OUTER / np.sqrt(variance)) / 0.01)
    if measure == "perplexity":
        return np.asarray(np.expm1(0.5 * (np.log(variance) + (1.0 + mean**2) / variance - 1.0)))
    return 1.0 - variance


def generations_until(rows: int, tolerance: float, sampler: float = 1.0) -> float:
    """Generations until the mean variance of chains without real rows has fallen by the tolerance (G3, G7)."""
    fall = -log1p(-1.0 / rows) - 2.0 * log(sampler)
    return max((log1p(-1.0 / rows) - log1p(-tolerance)) / fall, 0.0)
