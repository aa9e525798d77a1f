"""Rarity: are a corpus's rare items lost faster than chance?

Models trained on what models made forget the tails first (Shumailov et al. 2024). But chance alone loses rare items
too: text that is re-drawn and re-fitted drifts. Neutral drift of independent draws has a closed form (oracle D4); words
are not independent, they come in documents, so here chance is measured by drawing whole documents again.

The real documents are split at random into halves T and R. T says how rare an item is, by its copies c in T; R, which
knows nothing of that choice, says what share of all tokens the items of each bin of c should hold. Under neutral drift
that share is a martingale, so the snapshot's share agrees in expectation. Two neutral origins are allowed for, and both
must be ruled out before a loss is called one (intersection-union test, Berger 1982):

- `elsewhere`: the snapshot's model was trained on other real text, or the snapshot is real. Its share is compared with
  R's; chance: R and a training text are each drawn anew from R, the snapshot `generations` times from that text.
- `here`: it was trained on this very text, T included. Its share is compared with that of all real text; chance: the
  snapshot is drawn `generations` times from all of it. (Were its chance the only one, a real text would look like a
  loss: the items that T shows once are fewer elsewhere. Were the other the only one, a law with a gap in it would.)

Who knows the origin can say so, and smaller losses are found.

A drawn snapshot has as many documents as hold the snapshot's tokens, so documents of the snapshot are never needed.
p-values are one-sided and corrected by the most extreme bin of each resample (Westfall and Young 1993); those of single
items likewise, and both once more by 2, for there are two families. An item's score is the binomial (large-sample
hypergeometric) tail of its count given both counts, these divided by its burstiness (tokens that arrive together, the
effective number of Kish 1965), and compared with the most extreme score of each resample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.errors import require
from outcross.core.rng import Streams
from outcross.measures.chance import HALF, TOKENS, Array, Chance, Documents, Ints, log_ratio, score_of

Origin = Literal["either", "elsewhere", "here"]
DOCUMENTS = 40  # real documents below which their variety cannot be told
LARGEST = 0.5  # a loss in the rarest bin that must not go unseen in a verdict of `kept`
_POWER = 0.8416  # standard normal quantile of the chance, 80 %, to find a loss that is called detectable
_FAMILIES = 2  # bins, and single items
_MOST = 1e4  # times as long a snapshot is worth asking for
_SEEN = 10.0  # tokens of a bin that must be expected, for their absence to tell


@dataclass(frozen=True)
class Bin:
    """Items with `least` to `most` copies in T; shares of all tokens in R, in all real text, in the snapshot.

    `real` is held or whole, what the snapshot is compared with: the share of the origin that explains it better.
    """

    least: int
    most: int
    items: int
    held: float
    whole: float
    real: float
    snapshot: float
    ratio: float  # snapshot / real
    low: float  # 95 % interval of the ratio, from the resamples: of all origins that are possible
    high: float
    p: float  # corrected; NaN where the bin is not among the rarer items tested
    detectable: float  # smallest loss found with a chance of 80 %; NaN: not even a total one
    extinct: int  # items that the snapshot lacks
    extinct_chance: float  # as many lack one resample in twenty by chance

    @property
    def copies(self) -> str:
        """The range of copies in words."""
        return f"{self.least:,}" if self.least == self.most else f"{self.least:,}-{self.most:,}"

    def __str__(self) -> str:
        return f"items with {self.copies} {'copy' if self.most == 1 else 'copies'}"


@dataclass(frozen=True)
class Item:
    """An item that is lost: name, copies in the real text, expected and found in the snapshot, corrected p."""

    name: str
    real: int
    expected: float
    found: int
    p: float


@dataclass(frozen=True)
class Rarity:
    """`lost`, `kept` or `inconclusive`, and why; the bins, rarest first; the items named, most lost first."""

    verdict: Literal["lost", "kept", "inconclusive"]
    why: str
    bins: tuple[Bin, ...] = ()
    named: tuple[Item, ...] = ()
    facts: dict[str, int | float] = field(default_factory=dict)

    @property
    def lost(self) -> bool:
        """Whether rare items are lost faster than chance."""
        return self.verdict == "lost"


def rarity(
    real: Documents,
    snapshot: NDArray[Any] | Documents,
    labels: tuple[str, ...] | None = None,
    *,
    generations: int = 1,
    alpha: float = 0.05,
    resamples: int = 499,
    seed: int = 0,
    origin: Origin = "either",
) -> Rarity:
    """Compare a snapshot, as documents or counts (K,), with real documents over the same K items.

    generations: how often chance may have drawn the text anew. alpha: false alarms allowed, over all bins and items.
    origin: what the snapshot's model was trained on, where that is known: this very text (`here`) or another.
    Raises InputError on settings out of range.
    """
    require(1 <= generations <= 1000, f"generations are 1 to 1000, got {generations}")
    require(0.0 < alpha < 0.5, f"alpha is between 0 and 0.5, got {alpha}")
    most = 1 << 16
    require(
        2 * _FAMILIES / alpha <= resamples < most,
        f"resamples are {math.ceil(2 * _FAMILIES / alpha)} to {most - 1:,} at this alpha, got {resamples}",
    )
    found = np.asarray(snapshot.total if isinstance(snapshot, Documents) else snapshot, dtype=np.float64)
    require(len(found) == real.counts.shape[1], "real text and snapshot count the same items")
    why = _too_little(real, found)
    if why:
        return Rarity("inconclusive", why)
    names = labels or tuple(map(str, range(len(found))))
    chance = Chance(real, _equivalent(real, found), generations, resamples, Streams.of(seed, 0))
    return _Test(chance, found, names, alpha, origin).result()


def _too_little(real: Documents, found: Array) -> str | None:
    """Why nothing can be said whatever the numbers, or None."""
    if real.number < DOCUMENTS:
        return (
            f"inconclusive: {real.number:,} real documents; at least {DOCUMENTS} are needed to tell chance: "
            "give more of them, or take smaller ones (documents: line or paragraph; block: fewer rows)"
        )
    if _equivalent(real, found) < 1:
        return (
            f"inconclusive: the snapshot's {int(found.sum()):,} tokens are less than one real document of "
            f"{real.total.sum() / real.number:,.0f} tokens: give many times as many"
        )
    return None


def _equivalent(real: Documents, found: Array) -> int:
    """How many real documents hold as many tokens as the snapshot."""
    return round(float(found.sum() / real.total.sum() * real.number))


@dataclass(frozen=True, eq=False)
class _Test:
    chance: Chance
    found: Array
    labels: tuple[str, ...]
    alpha: float
    origin: Origin

    @property
    def real(self) -> Documents:
        return self.chance.real

    def result(self) -> Rarity:
        if not len(self.chance.tested):
            return Rarity("inconclusive", self._nothing_rare())
        bins, named = self._bins(), self._named()
        facts = {
            "real_tokens": int(self.real.total.sum()),
            "real_documents": self.real.number,
            "snapshot_tokens": int(self.found.sum()),
            "items": int((self.real.total > 0).sum()),
            "generations": self.chance.generations,
            "resamples": self.chance.resamples,
            "alpha": self.alpha,
        }
        verdict, why = self._verdict(bins, named)
        return Rarity(verdict, why, bins, named, facts)

    def _nothing_rare(self) -> str:
        common = min((least for least, _ in self.chance.edges), default=0)
        return (
            "inconclusive: the real text has no rare items"
            + (f" (the rarest have {common:,} copies or more in half of it)" if common > 1 else "")
            + f"; at least {TOKENS} tokens of items rarer than the commonest are needed in half of it"
        )

    def _bins(self) -> tuple[Bin, ...]:
        held, whole = self._shares(self.chance.split[1]), self._shares(self.real.times)
        size, seen = float(self.found.sum()), self._tokens
        judged = dict(zip(self.chance.tested, self._judged(), strict=True))
        out = []
        for b, (least, most) in enumerate(self.chance.edges):
            members = self.chance.bin_of == b
            tail = judged.get(b) or _Tail(float(self.ways[0].share[b]))
            ratio = float(seen[b]) / size / tail.real if tail.real > 0.0 else math.nan
            out.append(
                Bin(
                    least,
                    most,
                    items=int(members.sum()),
                    held=float(held[b]),
                    whole=float(whole[b]),
                    real=tail.real,
                    snapshot=float(seen[b] / size),
                    ratio=ratio,
                    low=ratio * tail.low,
                    high=ratio * tail.high,
                    p=tail.p,
                    detectable=tail.detectable,
                    extinct=int((self.found[members] == 0).sum()),
                    extinct_chance=tail.extinct,
                )
            )
        return tuple(out)

    @cached_property
    def _tokens(self) -> Array:
        """Tokens of the snapshot in each bin (B,)."""
        return np.bincount(self.chance.bin_of + 1, weights=self.found, minlength=len(self.chance.edges) + 1)[1:].astype(
            np.float64
        )

    @cached_property
    def ways(self) -> tuple[_Way, ...]:
        """The neutral origins that are possible, against what was found."""
        seen, size = self._tokens[:, None], self.found.sum()
        out = []
        for name, null, times in (
            ("elsewhere", self.chance.null.elsewhere, self.chance.split[1]),
            ("here", self.chance.null.here, self.real.times),
        ):
            if self.origin in (name, "either"):
                real = (self.chance.by_bin.T @ times)[:, None]
                ratio = log_ratio(seen, size, real, self.real.lengths @ times)[:, 0]
                alpha, tested = self.alpha / _FAMILIES, self.chance.tested
                out.append(_Way.of(name, null[:, tested], ratio[tested], alpha, self._shares(times)))
        return tuple(out)

    def _judged(self) -> Iterator[_Tail]:
        """What each tested bin shows: the origin that explains it best, and what all together could have shown."""
        for place, b in enumerate(self.chance.tested):
            best = max(self.ways, key=lambda way: float(way.p[place]))
            spreads = [w.spread[:, place] * best.share[b] / w.share[b] for w in self.ways if w.share[b] > 0.0]
            low, high = min(s[0] for s in spreads), max(s[1] for s in spreads)
            shares = [float(way.share[b]) for way in self.ways]
            reach = [w.reach(place, s * self.found.sum()) for w, s in zip(self.ways, shares, strict=True)]
            extinct = float(np.quantile(self.chance.null.extinct[:, place], 0.95, method="higher"))
            p = min(1.0, _FAMILIES * float(best.p[place]))
            yield _Tail(float(best.share[b]), float(low), float(high), p, _detectable(reach, shares), extinct)

    def _shares(self, times: Ints) -> Array:
        return np.asarray(self.chance.by_bin.T @ times) / (self.real.lengths @ times)

    def _named(self) -> tuple[Item, ...]:
        """The items whose loss chance does not explain."""
        times = self.real.times.astype(np.float64)[:, None]
        r, square = self.chance.tokens_of(times)
        s = self.found[self.chance.rare]
        ratio = float(self.found.sum() / self.real.total.sum())
        score = score_of(s[:, None], r, square, np.array([ratio]), self.chance.excess)[:, 0]
        beaten = np.searchsorted(np.sort(self.chance.null.score), score, side="right")
        p = np.minimum(1.0, _FAMILIES * (1 + beaten) / (1 + self.chance.resamples))
        real = r[:, 0]
        lost = sorted(np.flatnonzero((p <= self.alpha) & (score < 0)), key=lambda i: (s[i] / real[i], -real[i]))
        return tuple(
            Item(self.labels[self.chance.rare[i]], int(real[i]), ratio * float(real[i]), int(s[i]), float(p[i]))
            for i in lost
        )

    def _verdict(self, bins: tuple[Bin, ...], named: tuple[Item, ...]) -> tuple[Any, str]:
        lost = [b for b in bins if b.p <= self.alpha]
        judged = [b for b in bins if not math.isnan(b.p)]
        rarest = judged[0]
        if lost or named:
            return "lost", self._loss(lost, named)
        if rarest.detectable <= LARGEST:
            top = judged[-1]
            return "kept", (
                f"no loss beyond chance: {rarest} keep {rarest.ratio:.2f} of their share "
                f"({rarest.low:.2f} to {rarest.high:.2f}), those with up to {top.most:,} keep {top.ratio:.2f}; a loss "
                f"of {rarest.detectable:.0%} among the former, of {top.detectable:.0%} among the latter would have "
                "been found"
            )
        return "inconclusive", f"inconclusive: {self._needed(rarest)}"

    def _loss(self, lost: list[Bin], named: tuple[Item, ...]) -> str:
        parts = []
        if lost:
            worst = min(lost, key=lambda b: b.ratio)
            parts.append(
                f"{worst} keep {worst.ratio:.2f} of their share ({worst.low:.2f} to "
                f"{worst.high:.2f}; p {worst.p:.2g}), {len(lost)} of {len(self.chance.tested)} bins have lost"
            )
        if named:
            parts.append(
                f"{len(named):,} single items are lost beyond chance (p {min(i.p for i in named):.2g} or more)"
            )
        return "rare items are lost faster than chance: " + "; ".join(parts)

    def _needed(self, rarest: Bin) -> str:
        """How much snapshot would show a loss of LARGEST in the rarest bin."""
        seen = "not even a total loss" if math.isnan(rarest.detectable) else f"only a loss of {rarest.detectable:.0%}"
        what = f"{seen} of {rarest} would have been found, and {LARGEST:.0%} must be"
        shares = [float(way.share[self.chance.tested[0]]) for way in self.ways]
        more = f"{what}; more real text is needed than {self.real.total.sum():,.0f} tokens, whatever the snapshot"
        if min(shares) <= 0.0:
            return more
        room = [math.log(share / max(shares) / (1.0 - LARGEST)) for share in shares]
        if min(room) <= 0.0:  # the origins are too far apart, however much text there is
            return f"{what}; say whether the snapshot's model was trained on this text (origin here, or elsewhere)"
        size = float(self.found.sum())
        for factor in max(1.0, _SEEN / (min(shares) * size)) * np.geomspace(1.0, _MOST, 400):
            if all(self._reach(way, factor) <= r for way, r in zip(self.ways, room, strict=True)):
                return f"{what}; about {_round(factor * size)} tokens of snapshot are needed, there are {size:,.0f}"
        return more

    def _reach(self, way: _Way, factor: float) -> float:
        """Log ratio found with a chance of 80 % in the rarest bin, were the snapshot so many times as long."""
        from scipy.special import ndtri

        critical = min(way.critical, float(ndtri(self.alpha / _FAMILIES / len(self.chance.tested))))
        return math.sqrt(self._burst * self._variance(way.name, factor)) * (_POWER - critical)

    @cached_property
    def _burst(self) -> float:
        """Variance of the log share of the rarest bin in one document (delta method)."""
        times = self.real.times
        tokens = self.chance.by_bin[:, [int(self.chance.tested[0])]].toarray()[:, 0]
        mean = float(tokens @ times) / self.real.number
        apart = tokens - self.real.lengths * float(tokens @ times) / float(self.real.lengths @ times)
        return float((apart**2) @ times) / self.real.number / mean**2

    def _variance(self, name: str, factor: float) -> float:
        """Variance of the log ratio of a bin over that in one document, were the snapshot so many times as long."""
        size = factor * self.chance.size
        training = min(size, self.real.number)
        here = (self.chance.generations - 1) / training + 1.0 / size
        return here if name == "here" else here + 1.0 / training + 1.0 / float(self.chance.split[1].sum())


@dataclass(frozen=True, eq=False)
class _Way:
    """One neutral origin: corrected p of each tested bin, spread of its ratio, what can be seen; share of every bin."""

    name: str
    p: Array
    spread: Array  # (2, B)
    sd: Array
    mean: Array
    critical: float
    share: Array  # of every bin

    @classmethod
    def of(cls, name: str, null: Array, observed: Array, alpha: float, share: Array) -> _Way:
        mean, sd = null.mean(axis=0), np.maximum(null.std(axis=0), 1e-12)
        lowest = np.sort(((null - mean) / sd).min(axis=1))
        p = (1.0 + np.searchsorted(lowest, (observed - mean) / sd, side="right")) / (1.0 + len(null))
        spread = np.exp(-np.quantile(null - mean, [0.975, 0.025], axis=0))
        return cls(name, p, spread, sd, mean, float(np.quantile(lowest, alpha)), share)

    def reach(self, place: int, expected: float) -> float:
        """Log ratio of a bin that is found with a chance of 80 %; -inf where too few tokens are expected for any."""
        if math.log(HALF / (expected + HALF)) > self.mean[place] + self.critical * self.sd[place]:
            return -math.inf
        return (self.critical - _POWER) * float(self.sd[place])


def _detectable(reach: list[float], shares: list[float]) -> float:
    """Smallest loss that is found whichever origin is the true one; NaN where not even a total one is."""
    left = min(share * math.exp(log) for share, log in zip(shares, reach, strict=True))
    return 1.0 - left / max(shares) if left > 0.0 else math.nan


class _Tail(NamedTuple):
    """What one bin shows: the real share it is compared with, and columns of `Bin`."""

    real: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    detectable: float = math.nan
    extinct: float = math.nan


def _round(tokens: float) -> str:
    """Two significant digits, upwards."""
    unit = 10 ** max(0, math.floor(math.log10(max(tokens, 1.0))) - 1)
    return f"{math.ceil(tokens / unit) * unit:,}"


__all__ = ["Bin", "Item", "Rarity", "rarity"]
