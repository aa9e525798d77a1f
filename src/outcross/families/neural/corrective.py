"""What learners that correct a model by its own samples share: the base, an auxiliary fine-tuned on what the base made,
and how far to go away from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import State, Trial, node
from outcross.core.corpus import Corpus, eight_bit
from outcross.core.errors import FitDegenerate, InputError, require
from outcross.core.rng import Purpose, Stream
from outcross.families.neural.judging import Judge

_LATER = {Purpose.FLOOR_FIT: Purpose.FLOOR_AUXILIARY}
_OWN, _CHOICE = 32, 33  # shards of the auxiliary's stream: a fit itself takes lower ones


@dataclass(frozen=True)
class Corrective:
    """learner: the base's. weight: how far to extrapolate away from the auxiliary, 0 being the base; `auto` takes from
    `grid` what brings samples (of text: the loss) nearest to real validation data, by up to `judged` rows of each side,
    all candidates with the same noise. samples: rows that the base makes for the auxiliary, as a multiple of the pool.
    auxiliary: settings laid over the learner's for its training, epochs for instance.
    """

    learner: Any = node("families", {"kind": "diffusion"})
    weight: float | Literal["auto"] = "auto"
    grid: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
    samples: float = 1.0
    auxiliary: dict[str, Any] = field(default_factory=dict)
    judged: int = 10_000

    def __post_init__(self) -> None:
        self.check_base()
        object.__setattr__(self, "grid", tuple(self.grid))  # hashable, and as YAML gives a list
        auto = self.weight == "auto"
        known = auto or not isinstance(self.weight, str)
        require(known, f"weight is a number or auto, got {self.weight!r}")
        require(0.0 in self.grid, f"grid holds 0, the base itself, so that it can win; got {list(self.grid)}")
        for w in self.grid if auto else (self.weight,):
            require(math.isfinite(float(w)), f"weight is finite, got {w}")
            self.check_weight(float(w))
        require(self.samples > 0.0, f"samples is a positive multiple of the pool, got {self.samples:g}")
        require(self.judged >= 2, f"judged is 2 or more, got {self.judged}")
        self._check_auxiliary()

    def _check_auxiliary(self) -> None:
        """Raise InputError for a setting that is not about training: those make another network, or do nothing."""
        known = self.learner.trains_by
        for key in self.auxiliary:
            require(
                key in known,
                f"auxiliary.{key}: the auxiliary is the base trained further, so only its training can differ: "
                f"{', '.join(known)}",
            )
        try:
            self.second  # noqa: B018  checks the values
        except (InputError, TypeError) as e:
            raise InputError(f"auxiliary: {e}") from e

    def check_base(self) -> None:
        """Raise InputError unless the base is a learner that can be corrected like this."""
        raise NotImplementedError

    def check_weight(self, weight: float) -> None:
        """Raise InputError for a weight that has no meaning here."""

    def combined(self, base: Any, auxiliary: Any, weight: float, tried: NDArray[np.float64]) -> Any:
        """The model that goes by `weight` away from the auxiliary. tried: (candidates, 2), weights and distances."""
        raise NotImplementedError

    def base_of(self, model: Any) -> Any:
        """The model of the learner inside that a warm start continues."""
        raise NotImplementedError

    @property
    def second(self) -> Any:
        """The learner that trains the base further."""
        return replace(self.learner, **{**self.auxiliary, "init": "previous"})

    @property
    def items(self) -> str:
        """What its rows are."""
        return getattr(self.learner, "items", "numbers")

    @property
    def streams(self) -> bool:
        """Whether it fits pools whose rows are drawn anew for every pass."""
        return getattr(self.learner, "streams", False)

    @property
    def prompts(self) -> str:
        """Whether its rows continue prompts."""
        return getattr(self.learner, "prompts", "none")

    @property
    def question(self) -> int:
        """How many tokens of its prompt a row keeps."""
        return int(getattr(self.learner, "question", 0))

    @property
    def validates(self) -> bool:
        """Whether a fit looks at validation data."""
        return self.weight == "auto" or getattr(self.learner, "validates", False)

    def least(self, columns: int) -> int:
        """Rows that a fit needs at least."""
        return int(getattr(self.learner, "least", lambda columns: 1)(columns))

    def fingerprint(self) -> str:
        """Of the base's own data, if it has any."""
        return str(getattr(self.learner, "fingerprint", str)())

    def fit(self, pool: Any, rng: Stream, previous: Any = None, validation: Corpus | None = None) -> Any:
        """Fit the base, have it make rows, train it further on those, choose the weight.

        Raises FitDegenerate where the base does, InputError for weight=auto without validation data.
        """
        held = {"validation": validation} if getattr(self.learner, "validates", False) else {}
        before = None if previous is None else self.base_of(previous)
        base: Any = self.learner.fit(pool, rng, before, **held)
        later = rng._replace(purpose=_LATER.get(Purpose(rng.purpose), Purpose.AUXILIARY))
        own = own_rows(base, max(2, round(self.samples * len(pool))), later._replace(shard=_OWN), pool)
        auxiliary = self.second.fit(own, later, base)
        if self.weight != "auto":
            return self.combined(base, auxiliary, float(self.weight), np.empty((0, 2)))
        require(validation is not None, "weight=auto needs real validation data: fit through a run, or give a number")
        assert validation is not None
        return self._chosen(base, auxiliary, validation, later._replace(shard=_CHOICE))

    def _chosen(self, base: Any, auxiliary: Any, validation: Corpus, rng: Stream) -> Any:
        """The candidate that is nearest to validation data; the one nearest to the base where several are."""
        held, seen = validation.take(slice(0, self.judged)), np.array(sorted(self.grid, key=abs))
        judge = None if self.items == "text" else Judge(held.items, rng.generator())

        def of(weight: float) -> float:
            try:
                model = self.combined(base, auxiliary, weight, np.empty((0, 2)))
                if judge is None:
                    return float(np.mean(model.surprisal(held.items)))
                return judge.distance(model.sample(self.judged if self.items == "numbers" else len(held), rng))
            except FitDegenerate:  # extrapolated too far
                return math.inf

        distances = np.array([of(float(w)) for w in seen])
        best = int(np.argmin(np.where(np.isnan(distances), math.inf, distances)))
        return self.combined(base, auxiliary, float(seen[best]), np.column_stack([seen, distances]))

    def trial(self, pool: Corpus, rng: Stream) -> Trial:
        """How long a fit would take: the base's, the auxiliary's. The choice of a weight is not counted."""
        first, second = self.learner.trial(pool, rng), self.second.trial(pool, rng)
        weight = max(self.grid) if self.weight == "auto" else self.weight
        model = self.combined(first.model, first.model, float(weight), np.empty((0, 2)))
        return Trial(first.seconds + self.samples * second.seconds, first.device, model)


def own_rows(model: Any, n: int, rng: Stream, pool: Any) -> Corpus:
    """N rows of a model as a pool that it can be trained on; of text, what continues the rows of the pool.

    Raises FitDegenerate where a row is not finite.
    """
    born = rng.generation + 1
    if getattr(model, "vocabulary", None) is not None:
        given = pool.take(np.resize(np.arange(len(pool)), n)) if getattr(model, "prompted", False) else None
        return Corpus.text(model.sample(n, rng, given), model.vocabulary, born=born)
    labels = None
    if hasattr(model, "labelled"):
        made, labels = model.labelled(n, rng)
    else:
        made = model.sample(n, rng)
    if not np.isfinite(made).all():
        raise FitDegenerate("the base made rows that are not finite")
    return Corpus.of(eight_bit(made) if made.ndim > 2 else made, born, labels)


def under(name: str, state: Mapping[str, Any]) -> State:
    """A state with a name before each of its own."""
    return {f"{name}.{key}": value for key, value in state.items()}


def within(name: str, state: Mapping[str, Any]) -> State:
    """The part of a state that is under a name."""
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def told(weight: float, tried: NDArray[np.float64]) -> dict[str, float]:
    """The weight in use; where it was chosen, the distance (of text: the loss) of the base and of the chosen one."""
    if not len(tried):
        return {"weight": weight}
    return {"weight": weight, "base": float(tried[0, 1]), "chosen": float(tried[tried[:, 0] == weight][0, 1])}
