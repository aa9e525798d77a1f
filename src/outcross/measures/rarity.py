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
from outcross.core.rng import Purpose, Stream, Streams
from outcross.core.statistics import Counts, multinomial

Array = NDArray[np.float64]
Origin = Literal["either", "elsewhere", "here"]
Ints = NDArray[np.int64]
DOCUMENTS = 40  # real documents below which their variety cannot be told
TOKENS = 50  # of T in a bin: thinner bins are joined with the next
RARER = 0.25  # bins of the rarer items, which together hold about so much of the text, are tested
NAMEABLE = 0.4  # items can be named among the rarer, which together hold about so much
LARGEST = 0.5  # a loss in the rarest bin that must not go unseen in a verdict of `kept`
_POWER = 0.8416  # standard normal quantile of the chance, 80 %, to find a loss that is called detectable
_FAMILIES = 2  # bins, and single items
_MOST = 1e4  # times as long a snapshot is worth asking for
_SEEN = 10.0  # tokens of a bin that must be expected, for their absence to tell
_HALF = 0.5  # token added to each count of a bin, so that a bin can be empty
_ROOM = 1 << 24  # numbers held at once by the resamples


@dataclass(frozen=True, eq=False)
class Documents:
    """Documents as item counts: counts (D, K), a scipy CSR array; times (D,): how many documents are like each."""

    counts: Any
    times: Ints

    @classmethod
    def of(cls, codes: NDArray[Any], offsets: NDArray[Any], items: int) -> Documents:
        """Documents of item codes (n,) from 0; offsets (D + 1,): where each document begins."""
        from scipy.sparse import csr_array

        counts = csr_array((np.ones(len(codes)), codes, offsets), shape=(len(offsets) - 1, items), copy=True)
        counts.sum_duplicates()  # in place, so not on the caller's arrays
        return cls(counts, np.ones(len(offsets) - 1, dtype=np.int64))

    @classmethod
    def rows(cls, codes: NDArray[Any], items: int, block: int = 1) -> Documents:
        """Rows of one item each (n,), so many in a row taken for a document. Single rows cost nothing in n."""
        from scipy.sparse import eye_array

        require(block >= 1, f"a block is one row or more, got {block}")
        if block > 1:
            return cls.of(codes, np.r_[np.arange(0, len(codes), block), len(codes)], items)
        return cls(eye_array(items, format="csr"), np.bincount(codes, minlength=items))

    @property
    def number(self) -> int:
        """How many documents there are."""
        return int(self.times.sum())

    @cached_property
    def lengths(self) -> Array:
        """Tokens in each kind of document (D,)."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.float64)

    @cached_property
    def total(self) -> Array:
        """Tokens of each item (K,)."""
        return np.asarray(self.counts.T @ self.times, dtype=np.float64)


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
    low: float  # 95 % interval of the ratio, from the resamples
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
    return _Test(real, found, names, generations, alpha, resamples, Streams.of(seed, 0), origin).result()


def _too_little(real: Documents, found: Array) -> str | None:
    """Why nothing can be said whatever the numbers, or None."""
    if real.number < DOCUMENTS:
        return (
            f"inconclusive: {real.number:,} real documents; at least {DOCUMENTS} are needed to tell chance: "
            "give more of them, or take smaller ones"
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
    real: Documents
    found: Array
    labels: tuple[str, ...]
    generations: int
    alpha: float
    resamples: int
    streams: Streams
    origin: Origin

    # ---- the split and the bins ----

    @cached_property
    def split(self) -> tuple[Ints, Ints]:
        """How often each document is in T and in R."""
        half = Counts(self.real.times).subset(self.real.number // 2, self.streams.stream(0, Purpose.SPLIT)).counts
        return half, self.real.times - half

    @cached_property
    def copies(self) -> Ints:
        """Copies of each item in T (K,)."""
        return np.asarray(self.real.counts.T @ self.split[0]).astype(np.int64)

    @cached_property
    def edges(self) -> list[tuple[int, int]]:
        """Least and most copies of each bin: doubling, and joined until T holds enough tokens of it."""
        octave, tokens = _octave(self.copies), np.zeros(64)
        np.add.at(tokens, octave[self.copies > 0], self.copies[self.copies > 0])
        out, first, held = [], 0, 0.0
        for k in range(int(octave.max(initial=0)) + 1):
            held += tokens[k]
            if held >= TOKENS:
                out.append((first, k))
                first, held = k + 1, 0.0
        if held and out:
            out[-1] = (out[-1][0], int(octave.max()))
        return [(1 if a == 0 else (1 << (a - 1)) + 1, 1 << b) for a, b in out]

    @cached_property
    def bin_of(self) -> Ints:
        """The bin of each item (K,), -1 for one that T lacks."""
        uppers = np.array([most for _, most in self.edges])
        return np.where(self.copies > 0, np.searchsorted(uppers, self.copies), -1)

    @cached_property
    def tested(self) -> Ints:
        """The bins of the rarer items."""
        return self._rarer(RARER)

    @cached_property
    def rare(self) -> Ints:
        """The items that can be named (k,): rarer ones, and those that R alone has."""
        return np.flatnonzero((self.bin_of <= self._rarer(NAMEABLE).max(initial=-2)) & (self.real.total > 0))

    def _rarer(self, share: float) -> Ints:
        """Bins, rarest first, until they hold this share of T; never that of the commonest items."""
        tokens = np.bincount(self.bin_of + 1, weights=self.copies, minlength=len(self.edges) + 1)[1:]
        before = np.cumsum(tokens) - tokens
        return np.flatnonzero((before < share * tokens.sum()) & (np.arange(len(tokens)) < len(tokens) - 1))

    @cached_property
    def by_bin(self) -> Any:
        """Tokens of each bin in each document (D, B), sparse."""
        from scipy.sparse import csr_array

        there = np.flatnonzero(self.bin_of >= 0)
        belongs = csr_array((np.ones(len(there)), (there, self.bin_of[there])), (len(self.copies), len(self.edges)))
        return (self.real.counts @ belongs).tocsr()

    # ---- resamples ----

    @cached_property
    def size(self) -> int:
        """Documents of a drawn snapshot."""
        return _equivalent(self.real, self.found)

    @cached_property
    def training(self) -> int:
        """Documents of a drawn training text: no more than there are, for nobody knows how many there were."""
        return min(self.size, self.real.number)

    def _drawn(self, times: NDArray[Any], sizes: list[int], role: int, number: int) -> Ints:
        """Documents drawn from `times`, and again from those, and so on."""
        for g, size in enumerate(sizes):
            times = multinomial(size, times, self._stream(role + 5 * g, number))
        return np.asarray(times)

    def _stream(self, generation: int, number: int) -> Stream:
        return self.streams.stream(generation, Purpose.MEASURE, number)

    def _weights(self) -> Iterator[tuple[Array, ...]]:
        """Weights of the documents, (D, some) each: R, its snapshot, the snapshot of all, all, its snapshot."""
        held, whole = self.split[1], self.real.times
        here = [self.training] * (self.generations - 1) + [self.size]
        elsewhere = [self.training, *here]
        ways = [
            (held, [int(held.sum())]),
            (held, elsewhere),
            (whole, here),
            (whole, [self.real.number]),
            (whole, elsewhere),
        ]
        some = max(1, min(64, _ROOM // max(self.real.counts.shape)))
        for first in range(0, self.resamples, some):
            numbers = range(first, min(first + some, self.resamples))
            yield tuple(
                np.stack([self._drawn(times, sizes, role, i) for i in numbers], axis=1).astype(np.float64)
                for role, (times, sizes) in enumerate(ways)
            )

    @cached_property
    def null(self) -> _Null:
        """What chance gives."""
        parts = [self._chance(*weights) for weights in self._weights()]
        return _Null(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _chance(self, held: Array, drawn: Array, here: Array, whole: Array, again: Array) -> tuple[Array, ...]:
        lengths, tokens = self.real.lengths, self.by_bin.T
        elsewhere = _log_ratio(tokens @ drawn, lengths @ drawn, tokens @ held, lengths @ held)
        total = self.real.times.astype(np.float64)
        same = _log_ratio(tokens @ here, lengths @ here, (tokens @ total)[:, None], lengths @ total)
        r, square = self._items(whole)
        s = self._by_item @ again
        score = _score(s, r, square, (lengths @ again) / (lengths @ whole), self._excess)
        return elsewhere.T, same.T, score.min(axis=0, initial=0.0), self._extinct(s).T

    @cached_property
    def _by_item(self) -> Any:
        return self.real.counts[:, self.rare].T.tocsr()

    @cached_property
    def _squares(self) -> Any:
        return self._by_item.multiply(self._by_item).tocsr()

    def _items(self, weights: Array) -> tuple[Array, Array]:
        return self._by_item @ weights, self._squares @ weights

    @cached_property
    def _excess(self) -> float:
        """Variance of a count under chance, relative to that of two independent real texts."""
        ratio = self.size / self.real.number
        drift = self.size / self.training
        return (1.0 + ratio + drift * self.generations) / (1.0 + ratio)

    def _extinct(self, s: Array) -> Array:
        """Items of each tested bin that counts (k, some) of the rare items lack."""
        bins = self.bin_of[self.rare]
        return np.stack([(s[bins == b] == 0).sum(axis=0) for b in self.tested]).astype(np.float64)

    # ---- the answer ----

    def result(self) -> Rarity:
        if not len(self.tested):
            return Rarity("inconclusive", self._nothing_rare())
        bins, named = self._bins(), self._named()
        facts = {
            "real_tokens": int(self.real.total.sum()),
            "real_documents": self.real.number,
            "snapshot_tokens": int(self.found.sum()),
            "items": int((self.real.total > 0).sum()),
            "generations": self.generations,
            "resamples": self.resamples,
            "alpha": self.alpha,
        }
        verdict, why = self._verdict(bins, named)
        return Rarity(verdict, why, bins, named, facts)

    def _nothing_rare(self) -> str:
        common = min((least for least, _ in self.edges), default=0)
        return (
            "inconclusive: the real text has no rare items"
            + (f" (the rarest have {common:,} copies or more in half of it)" if common > 1 else "")
            + f"; at least {TOKENS} tokens of items rarer than the commonest are needed in half of it"
        )

    def _bins(self) -> tuple[Bin, ...]:
        held, whole = self._shares(self.split[1]), self._shares(self.real.times)
        size, seen = float(self.found.sum()), self._tokens
        judged = dict(zip(self.tested, self._judged(), strict=True))
        out = []
        for b, (least, most) in enumerate(self.edges):
            members = self.bin_of == b
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
        return np.bincount(self.bin_of + 1, weights=self.found, minlength=len(self.edges) + 1)[1:].astype(np.float64)

    @cached_property
    def ways(self) -> tuple[_Way, ...]:
        """The neutral origins that are possible, against what was found."""
        seen, size = self._tokens[:, None], self.found.sum()
        out = []
        for name, null, times in (
            ("elsewhere", self.null.elsewhere, self.split[1]),
            ("here", self.null.here, self.real.times),
        ):
            if self.origin in (name, "either"):
                real = (self.by_bin.T @ times)[:, None]
                ratio = _log_ratio(seen, size, real, self.real.lengths @ times)[:, 0]
                alpha, tested = self.alpha / _FAMILIES, self.tested
                out.append(_Way.of(name, null[:, tested], ratio[tested], alpha, self._shares(times)))
        return tuple(out)

    def _judged(self) -> Iterator[_Tail]:
        """What each tested bin shows: the origin that explains it best, and what all together could have shown."""
        for place, b in enumerate(self.tested):
            best = max(self.ways, key=lambda way: float(way.p[place]))
            low, high = best.spread[:, place]
            shares = [float(way.share[b]) for way in self.ways]
            reach = [w.reach(place, s * self.found.sum()) for w, s in zip(self.ways, shares, strict=True)]
            extinct = float(np.quantile(self.null.extinct[:, place], 0.95, method="higher"))
            p = min(1.0, _FAMILIES * float(best.p[place]))
            yield _Tail(float(best.share[b]), float(low), float(high), p, _detectable(reach, shares), extinct)

    def _shares(self, times: Ints) -> Array:
        return np.asarray(self.by_bin.T @ times) / (self.real.lengths @ times)

    def _named(self) -> tuple[Item, ...]:
        """The items whose loss chance does not explain."""
        times = self.real.times.astype(np.float64)[:, None]
        r, square = self._items(times)
        s = self.found[self.rare]
        ratio = float(self.found.sum() / self.real.total.sum())
        score = _score(s[:, None], r, square, np.array([ratio]), self._excess)[:, 0]
        beaten = np.searchsorted(np.sort(self.null.score), score, side="right")
        p = np.minimum(1.0, _FAMILIES * (1 + beaten) / (1 + self.resamples))
        real = r[:, 0]
        lost = sorted(np.flatnonzero((p <= self.alpha) & (score < 0)), key=lambda i: (s[i] / real[i], -real[i]))
        return tuple(
            Item(self.labels[self.rare[i]], int(real[i]), ratio * float(real[i]), int(s[i]), float(p[i])) for i in lost
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
                f"{worst.high:.2f}; p {worst.p:.2g}), {len(lost)} of {len(self.tested)} bins have lost"
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
        shares = [float(way.share[self.tested[0]]) for way in self.ways]
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

        critical = min(way.critical, float(ndtri(self.alpha / _FAMILIES / len(self.tested))))
        return math.sqrt(self._burst * self._variance(way.name, factor)) * (_POWER - critical)

    @cached_property
    def _burst(self) -> float:
        """Variance of the log share of the rarest bin in one document (delta method)."""
        times = self.real.times
        tokens = self.by_bin[:, [int(self.tested[0])]].toarray()[:, 0]
        mean = float(tokens @ times) / self.real.number
        apart = tokens - self.real.lengths * float(tokens @ times) / float(self.real.lengths @ times)
        return float((apart**2) @ times) / self.real.number / mean**2

    def _variance(self, name: str, factor: float) -> float:
        """Variance of the log ratio of a bin over that in one document, were the snapshot so many times as long."""
        size = factor * self.size
        training = min(size, self.real.number)
        here = (self.generations - 1) / training + 1.0 / size
        return here if name == "here" else here + 1.0 / training + 1.0 / float(self.split[1].sum())


@dataclass(frozen=True, eq=False)
class _Null:
    """Under chance, one row a resample: log ratios of the bins for both origins, lowest item score, extinct items."""

    elsewhere: Array  # (N, B)
    here: Array  # (N, B)
    score: Array  # (N,)
    extinct: Array  # (N, tested bins)


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
        if math.log(_HALF / (expected + _HALF)) > self.mean[place] + self.critical * self.sd[place]:
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


def _octave(copies: Ints) -> Ints:
    """0 for 1 copy, 1 for 2, 2 for 3-4, 3 for 5-8, ..."""
    return np.frexp(np.maximum(copies - 1, 0))[1].astype(np.int64)


def _log_ratio(s: Array, size: Any, r: Array, other: Any) -> Array:
    """Log ratio of shares (B, some)."""
    return np.asarray(np.log((s + _HALF) / size) - np.log((r + _HALF) / other))


def _score(s: Array, r: Array, square: Array, ratio: Array, excess: float) -> Array:
    """Log probability of so few copies s given s + r, both over their burstiness: (k, some); 0 where none is amiss."""
    from scipy.special import betainc

    out = np.zeros(s.shape)
    missing = ratio * r - s
    i, j = np.nonzero(missing > 2.0 * np.sqrt(square * ratio))  # nothing milder is the most extreme
    burst = excess * square[i, j] / r[i, j]
    tail = betainc(r[i, j] / burst, s[i, j] / burst + 1.0, 1.0 / (1.0 + ratio[j]))
    out[i, j] = np.log(np.maximum(tail, 1e-300))
    return out


def _round(tokens: float) -> str:
    """Two significant digits, upwards."""
    unit = 10 ** max(0, math.floor(math.log10(max(tokens, 1.0))) - 1)
    return f"{math.ceil(tokens / unit) * unit:,}"


__all__ = ["Bin", "Documents", "Item", "Rarity", "rarity"]
