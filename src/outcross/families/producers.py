"""Several models that feed one pool: each is retrained on all of it in its own time, each writes its share.

learner:
  kind: producers
  learners: {ours: {kind: gmm}, theirs: {kind: kde}}
  every: {theirs: 5}
  share: {ours: 0.2, theirs: 0.8}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.compiled import choose
from outcross.core.contracts import Learner as AnyLearner
from outcross.core.contracts import Model, State, Trial, node
from outcross.core.corpus import Corpus, intensities
from outcross.core.errors import FitDegenerate, require
from outcross.core.mixture import Mixture
from outcross.core.policies import apportioned
from outcross.core.rng import Stream

Array = NDArray[np.float64]
_COMMON: dict[str, Any] = {"items": "numbers", "prompts": "none", "question": 0}  # with what a learner has unsaid
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}")


@dataclass(frozen=True, eq=False)
class Together:
    """Models by name, and the share of all rows that each makes, in the order of their names.

    `law`, `log_prob`, `probabilities`, `surprisal`, `known` and `labelled` are those of the mixture, offered where all
    models offer them.
    """

    models: Mapping[str, Any]
    share: Mapping[str, float]

    def sample(self, n: int, rng: Stream, given: Corpus | None = None) -> NDArray[Any]:
        """N rows, as many of each model as its share says, whatever chance has it, at places drawn at random.

        given: n blocks to continue, of which each model gets those at its places.
        """
        due = self._places(n, rng)
        return _laid({name: (at, self._made(name, at, rng.part(name), given)) for name, at in due.items()})

    def _places(self, n: int, rng: Stream) -> dict[str, NDArray[np.int64]]:
        """Which of n rows each model makes, of those that make any."""
        counts = apportioned([self.share[name] for name in self.models], n)
        places = np.split(choose(n, n, rng.words()), np.cumsum(counts)[:-1])
        return {name: at for name, at in zip(self.models, places, strict=True) if len(at)}

    def _made(self, name: str, at: NDArray[np.int64], rng: Stream, given: Corpus | None) -> NDArray[Any]:
        model = self.models[name]
        takes = given is not None and (model.prompted or not self.prompted)
        rows = model.sample(len(at), rng, given.take(at)) if takes and given is not None else model.sample(len(at), rng)
        return intensities(rows) if rows.dtype == np.uint8 else np.asarray(rows)  # others may be of intensities

    def state(self) -> State:
        """The states of all models, their names before those of the arrays."""
        return {f"{name}/{key}": array for name, model in self.models.items() for key, array in model.state().items()}

    @property
    def labelled(self) -> Callable[[int, Stream], tuple[NDArray[Any], NDArray[Any]]]:
        """N rows, and the label of each."""
        self._each("labelled")

        def drawn(n: int, rng: Stream) -> tuple[NDArray[Any], NDArray[Any]]:
            due = self._places(n, rng)
            made = {name: self.models[name].labelled(len(at), rng.part(name)) for name, at in due.items()}
            rows, labels = ({name: (at, made[name][side]) for name, at in due.items()} for side in (0, 1))
            return _laid(rows), _laid(labels)

        return drawn

    @property
    def prompted(self) -> bool:
        """Whether some of its rows continue prompts."""
        return any(getattr(model, "prompted", False) for model in self.models.values())

    @property
    def question(self) -> int:
        """How many tokens of its prompt a row keeps; the same of all models."""
        return max(getattr(model, "question", 0) for model in self.models.values())

    def _each(self, name: str) -> list[tuple[float, Any]]:
        """What each model that writes offers, after its share. Raises AttributeError unless all of them offer it."""
        writing = [(self.share[key], model) for key, model in self.models.items() if self.share[key] > 0.0]
        found = [(share, getattr(model, name, None)) for share, model in writing]
        if any(part is None for _, part in found):
            raise AttributeError(f"not every model offers {name}")
        return found

    @cached_property
    def law(self) -> Mixture:
        """The exact mixture of Gaussians that it is."""
        laws = self._each("law")
        weights = np.concatenate([share * law.weights for share, law in laws])
        means, spreads = (np.concatenate([getattr(law, name) for _, law in laws]) for name in ("means", "covariances"))
        return Mixture(weights, means, spreads)

    @cached_property
    def probabilities(self) -> Array:
        """Probability of each category (K,)."""
        each = self._each("probabilities")
        whole = np.zeros(max(len(p) for _, p in each))
        for share, p in each:
            whole[: len(p)] += share * p
        return whole

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which tokens some model was fitted on (vocabulary,)."""
        return np.asarray(np.logical_or.reduce([known for _, known in self._each("known")]))

    @property
    def log_prob(self) -> Callable[[Any], Array]:
        """Log density of each row, nats."""
        each = self._each("log_prob")
        return lambda items: _mixed([share for share, _ in each], [density(items) for _, density in each])

    @property
    def surprisal(self) -> Callable[[NDArray[np.int32]], Array]:
        """- log p of each token but the first, given those before it in its block: nats (n, block - 1).

        One model writes the whole block; what it has written so far tells which. The first token does not: it is taken
        to be as likely under each, as it is where blocks begin alike.
        """
        each = self._each("surprisal")

        def told(blocks: NDArray[np.int32]) -> Array:
            paths = [-np.cumsum(np.asarray(loss(blocks), np.float64), axis=1) for _, loss in each]
            path = _mixed([share for share, _ in each], paths)
            return np.maximum(-np.diff(path, axis=1, prepend=0.0), 0.0)  # rounding alone makes it negative

        return told


def _laid(parts: Mapping[str, tuple[NDArray[np.int64], NDArray[Any]]]) -> NDArray[Any]:
    """Rows of all parts, each at its places."""
    first = next(rows for _, rows in parts.values())
    n = sum(len(at) for at, _ in parts.values())
    laid = np.empty((n, *first.shape[1:]), np.result_type(*(rows for _, rows in parts.values())))
    for at, rows in parts.values():
        laid[at] = rows
    return laid


def _mixed(shares: list[float], logs: list[Array]) -> Array:
    """Log of the mean of exponentials, by shares."""
    return np.asarray(np.logaddexp.reduce([np.log(share) + log for share, log in zip(shares, logs, strict=True)]))


@dataclass(frozen=True)
class Learner:
    """learners: by name, what each model is. every: by name, generations from one of its fits to the next, 1 where
    nothing is said; at generation 0 all are fitted. share: by name, the share of generated rows that it makes, equal
    ones where nothing is said.

    A model is the same, and draws the same numbers, whatever other models there are beside it.
    Raises InputError unless there is a learner, all fit the same kind of rows, names are those of learners, intervals
    are 1 or more, and shares sum to 1.
    """

    learners: Mapping[str, Any] = node("families", many=True)
    every: Mapping[str, int] = field(default_factory=dict)
    share: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(len(self.learners) > 0, "learners is empty: name at least one")
        for name in self.learners:
            ok = _NAME.fullmatch(name) is not None
            require(ok, f"learners: names are letters, digits, '.', '_' and '-', 41 at most, got {name!r}")
        object.__setattr__(self, "learners", dict(sorted(self.learners.items())))
        for setting in ("every", "share"):
            strange = [name for name in getattr(self, setting) if name not in self.learners]
            require(not strange, f"{setting}: no learner {', '.join(strange)}; there are {', '.join(self.learners)}")
        self._check_intervals()
        self._check_shares()
        for kind in _COMMON:
            self._one(kind)

    def _check_intervals(self) -> None:
        for name, every in self.every.items():
            whole = isinstance(every, int) and not isinstance(every, bool) and every >= 1
            require(whole, f"every.{name} is a whole number of generations, 1 or more, got {every!r}")

    def _check_shares(self) -> None:
        if not self.share:
            object.__setattr__(self, "share", dict.fromkeys(self.learners, 1.0 / len(self.learners)))
        lacking = [name for name in self.learners if name not in self.share]
        require(not lacking, f"share: {', '.join(lacking)} has none; say it for all learners or for none")
        for name, share in self.share.items():
            require(0.0 <= share <= 1.0, f"share.{name} is a share in [0, 1], got {share:g}")
        whole = sum(self.share.values())
        require(abs(whole - 1.0) < 1e-9, f"share: all of them sum to {whole:g}: they must sum to 1")

    def __hash__(self) -> int:
        return hash((*self.learners.items(), repr(self.every), repr(self.share)))

    def _one(self, kind: str) -> Any:
        """What all learners have in common: the items that they fit, their question, or the prompts of those that take
        any.
        """
        default = _COMMON[kind]
        each = {name: getattr(learner, kind, default) for name, learner in self.learners.items()}
        said = {v for v in each.values() if kind != "prompts" or v != default} or {default}
        told = ", ".join(f"{name} {value}" for name, value in each.items())
        require(len(said) == 1, f"learners of one pool have the same {kind}, these have different ones: {told}")
        return next(iter(said))

    @property
    def items(self) -> str:
        """What its rows are."""
        return str(self._one("items"))

    @property
    def prompts(self) -> str:
        """Which blocks are continued by the models that continue any."""
        return str(self._one("prompts"))

    @property
    def question(self) -> int:
        """How many tokens of its prompt a row keeps."""
        return int(self._one("question"))

    @property
    def validates(self) -> bool:
        """Whether some fit looks at validation data."""
        return any(getattr(learner, "validates", False) for learner in self.learners.values())

    def least(self, columns: int) -> int:
        """Rows that a fit needs at least."""
        return max(getattr(learner, "least", lambda _: 1)(columns) for learner in self.learners.values())

    def fingerprint(self) -> str:
        """SHA-256 of every pretrained model; nothing without one."""
        return "".join(getattr(learner, "fingerprint", str)() for learner in self.learners.values())

    def due(self, name: str, generation: int) -> bool:
        """Whether a model is fitted anew in a generation."""
        return generation % self.every.get(name, 1) == 0

    def fit(self, pool: Corpus, rng: Stream, previous: Any = None, validation: Corpus | None = None) -> Together:
        """Fit those that are due. Raises FitDegenerate, with the name, when one of these fits has no answer."""
        models = {
            name: self._fit(name, pool, rng, previous, validation)
            if previous is None or self.due(name, rng.generation)
            else previous.models[name]
            for name in self.learners
        }
        return Together(models, self.share)

    def _fit(self, name: str, pool: Corpus, rng: Stream, previous: Any, validation: Corpus | None) -> Model:
        learner: Any = self.learners[name]
        held = {"validation": validation} if getattr(learner, "validates", False) else {}
        try:
            before = None if previous is None else previous.models[name]
            return learner.fit(pool, rng.part(name), before, **held)  # type: ignore[no-any-return]
        except FitDegenerate as e:
            raise FitDegenerate(f"{name}: {e.reason}") from e

    def load(self, state: State) -> Together:
        """The models whose states these are."""
        parts: dict[str, State] = {name: {} for name in self.learners}
        for key, array in state.items():
            name, _, rest = key.partition("/")
            parts[name][rest] = array
        return Together({name: self.learners[name].load(part) for name, part in parts.items()}, self.share)

    @property
    def trial(self) -> Callable[[Corpus, Stream], Trial]:
        """How long a fit would take, on the mean over generations; offered where one of the learners offers it."""
        if not any(hasattr(learner, "trial") for learner in self.learners.values()):
            raise AttributeError("no fit of these learners takes minutes")
        return self._trial

    def _trial(self, pool: Corpus, rng: Stream) -> Trial:
        tried = {name: _tried(learner, pool, rng.part(name)) for name, learner in self.learners.items()}
        seconds = sum(t.seconds / self.every.get(name, 1) for name, t in tried.items())
        device = next((t.device for t in tried.values() if t.device != "cpu"), "cpu")
        return Trial(seconds, device, Together({name: t.model for name, t in tried.items()}, self.share))


def _tried(learner: AnyLearner, pool: Corpus, rng: Stream) -> Trial:
    """A trial, or a whole fit of a learner that needs none: it takes next to no time."""
    found = getattr(learner, "trial", None)
    return found(pool, rng) if found is not None else Trial(0.0, "cpu", learner.fit(pool, rng))


__all__ = ["Learner", "Together"]
