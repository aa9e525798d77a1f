"""How many chains show an effect: power of the paired test by which `compare` speaks, from theory or a pilot run.

`compare` calls a difference of two arms when the distribution-free interval of the median of its pairs leaves out 0:
a sign test, whose power is binomial and rests on one number alone, the chance that a pair lies on the side of the
effect. That chance is read off the pilot's pairs, shifted so that their median is the stated effect; or off pairs drawn
from the exact law of Gaussian chains (G1, M1 to M4), which share generation 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from outcross.core import policies
from outcross.core.errors import require
from outcross.core.schedules import Samples
from outcross.core.stats import FEWEST, Interval, share_interval
from outcross.plan.chain import Anchor
from outcross.plan.effective import Chain, Drift, Setup

Array = NDArray[np.float64]
MOST = 100_000  # chains that are asked for at most
PAIRS, SEED = 20_000, 0  # drawn from the exact law
_LONGEST = 10_000  # generations that are drawn


class Need(NamedTuple):
    """Chains that show an effect at a generation. chains: infinite where no number up to MOST does."""

    generation: int
    effect: float  # median of paired differences
    side: Interval  # chance that a pair lies on the effect's side (Wilson)
    chains: Interval
    power: float  # that so many chains have: what was asked for, or a little more, as chains are whole
    pilot: int


def by_theory(
    rows: int, real: float, anchor: Anchor, generations: Sequence[int], measure: str, power: float, effect: float | None
) -> list[Need]:
    """Chains that show a real share against none, of one Gaussian column. measure: `variance` or `tail`.

    effect: stated instead of what the share does, as a share of the baseline's median. Raises InputError for numbers
    out of range.
    """
    require(2 <= rows <= 10**9, f"rows is 2 to 1e9, got {rows:,}")
    require(0.0 < real <= 1.0, f"real is a share above 0, up to 1, got {real:g}")
    require(measure in ("variance", "tail"), f"theory has the variance and the tail, not {measure!r}: give a pilot run")
    require(anchor in get_args(Anchor), f"anchor is one of {', '.join(get_args(Anchor))}, got {anchor!r}")
    last = max(generations, default=0)
    require(1 <= last <= _LONGEST, f"generations is 1 to {_LONGEST:,}, got {last:,}")
    rng = np.random.default_rng(SEED)
    drift = Drift(*map(np.asarray, (2.0 / rows, 0.0, 0.0, 0.0)))
    start = rng.chisquare(rows - 1.0, (1, PAIRS)) / rows
    made = [policies.mix(real, anchor), policies.replace()]
    one, base = (Chain(Setup(policy, Samples(rows)), drift, start, rng) for policy in made)
    found = []
    while one.t < last:
        one.step()
        base.step()
        if one.t in generations:
            there, here = (_read(chain.ratio[0], measure) for chain in (one, base))
            meant = None if effect is None else effect * float(np.median(here))
            found.append(need(there - here, meant, power, one.t))
    return found


def _read(ratio: Array, measure: str) -> Array:
    """The variance, or the tail beyond 1 % of each side, over the true one."""
    return ratio if measure == "variance" else np.asarray(ndtr(ndtri(0.01) / np.sqrt(ratio)) / 0.01)


def sign_power(chains: NDArray[np.int64], side: float, level: float = 0.95) -> Array:
    """Chance that the interval of the median of so many pairs leaves out 0 on the right side; exact.

    side: chance that a pair lies there. The interval runs between order statistics of rank r from either end, so it
    leaves out 0 when fewer than r pairs lie on the wrong side. Of fewer than FEWEST chains there is no interval.
    """
    from scipy.stats import binom

    ranks = np.maximum(_ranks(chains, level), 1)
    return np.where(chains < FEWEST, 0.0, binom.cdf(ranks - 1, chains, 1.0 - side))


def _ranks(chains: NDArray[np.int64], level: float) -> NDArray[np.int64]:
    """`core.stats.rank_of` of many numbers of chains at once."""
    from scipy.stats import binom

    ranks = binom.ppf((1.0 - level) / 2.0, chains, 0.5).astype(np.int64)
    while (short := (ranks > 0) & (1.0 - 2.0 * binom.cdf(ranks - 1, chains, 0.5) < level)).any():
        ranks = ranks - short
    return np.asarray(ranks)


def chains_needed(side: float, power: float) -> float:
    """Fewest pairs whose power is as asked from there on; infinite where MOST do not do."""
    guess = _guess(side, power)
    if guess > MOST:
        return inf
    tried = np.arange(FEWEST, int(guess) + 1)
    short = np.flatnonzero(sign_power(tried, side) < power)  # it goes up and down with the rank
    return float(tried[short[-1]] + 1 if len(short) else FEWEST)


def _guess(side: float, power: float) -> float:
    """Pairs by the normal approximation of a sign test, a little more than enough."""
    off = side - 0.5
    if off <= 0.0:
        return inf
    root = (1.96 * 0.5 + float(ndtri(power)) * sqrt(side * (1.0 - side))) / off
    return 1.3 * root**2 + 40.0


def need(differences: Array, effect: float | None, power: float, generation: int) -> Need:
    """Chains for an effect on paired differences (pilot chains,) of a pilot; its own median where none is stated.

    The interval is that of the share of pairs on the effect's side. Raises InputError for fewer than three pairs, a
    power out of range, or an effect of 0.
    """
    require(0.5 <= power <= 0.999, f"power is 0.5 to 0.999, got {power:g}")
    n, middle = len(differences), float(np.median(differences))
    require(n >= 3, f"a pilot of {n} chains tells no spread: run 3 or more")
    meant = middle if effect is None else effect
    require(meant != 0.0, "an effect of 0 is never shown: state another")
    hits = int(np.sum((differences - middle + meant) * np.sign(meant) > 0.0))
    side = share_interval(hits, n)
    chains = Interval(*(chains_needed(s, power) for s in (side.value, side.high, side.low)))
    had = float(sign_power(np.array([int(chains.value)]), side.value)[0]) if np.isfinite(chains.value) else np.nan
    return Need(generation, meant, side, chains, had, n)
