"""The recursion: fit, sample, blend, again.

    source --draw--> pool_0 --fit--> model_0 --sample--> synthetic --blend--> pool_1 --fit--> model_1 ...

Generation 0 is the model fitted on real data, by a teacher where the chain has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from outcross.core.compiled import choose
from outcross.core.contracts import (
    Generation,
    Learner,
    Model,
    Place,
    Policy,
    Rows,
    Scene,
    Source,
    State,
    Stretch,
    Tally,
)
from outcross.core.corpus import Corpus, eight_bit
from outcross.core.errors import FitDegenerate, require
from outcross.core.rng import Purpose, Stream, Streams
from outcross.core.schedules import Samples
from outcross.core.stages import Line, Named
from outcross.core.statistics import Pool, Statistics
from outcross.core.streamed import Streamed

Sizes = NDArray[np.int64]
_FIT = {
    "numbers": "gaussian or gmm",
    "categories": "categorical",
    "images": "vae",
    "text": "ngram",
}  # families, by what they fit
_VALIDATION = 1 << 20  # rows that a learner may choose by, at most
Pools = Literal["auto", "rows", "statistics", "stream"]


@dataclass(frozen=True)
class Teacher:
    """Who fits generation 0 in the student's place, on so many real rows of its own (Taori et al. 2023, Alpaca).

    They are another draw than the student's: of a law, other rows; of finite data, rows that the two may share.
    """

    learner: Learner
    samples: int


@dataclass(frozen=True)
class Chain:
    """One chain of generations: what is fixed about it. The replicate of every experiment."""

    learner: Learner
    policy: Policy
    source: Source
    samples: Samples
    seed: int = 0
    number: int = 0
    pools: Pools = "auto"
    stages: tuple[Named, ...] = ()
    teacher: Teacher | None = None

    def __post_init__(self) -> None:
        fits, gives = (getattr(side, "items", "numbers") for side in (self.learner, self.source))
        require(
            fits == gives, f"the learner fits {fits}, the source gives {gives}: use learner.kind={_FIT[gives]}, say"
        )
        require(self.pools in get_args(Pools), f"pools is one of {', '.join(get_args(Pools))}, got {self.pools!r}")
        if self.pools == "stream":
            self._check_streamed()
        self._check_reads(self.learner)
        self._check_question("learner", self.learner)
        if self.teacher is not None:
            self._check_teacher(self.teacher)

    def _check_reads(self, learner: Learner) -> None:
        """Raise InputError where a model that is there already knows other tokens than the source gives."""
        coding, reads = getattr(self.source, "coding", None), getattr(learner, "reads", None)
        if coding is not None and reads is not None:
            reads(coding)

    def _check_teacher(self, teacher: Teacher) -> None:
        """Raise InputError unless the teacher makes what the student fits, and the source has rows enough for it."""
        fits, gives = getattr(teacher.learner, "items", "numbers"), getattr(self.source, "items", "numbers")
        say = f"use teacher.learner.kind={_FIT[gives]}, say"
        require(fits == gives, f"teacher.learner fits {fits}, the source gives {gives}: {say}")
        self._check_reads(teacher.learner)
        self._check_question("teacher.learner", teacher.learner)
        n, there = teacher.samples, self.source.rows
        require(n >= 1, f"teacher.samples is 1 or more, got {n:,}")
        fewer = "use teacher.samples=all, or fewer"
        require(
            there is None or n <= there, f"teacher.samples: {n:,} real rows, the source has {there or 0:,}: {fewer}"
        )

    def _check_question(self, name: str, learner: Learner) -> None:
        """Raise InputError where the source's rows are questions with answers, and a learner does not know it."""
        asked, known = getattr(self.source, "question", 0), getattr(learner, "question", 0)
        use = f"use {name}.question={asked} and {name}.prompts=original or previous"
        require(asked in (0, known), f"the source's rows begin with questions of {asked} tokens: {use}")

    def _check_streamed(self) -> None:
        """Raise InputError unless the learner passes over its pool again and again, and no pool is needed later."""
        able = getattr(self.learner, "streams", False)
        require(able, "pools=stream: this learner looks at its pool once, not pass by pass; use pools=rows")
        rows = not self.needs_pool and self.policy.budget_rows(1, 1) is None
        require(rows, "pools=stream keeps no rows for a policy that takes them from the pool before; use pools=rows")
        require(not self.stages, "pools=stream keeps no rows for stages to act on; use pools=rows")
        alike = "pools=stream draws from the model before as one of the learner's own, which a teacher's is not"
        require(self.teacher is None, f"{alike}; use pools=rows")

    @cached_property
    def kept_as(self) -> type[Statistics] | None:
        """The sufficient statistics that stand for the rows of every pool, or None where pools are rows.

        Raises InputError where statistics were asked for and cannot serve.
        """
        # said by the class itself, not inherited: a subclass may sample or fit otherwise
        kind: type[Statistics] | None = vars(type(self.learner)).get("statistics")
        why = "this learner fits rows" if kind is None else self._unserved(kind)
        why = "stages act on rows" if self.stages else why
        require(self.pools != "statistics" or why is None, f"pools=statistics: {why}; use pools=auto or pools=rows")
        return kind if why is None and self.pools not in ("rows", "stream") else None

    def _unserved(self, kind: type[Statistics]) -> str | None:
        """Why statistics cannot stand for the rows of the pools that are asked for, or None where they can."""
        constant, rows = self.samples.growth == "constant", self.policy.rows(1, self.samples.at(1), 0)
        if getattr(self.learner, "repeats", False) and not (constant and rows.synthetic == self.samples.at(0)):
            return "fixed features are made again whole or not at all"
        if self.teacher is not None:
            if vars(type(self.teacher.learner)).get("statistics") is not kind:
                return f"the teacher fits and makes rows, not {kind.__name__.lower()}"
            if getattr(self.teacher.learner, "repeats", False) and rows.synthetic != self.teacher.samples:
                return "the teacher's fixed features are made again whole or not at all"
        if kind.divisible:
            return None
        if getattr(self.policy, "needs_rows", True):
            return f"the policy takes a random part of some rows, and {kind.__name__.lower()} keep none apart"
        if rows.original and not constant:
            return f"the anchor grows with the samples, and {kind.__name__.lower()} keep no rows apart"
        if rows.original and hasattr(self.source, "statistics") and not getattr(self.source, "divides", False):
            return "this source cannot tell a part of its rows from the rest once they are statistics"
        return None

    @cached_property
    def streams(self) -> Streams:
        """The named random streams of this chain."""
        return Streams.of(self.seed, self.number)

    @cached_property
    def original(self) -> Pool:
        """The real rows that generation 0 is fitted on; under a teacher, those that the student has of its own."""
        return self.real(self.samples.at(0), self.streams.stream(0, Purpose.SOURCE))

    @property
    def first(self) -> Pool:
        """The real rows that generation 0 is fitted on: the teacher's, where there is one."""
        if self.teacher is None:
            return self.original
        return self.real(self.teacher.samples, self.streams.stream(0, Purpose.TEACHER))

    def learner_at(self, t: int) -> Learner:
        """Who fits generation t."""
        return self.teacher.learner if self.teacher is not None and t == 0 else self.learner

    def load(self, t: int, state: State) -> Model:
        """The model of generation t whose state this is."""
        return self.learner_at(t).load(state)

    @property
    def items(self) -> str:
        """What rows are: numbers, categories, images or text."""
        return getattr(self.source, "items", "numbers")

    @property
    def row_bytes(self) -> int:
        """Bytes of a row as pools keep it."""
        each = {"images": 1, "text": 4}.get(self.items)
        return 8 * len(self.source.columns) if each is None else each * math.prod(self.source.shape)  # type: ignore[attr-defined]

    @property
    def _rows(self) -> Corpus:
        assert isinstance(self.original, Corpus)
        return self.original

    def real(self, n: int, rng: Stream) -> Pool:
        """N real rows, in the form that pools are kept in."""
        kind = self.kept_as
        if kind is None:
            return self.source.draw(n, rng)
        drawn = getattr(self.source, "statistics", None)
        pool: Pool = kind.of(self.source.draw(n, rng)) if drawn is None else drawn(kind, n, rng)
        return pool

    @cached_property
    def _anchor(self) -> Pool:
        """The original rows that a fixed anchor keeps, where their number never changes."""
        m = self.policy.rows(1, self.samples.at(1), 0).original
        if self.kept_as is None or hasattr(self.source, "statistics"):
            return self._part(m)
        rows = self.source.draw(self.samples.at(0), self.streams.stream(0, Purpose.SOURCE))
        return self.kept_as.of(rows.take(slice(0, m)))  # type: ignore[no-any-return]

    def _part(self, m: int) -> Pool:
        """The first m of the original rows; of statistics m at random, given them all, the same in every generation."""
        if self.kept_as is None:
            return self._rows.take(slice(0, m))
        stream = self.streams.stream(0, Purpose.ANCHOR)
        if self.kept_as.divisible:
            return self.original.subset(m, stream)
        part: Pool = self.source.part(self.original, m, stream)  # type: ignore[attr-defined]
        return part

    def start(self) -> Generation:
        """Generation 0."""
        try:
            return Generation(0, self.original, self._fit(0, self.first, None, []))
        except FitDegenerate as e:
            raise FitDegenerate(e.reason, 0) from e

    def step(self, past: Generation) -> Generation:
        """The generation after `past`. Raises FitDegenerate when its fit has no answer."""
        t, tallies = past.t + 1, list[Tally]()
        try:
            pool = self._blend(t, past, tallies)
            return Generation(t, pool, self._fit(t, pool, past.model, tallies), tuple(tallies))
        except FitDegenerate as e:
            raise FitDegenerate(e.reason, t) from e

    def leap(self, past: Generation, until: int) -> Generation:
        """Generation `until`, in one compiled call where the learner and the policy allow it."""
        evolve = getattr(self.learner, "evolve", None)
        if self.teacher is not None and past.t == 0 and until > 0:  # whose model may be of another family
            past = self.step(past)
        # a policy that takes rows of the previous pool at any generation needs that pool built at every one
        if evolve is not None and until > past.t and not self.needs_pool and not self.stages:
            plan = _plan(self.policy, self.samples, past.t, until)
            if plan is not None:
                return Generation(until, None, evolve(past.model, self._stretch(past.t, *plan)))
        while past.t < until:
            past = self.step(past)
        return past

    def _blend(self, t: int, past: Generation, tallies: list[Tally]) -> Any:
        s = self.streams.stream
        rows = self.policy.rows(t, self.samples.at(t), 0 if past.pool is None else len(past.pool))
        parts: list[Any] = []
        if rows.synthetic and self.pools != "stream":
            parts.append(self._made(past, rows, tallies))
        if rows.previous:
            assert past.pool is not None, "only a policy that needs no pool leaps over it"
            _enough(rows.previous, len(past.pool), "rows of the previous pool, which")
            parts.append(past.pool.subset(rows.previous, s(t, Purpose.PREVIOUS)))
        if rows.original:
            _enough(rows.original, len(self.original), "original rows, generation 0")
            parts.append(self._kept(rows.original, t))
        if rows.fresh:
            parts.append(self.real(rows.fresh, s(t, Purpose.FRESH)))
        blended: Any = sum(parts[1:], start=parts[0]) if parts else None
        if self.pools == "stream" and rows.synthetic:
            return Streamed(past.model, rows.synthetic, s(t - 1, Purpose.SAMPLE), blended)
        return blended

    def _made(self, past: Generation, rows: Rows, tallies: list[Tally]) -> Pool:
        """The synthetic rows of the generation after `past`: out of its model, through the stages for such rows."""
        model: Any = past.model
        if self.kept_as is not None:
            return model.statistics(rows.synthetic, self.streams.stream(past.t, Purpose.SAMPLE))  # type: ignore[no-any-return]
        if not self.stages:
            return self._drawn(past, rows, 0)
        line = self.line("made", past.t + 1, model, lambda n, call: self._drawn(past, rows._replace(synthetic=n), call))
        made = line.made(rows.synthetic)
        tallies += line.tallies
        return made

    def _drawn(self, past: Generation, rows: Rows, call: int) -> Corpus:
        """Synthetic rows as the model of `past` makes them; other ones at each call."""
        model: Any = past.model
        n, t, stream = rows.synthetic, past.t + 1, self.streams.stream(past.t, Purpose.SAMPLE).another(call)
        if self.items == "text":
            made = model.sample(n, stream, self._prompts(past, rows))
            return Corpus.text(made, self.source.vocabulary, born=t)  # type: ignore[attr-defined]
        made, label = model.labelled(n, stream) if hasattr(model, "labelled") else (model.sample(n, stream), None)
        if not np.isfinite(made).all():
            raise FitDegenerate("the model made rows that are not finite")
        return Corpus.of(eight_bit(made) if self.items == "images" else made, t, label)

    def line(self, place: Place, t: int, model: Model, draw: Callable[[int, int], Corpus] | None = None) -> Line:
        """The stages of one place, for the fit of generation t; `model` is the one before."""
        n = self.samples.at(t)
        here = [(k, named) for k, named in enumerate(self.stages) if named[1].on == place]
        due = self.policy.rows(t, n, 0).synthetic
        scene = Scene(t, n, due, model, self._rows, self.source.columns, self.source.validation)
        streams = [self.streams.stream(t, Purpose.STAGE, k) for k, _ in here]
        return Line(tuple(named for _, named in here), scene, streams.__getitem__, draw)

    def _prompts(self, past: Generation, rows: Rows) -> Corpus | None:
        """The blocks that a model continues, one for each synthetic row: original ones, or those of the previous pool.

        No original block is both continued and kept as it is, as long as there are enough of them (Shumailov et al.
        2024, code). Where there are fewer blocks than rows, they are continued again and again.
        """
        which = getattr(self.learner_at(past.t), "prompts", "none")
        if which == "none":
            return None
        pool: Any = self._rows if which == "original" else past.pool
        free, stream = np.arange(len(pool)), self.streams.stream(past.t + 1, Purpose.PROMPTS)
        if which == "original" and rows.synthetic + rows.original <= len(pool):
            free = np.delete(free, self._kept_rows(rows.original, past.t + 1))
        order = free if rows.synthetic == len(free) else free[choose(len(free), len(free), stream.words())]
        return pool.take(np.resize(order, rows.synthetic))  # type: ignore[no-any-return]

    def _kept_rows(self, m: int, t: int) -> NDArray[np.int64]:
        """Positions of the m original rows in the pool of generation t, where pools are rows."""
        if self.policy.anchor == "fixed" or m == len(self._rows):
            return np.arange(m)
        return choose(len(self._rows), m, self.streams.stream(t, Purpose.ANCHOR).words())  # type: ignore[no-any-return]

    @property
    def needs_pool(self) -> bool:
        """Whether the next pool cannot be made without the rows of the one before."""
        return bool(getattr(self.policy, "needs_pool", True)) or getattr(self.learner, "prompts", "none") == "previous"

    def _kept(self, m: int, t: int) -> Pool:
        """The m original rows in the pool of generation t."""
        if self.policy.anchor == "redrawn":
            return self.original.subset(m, self.streams.stream(t, Purpose.ANCHOR))
        return self._anchor if m == len(self._anchor) else self._part(m)

    def _fit(self, t: int, pool: Any, previous: Model | None, tallies: list[Tally]) -> Model:
        budget = None if t == 0 else self.policy.budget_rows(t, self.samples.at(t))
        if budget is not None and budget < len(pool):
            pool = pool.subset(budget, self.streams.stream(t, Purpose.SUBSAMPLE))
        if self.stages and previous is not None:
            line = self.line("fitted", t, previous)
            pool = line.over(pool)
            tallies += line.tallies
        own = None if self.teacher is not None and t == 1 else previous  # a student does not go on from its teacher
        return self.fitted(pool, self.streams.stream(t, Purpose.FIT), own, self.learner_at(t))

    def fitted(self, pool: Any, rng: Stream, previous: Model | None = None, learner: Any = None) -> Model:
        """The fit of a learner, the student's unless told, to a pool; one that chooses by validation data gets all."""
        learner = self.learner if learner is None else learner
        if not getattr(learner, "validates", False):
            return learner.fit(pool, rng, previous)  # type: ignore[no-any-return]
        held = self.source.validation(_VALIDATION)
        return learner.fit(pool, rng, previous, validation=held)  # type: ignore[no-any-return]

    def _stretch(self, first: int, synthetic: Sizes, original: Sizes) -> Stretch:
        _enough(int(original.max(initial=0)), len(self.original), "original rows, generation 0")
        s = self.streams.stream
        return Stretch(
            first=first,
            synthetic=synthetic,
            original=original,
            redrawn=self.policy.anchor == "redrawn",
            real=self._rows.items,
            sample=s(0, Purpose.SAMPLE),
            fit=s(0, Purpose.FIT),
            anchor=s(0, Purpose.ANCHOR),
        )


def resample_fit(learner: Learner, model: Any, n: int, rng: Stream, fit: Stream) -> Model:
    """The learner's fit to n rows of the model, exact in law, through their sufficient statistics: at no cost in n."""
    return learner.fit(model.statistics(n, rng), fit, model)


def _enough(wanted: int, there: int, which: str) -> None:
    require(
        wanted <= there,
        f"the policy asks for {wanted:,} {which} has {there:,}: lower that share, or start with more samples",
    )


@lru_cache(maxsize=1024)
def _plan(policy: Policy, samples: Samples, first: int, until: int) -> tuple[Sizes, Sizes] | None:
    """Synthetic and original rows of generations first + 1 .. until, or None where a pool needs anything else."""
    if any(policy.budget_rows(t, 1) is not None for t in range(first + 1, until + 1)):
        return None
    rows = [policy.rows(t, samples.at(t), 1) for t in range(first + 1, until + 1)]
    if any(r.previous or r.fresh for r in rows):
        return None
    return np.array([r.synthetic for r in rows]), np.array([r.original for r in rows])


def generations(
    learner: Learner,
    policy: Policy,
    source: Source,
    samples: int | Samples = 1000,
    seed: int = 0,
    chain: int = 0,
    pools: Pools = "auto",
    teacher: Teacher | None = None,
) -> Iterator[Generation]:
    """Yield generation 0, 1, 2, ... of one chain, without end.

    pools: `rows`; `statistics` (exact in law, at no cost in the sample size); `stream`: synthetic rows drawn anew for
    every pass of a learner over its pool; or `auto`: statistics where they serve, rows elsewhere. teacher: who fits
    generation 0 in the learner's place.
    Raises FitDegenerate, with the reason, at a generation whose fit has no answer.
    """
    schedule = samples if isinstance(samples, Samples) else Samples(samples)
    line = Chain(learner, policy, source, schedule, seed, chain, pools, teacher=teacher)
    generation = line.start()
    while True:
        yield generation
        generation = line.step(generation)
