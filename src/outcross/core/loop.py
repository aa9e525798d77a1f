"""The recursion: fit, sample, blend, again.

    source --draw--> pool_0 --fit--> model_0 --sample--> synthetic --blend--> pool_1 --fit--> model_1 ...

Generation 0 is the model fitted on real data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from outcross.core.compiled import choose
from outcross.core.contracts import Generation, Learner, Model, Policy, Source, Stretch
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, require
from outcross.core.rng import Purpose, Stream, Streams
from outcross.core.schedules import Samples

Counts = NDArray[np.int64]


def subset(corpus: Corpus, m: int, rng: Stream) -> Corpus:
    """M distinct rows of the corpus in random order; all of them, in their own order, when m is its size."""
    return corpus if m == len(corpus) else corpus.take(choose(len(corpus), m, rng.words()))


@dataclass(frozen=True)
class Chain:
    """One chain of generations: what is fixed about it. The replicate of every experiment."""

    learner: Learner
    policy: Policy
    source: Source
    samples: Samples
    seed: int = 0
    number: int = 0

    @cached_property
    def streams(self) -> Streams:
        """The named random streams of this chain."""
        return Streams.of(self.seed, self.number)

    @cached_property
    def original(self) -> Corpus:
        """The real rows that generation 0 is fitted on."""
        return self.source.draw(self.samples.at(0), self.streams.stream(0, Purpose.SOURCE))

    def start(self) -> Generation:
        """Generation 0."""
        try:
            return Generation(0, self.original, self._fit(0, self.original, None))
        except FitDegenerate as e:
            raise FitDegenerate(e.reason, 0) from e

    def step(self, past: Generation) -> Generation:
        """The generation after `past`. Raises FitDegenerate when its fit has no answer."""
        t = past.t + 1
        try:
            pool = self._blend(t, past)
            return Generation(t, pool, self._fit(t, pool, past.model))
        except FitDegenerate as e:
            raise FitDegenerate(e.reason, t) from e

    def leap(self, past: Generation, until: int) -> Generation:
        """Generation `until`, in one compiled call where the learner and the policy allow it."""
        evolve = getattr(self.learner, "evolve", None)
        # a policy that takes rows of the previous pool at any generation needs that pool built at every one
        if evolve is not None and until > past.t and not getattr(self.policy, "needs_pool", True):
            plan = _plan(self.policy, self.samples, past.t, until)
            if plan is not None:
                return Generation(until, None, evolve(past.model, self._stretch(past.t, *plan)))
        while past.t < until:
            past = self.step(past)
        return past

    def _blend(self, t: int, past: Generation) -> Corpus:
        s = self.streams.stream
        rows = self.policy.rows(t, self.samples.at(t), 0 if past.pool is None else len(past.pool))
        parts: list[Corpus] = []
        if rows.synthetic:
            made = past.model.sample(rows.synthetic, s(t - 1, Purpose.SAMPLE))
            if not np.isfinite(made).all():
                raise FitDegenerate("the model made rows that are not finite")
            parts.append(Corpus.of(made, born=t))
        if rows.previous:
            assert past.pool is not None, "only a policy that needs no pool leaps over it"
            _enough(rows.previous, len(past.pool), "rows of the previous pool, which")
            parts.append(subset(past.pool, rows.previous, s(t, Purpose.PREVIOUS)))
        if rows.original:
            _enough(rows.original, len(self.original), "original rows, generation 0")
            redrawn = self.policy.anchor == "redrawn"
            draw = s(t, Purpose.ANCHOR)
            parts.append(
                subset(self.original, rows.original, draw) if redrawn else self.original.take(slice(0, rows.original))
            )
        if rows.fresh:
            parts.append(self.source.draw(rows.fresh, s(t, Purpose.FRESH)))
        return Corpus([batch for part in parts for batch in part.batches])

    def _fit(self, t: int, pool: Corpus, previous: Model | None) -> Model:
        budget = None if t == 0 else self.policy.budget_rows(t, self.samples.at(t))
        if budget is not None and budget < len(pool):
            pool = subset(pool, budget, self.streams.stream(t, Purpose.SUBSAMPLE))
        return self.learner.fit(pool, self.streams.stream(t, Purpose.FIT), previous)

    def _stretch(self, first: int, synthetic: Counts, original: Counts) -> Stretch:
        _enough(int(original.max(initial=0)), len(self.original), "original rows, generation 0")
        s = self.streams.stream
        return Stretch(
            first=first,
            synthetic=synthetic,
            original=original,
            redrawn=self.policy.anchor == "redrawn",
            real=self.original.items,
            sample=s(0, Purpose.SAMPLE),
            fit=s(0, Purpose.FIT),
            anchor=s(0, Purpose.ANCHOR),
        )


def _enough(wanted: int, there: int, which: str) -> None:
    require(
        wanted <= there,
        f"the policy asks for {wanted:,} {which} has {there:,}: lower that share, or start with more samples",
    )


@lru_cache(maxsize=1024)
def _plan(policy: Policy, samples: Samples, first: int, until: int) -> tuple[Counts, Counts] | None:
    """Synthetic and original rows of generations first + 1 .. until, or None where a pool needs anything else."""
    if any(policy.budget_rows(t, 1) is not None for t in range(first + 1, until + 1)):
        return None
    rows = [policy.rows(t, samples.at(t), 1) for t in range(first + 1, until + 1)]
    if any(r.previous or r.fresh for r in rows):
        return None
    return np.array([r.synthetic for r in rows]), np.array([r.original for r in rows])


def generations(
    learner: Learner, policy: Policy, source: Source, samples: int | Samples = 1000, seed: int = 0, chain: int = 0
) -> Iterator[Generation]:
    """Yield generation 0, 1, 2, ... of one chain, without end.

    Raises FitDegenerate, with the reason, at a generation whose fit has no answer.
    """
    schedule = samples if isinstance(samples, Samples) else Samples(samples)
    line = Chain(learner, policy, source, schedule, seed, chain)
    generation = line.start()
    while True:
        yield generation
        generation = line.step(generation)
