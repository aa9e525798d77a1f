"""The contracts: what a learner, a model, a source, a policy and a measure must offer (DESIGN section 4).

Any object with these members plugs in; nothing is inherited. `core.checks` makes the contracts executable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from outcross.core.corpus import Corpus
from outcross.core.rng import Stream
from outcross.core.statistics import Pool

State = dict[str, NDArray[Any]]


def later(default: Any) -> Any:
    """A dataclass field that came when runs had been made: at its default, a run's digest leaves it out."""
    return field(default=default, metadata={"later": True})


def node(group: str, default: Mapping[str, Any] | None = None, many: bool = False) -> Any:
    """A dataclass field that holds an object of a group (`families`, say): in an experiment a node of its own.

    default: the node where nothing is said; without one it must be given. many: a mapping of names to such nodes.
    """
    return field(kw_only=True, metadata={"node": group, "many": many, "given": default})


@runtime_checkable
class Model(Protocol):
    """A fitted model: a value, never changed.

    May also offer `law` (the exact Mixture it is), `probabilities` (K,) of categories, `log_prob(items)` in nats per
    row, `info` (numbers about the fit), and `statistics(n, rng)`: the sufficient statistics of n rows, exact in law.
    One whose rows have labels offers `labelled(n, rng)`: rows and their labels (n,).
    One of images may offer `encode(images)` -> mu (n, latent), `decode(codes)` -> mean images, and `latent`.
    One of text takes `given`, a Corpus of n blocks to continue, as a third argument of `sample`, says by `prompted`
    whether its rows do that, and offers `surprisal(blocks)`: - log p of each token but the first given those before it,
    nats (n, block - 1); it may also tell which tokens are `known` (vocabulary,): those it was fitted on. Where its rows
    keep the first `question` tokens of what is given, it is fitted and scored on the others: (n, block - question).
    """

    def sample(self, n: int, rng: Stream) -> NDArray[Any]:
        """N independent rows (n, d), images (n, h, w) or (n, h, w, channels) in [0, 1], or blocks of tokens."""

    def state(self) -> State:
        """Everything needed to load it again, as arrays."""


@runtime_checkable
class Learner(Protocol):
    """Hyper-parameters of a model family, a frozen dataclass.

    May also offer `evolve(model, stretch)`: many generations in one compiled call, bit-identical to the plain loop;
    `statistics`: the kind of sufficient statistics (Counts, Moments, Sums) that `fit` takes in place of rows and its
    models draw (not inherited: a subclass says so itself); `items`: what its rows are, `numbers` (the default),
    `categories`, `images` or `text`; `streams`: that it passes over its pool again and again, and fits a
    `Streamed` pool too; `least(columns)`: rows that a fit needs at least; `trial(pool, rng)`: a Trial, where a fit can
    take minutes; `reads(coding)`: raises InputError where its pretrained model knows other tokens than a source gives;
    `prompts`: whether rows of text continue blocks of the `original` real data, of the `previous` pool, or `none`;
    `question`: how many tokens of such a block a row begins with, and only answers;
    `remedies`: by cause of error (`expressivity`, `approximation`, `sampler`), the settings that remove it, none where
    it has no such error, nothing where no setting tells it apart; `trains_by`: the settings of how it is trained, if it
    has `init: previous`, a fit from the model before, and models that are their `weights`, by name, of which `trained`
    are the ones that training moves.
    """

    def fit(self, pool: Any, rng: Stream, previous: Model | None = None) -> Model:
        """Fit the pool. Raises FitDegenerate when the fit has no answer; never changes the pool."""

    def load(self, state: State) -> Model:
        """The model whose `state` this is."""


@runtime_checkable
class Source(Protocol):
    """Real data. Draws, validation and reference are disjoint from each other for good.

    May also offer `law` (the exact Mixture it is), `items` (`numbers`, the default; `categories`: codes from 0 in one
    column, with `frequencies` (K,) of the truth and `labels`; `images` of 8 bits, with the `shape` of one,
    `training`: a Corpus of all that can be drawn, and `features`; or `text`, blocks of tokens, with `shape`,
    `training`, the size of the `vocabulary`, its `coding`, and, of rows that are a question and its answer, how many
    tokens the `question` takes), and `statistics(kind, n, rng)`: the sufficient statistics of n real rows, exact in
    law.
    """

    columns: tuple[str, ...]
    rows: int | None  # how many different rows a draw can have; None when there is no end of them

    def draw(self, n: int, rng: Stream) -> Corpus:
        """N real rows, all different."""

    def validation(self, n: int) -> Corpus:
        """Up to n held-out rows for choices made while training."""

    def reference(self, n: int) -> Corpus:
        """Up to n held-out rows that no policy can train on."""


class Trial(NamedTuple):
    """A fit cut short: how long the whole of it would take, on what device, and what has come of it."""

    seconds: float
    device: str
    model: Model


class Rows(NamedTuple):
    """How many rows of each origin make the next pool."""

    synthetic: int
    previous: int
    original: int
    fresh: int


@runtime_checkable
class Policy(Protocol):
    """How the next pool is blended: p(i+1) = alpha p_theta(i+1) + beta p(i) + gamma p(0)."""

    @property
    def anchor(self) -> str:
        """Which original rows are kept: `fixed` or `redrawn`."""

    def __hash__(self) -> int:
        """Policies are frozen: plans are cached by them."""

    def rows(self, generation: int, samples: int, pool: int) -> Rows:
        """Rows of the pool of `generation` (from 1), given this generation's samples and the previous pool's rows."""

    def budget_rows(self, generation: int, samples: int) -> int | None:
        """Rows of that pool which are fitted, or None for all."""


Place = Literal["made", "fitted"]


class Scene(NamedTuple):
    """What a stage may look at. The reference is not among it.

    generation: of the fit that the rows are for. samples: rows that are new in its pool, real ones among them. due: how
    many of those the model is asked for. model: the one before, of generation - 1. original: the real rows of
    generation 0, and the names of their columns. trusted: up to n real rows that are held out for choices while
    training. more: n further rows of that model, gone through the stages before this one; None where rows are a pool.
    """

    generation: int
    samples: int
    due: int
    model: Model
    original: Corpus
    columns: tuple[str, ...]
    trusted: Callable[[int], Corpus]
    more: Callable[[int], Corpus] | None = None


class Passed(NamedTuple):
    """The rows that go on, and how many of them the stage wrote over or put in."""

    rows: Corpus
    altered: int = 0


@runtime_checkable
class Stage(Protocol):
    """A frozen dataclass of settings; `on` says where it acts."""

    @property
    def on(self) -> Place:
        """Whether it takes rows just `made`, or the pool about to be `fitted`."""

    def __call__(self, rows: Corpus, scene: Scene, rng: Stream) -> Passed:
        """The rows that go on. Raises InputError where it cannot act on such rows, FitDegenerate where none is left."""


@dataclass
class Tally:
    """What a stage did in one generation: rows it was given, rows that went on, and those it wrote over or put in."""

    name: str
    seen: int = 0
    passed: int = 0
    altered: int = 0

    @property
    def dropped(self) -> int:
        """Rows that were given to it and did not go on as they were."""
        return self.seen - (self.passed - self.altered)


class Stretch(NamedTuple):
    """A stretch of generations first + 1 .. first + len(synthetic) for `Learner.evolve`."""

    first: int
    synthetic: NDArray[np.int64]
    original: NDArray[np.int64]
    redrawn: bool
    real: NDArray[np.float64]  # the original rows (N, d)
    sample: Stream
    fit: Stream
    anchor: Stream


class Reading(NamedTuple):
    """One measured number: with the interval of its own measurement error where it has one, or why there is none."""

    value: float
    low: float | None = None
    high: float | None = None
    why: str | None = None


class Quantity(NamedTuple):
    """What a measured number is: its unit, which way is collapse (down, up, away, none), what it should be at truth."""

    unit: str
    collapse: str
    null: float | None
    about: str


class Measure(NamedTuple):
    """A measure: what it takes, what it gives, what it costs, where it comes from."""

    name: str
    take: Callable[[Generation, Any], Readings]
    quantities: Mapping[str, Quantity]
    heavy: bool  # taken at the snapshot generations of a few chains only
    cite: str
    needs: str = "numbers"  # what the rows must be: numbers, categories, images, text or any
    sees: bool = False  # whether it looks at images through the classifier, which is trained before the run then
    named: bool = False  # whether it is taken only where `measures` names it


Readings = Mapping[str, float | Reading | NDArray[np.float64]]


class Generation(NamedTuple):
    """One generation of a chain: the pool it was fitted on and the model.

    The pool is None after a compiled stretch, which never builds it; such a policy does not need it either. stages:
    what each stage did to its rows; nothing for a generation that was read from a store.
    """

    t: int
    pool: Pool | None
    model: Model
    stages: tuple[Tally, ...] = ()
