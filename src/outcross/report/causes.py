"""Causes: how much of the drift of a factorial run is finite samples, the family, learning, or the sampler."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Quantity
from outcross.core.errors import InputError, require
from outcross.core.stats import Interval
from outcross.plan.decomposition import Decomposition, Part, decompose, fitted_power, limit
from outcross.report.charts import number, span
from outcross.report.frames import Frame, finite
from outcross.runs import plugins
from outcross.runs.causes import LEARNED, STATISTICAL, Combination, combinations, is_factorial

Array = NDArray[np.float64]
Scale = Literal["raw", "log"]
NOUN = {
    STATISTICAL: "finite samples",
    "expressivity": "the family",
    "approximation": "learning",
    "sampler": "the sampler",
}
_WHY = {
    STATISTICAL: "chance can undo part of a bias",
    "expressivity": "a richer family has more to estimate from the same rows",
    "approximation": "a fit that is cut short follows the chance of its rows less closely",
    "sampler": "what a rule of drawing takes away can be an error of the model",
}
_REMEDY = {
    STATISTICAL: "more rows",
    "expressivity": "a richer family",
    "approximation": "better learning",
    "sampler": "ancestral sampling",
}
_LEFT = "left when every cause that an arm isolates is removed"
# what a drift is measured by unless something else is asked for: what falls like 1/rows, the fullest first
CHIEF = (
    "kl_divergence", "kl_to_truth", "coefficient_error", "heterozygosity_ratio", "kid", "cross_entropy", "log_loss",
    "w2_gaussian",
)  # fmt: skip
_ROOT = ("total_variation", "shape_ks", "class_tv")  # fall like 1/sqrt(rows); distances in sd are squared
_OF_TEXT = ("nats a token", "perplexity")  # fall more slowly: there is always another rare word
_SLOWEST = 0.25  # power of the rows below which a limit is too far away to be told
_WORTH = 0.05  # share of the drift from which removing a cause is said to help


class Drift(NamedTuple):
    """How a measured number becomes a drift: how far it is from the truth, towards collapse."""

    measure: str
    quantity: Quantity
    scale: Scale

    @property
    def squared(self) -> bool:
        """Whether it is the square that is shared out: the squares of distances are what falls like 1/rows."""
        return self.quantity.unit == "sd" and self.quantity.null == 0.0

    @property
    def power(self) -> float | None:
        """The error of a fit falls like rows^-power; None where that is for the run to tell, as with text."""
        if self.quantity.unit in _OF_TEXT:
            return None
        return 0.5 if self.measure in _ROOT else 1.0

    @property
    def name(self) -> str:
        """The drift in words."""
        what = f"{self.measure}{' squared' if self.squared else ''}"
        return f"log {what}" if self.scale == "log" else what

    @property
    def unit(self) -> str:
        """Its unit."""
        if self.scale == "log":
            return "nats"
        return f"{self.quantity.unit} squared" if self.squared else self.quantity.unit

    @property
    def about(self) -> str:
        """What it is, for people."""
        if self.quantity.null is None:
            return f"{self.name} ({self.unit}) beyond that of the best fit to real rows, generation 0 without any cause"
        away = "below" if self.quantity.collapse == "down" else "above"
        return f"{self.name} ({self.unit})" + (
            f" {away} {self.quantity.null:g}, the truth" if self.quantity.null else ""
        )

    def of(self, values: Array) -> Array:
        """Measured numbers as drift; without a known truth, up to a constant."""
        null, sign = self.quantity.null, -1.0 if self.quantity.collapse == "down" else 1.0
        if self.squared:
            return values**2
        if self.scale == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log(values)
            null = None if null is None else float(np.log(null))
        return np.asarray(sign * (values - (null or 0.0)))


class Attribution:
    """The drift of a factorial run, shared out among causes at every recorded generation.

    Raises InputError for a run that is no factorial, or a measure that was not taken or has no direction.
    """

    def __init__(self, frame: Frame, measure: str | None = None, scale: Scale = "raw") -> None:
        require(
            is_factorial(frame.experiment),
            f"{frame.directory}: not a decomposition; `outcross decompose EXPERIMENT` makes one",
        )
        require(scale in get_args(Scale), f"scale is {' or '.join(get_args(Scale))}, got {scale!r}")
        self.frame = frame
        self.causes = frame.experiment.causes
        self.drift = _drift(frame, measure, scale)
        require(bool(self.generations), f"{self.drift.measure}: fewer than two chains have a number in every arm")

    @property
    def levels(self) -> tuple[int, ...]:
        """Multiples of the samples in use."""
        assert not isinstance(self.causes.rows, str)
        return self.causes.rows

    @property
    def isolated(self) -> list[str]:
        """Causes that some arm is without."""
        rows = [STATISTICAL] if len(self.levels) > 1 else []
        return rows + [c for c in LEARNED if isinstance(getattr(self.causes, c), dict)]

    @property
    def confounded(self) -> list[str]:
        """Causes that no arm isolates: what they make is in what is left."""
        rows = [] if len(self.levels) > 1 else [STATISTICAL]
        return rows + [c for c in LEARNED if getattr(self.causes, c) == "confounded"]

    @property
    def generations(self) -> list[int]:
        """Generations at which there is something to share out."""
        return sorted(self._by_generation)

    def at(self, generation: int | None = None) -> Decomposition:
        """The decomposition at a recorded generation, the last by default. Raises InputError if it was not recorded."""
        at = self.generations[-1] if generation is None else generation
        if at not in self._by_generation:
            raise InputError(
                f"generation {at}: no drift of {self.drift.measure} was recorded in every arm; there are "
                f"{', '.join(map(str, self.generations))}"
            )
        return self._by_generation[at]

    @cached_property
    def _by_generation(self) -> dict[int, Decomposition]:
        start = self._baseline()
        return {
            g: decompose(*(self._arranged(levels - start)), self.isolated)
            for g, levels in self._levels.items()
            if levels.shape[-1] > 1
        }

    @cached_property
    def _levels(self) -> dict[int, Array]:
        return {g: self._drifts(g) for g in self.frame.experiment.records()}

    @cached_property
    def _best(self) -> Array:
        """Drift of the best fits to real rows, generation 0 without what settings remove: (levels, chains)."""
        first = self._levels[0]
        return first.reshape(len(first), -1, first.shape[-1])[:, 0]

    @cached_property
    def power(self) -> float:
        """The error of a fit falls like rows^-power: known, or fitted to the best fits to real rows."""
        known = self.drift.power
        if known is None and self._best.shape[-1]:
            known = fitted_power(self._best.mean(axis=-1), self.levels)
        return 1.0 if known is None else known

    def _drifts(self, generation: int) -> Array:
        """Drift of every arm in the chains that have a number in all: (levels,) + (2,) * learned causes + (chains,)."""
        number = {cell.arm: i for i, cell in enumerate(self.frame.cells)}
        arms = {c: self._values(number[c.name], generation) for c in combinations(self.causes)}
        chains = sorted(set.intersection(*(set(values) for values in arms.values())))
        learned = [c for c in self.isolated if c != STATISTICAL]
        found = np.empty((len(self.levels), *(2,) * len(learned), len(chains)))
        for one, values in arms.items():
            found[_place(one, self.levels, learned)] = self.drift.of(np.array([values[c] for c in chains]))
        return found

    def _values(self, cell: int, generation: int) -> dict[int, float]:
        read = ((chain, named.get(generation, {})) for (c, chain), named in self.frame.by_chain.items() if c == cell)
        there = {chain: r[self.drift.measure].value for chain, r in read if self.drift.measure in r}
        return {chain: value for chain, value in there.items() if np.isfinite(self.drift.of(np.array(value)))}

    def _baseline(self) -> float:
        """What counts as no drift where the truth's own value is not known: the best that was fitted on real rows."""
        if self.drift.quantity.null is not None or not self._best.shape[-1]:
            return 0.0
        return float(np.mean(self._limit(self._best)[0]))

    @property
    def reaches(self) -> bool:
        """Whether the levels tell the limit of infinitely many rows: errors that hardly fall do not."""
        return len(self.levels) > 1 and self.power >= _SLOWEST

    def _limit(self, levels: Array) -> tuple[Array, Array]:
        return limit(levels, self.levels, self.power) if self.reaches else (levels[-1], levels[-1])

    def _arranged(self, levels: Array) -> tuple[Array, Array]:
        """The drift with and without finite samples along the first axis, by two ways to the limit."""
        if len(self.levels) == 1:
            return levels[0], levels[0]
        one, other = self._limit(levels)
        return np.stack([one, levels[0]]), np.stack([other, levels[0]])

    def sentence(self, generation: int | None = None) -> str:
        """The finding: the chief cause, its share, and what removing each cause alone would do."""
        found = self.at(generation)
        at = self.generations[-1] if generation is None else generation
        chief = max(found.parts, key=lambda p: p.value.value)
        if not np.isfinite(chief.share.value):
            return f"No drift of {self.drift.name} to share out at generation {at:,}: it cannot be told from none"
        left = found.left_share.value > chief.share.value
        share, what = (found.left_share, _LEFT) if left else (chief.share, NOUN[chief.cause])
        value, low, high = (percentage(v) for v in share)
        text = f"{value} % [{low}, {high}] of the drift ({self.drift.name}) by generation {at:,} is {what}"
        ordered = sorted(found.parts, key=lambda p: -p.value.value)
        said = [f"{_REMEDY[p.cause]} {does(p, found.total.value)}" for p in ordered]
        return f"{text}; {', '.join(said)}"

    def notes(self, generation: int | None = None) -> list[str]:
        """What a reader has to know of the numbers, a sentence each."""
        found, e = self.at(generation), self.frame.experiment
        n = f"{found.chains:,} of {e.chains:,} chains" if found.chains < e.chains else f"{e.chains:,} chains"
        wider = ", widened by how far two extrapolations in the number of rows differ" if self.reaches else ""
        notes = [
            f"Drift: {self.drift.about}; {self.drift.scale} scale. Means over {n}, paired by seed, with Student's 95 % "
            f"intervals{wider}."
        ]
        if found.chains < e.chains:
            notes.append("Chains without a number in some arm are left out: what they would tell is not known.")
        if self.confounded:
            named = " and ".join(NOUN[c] for c in self.confounded)
            notes.append(f"Confounded: no arm isolates {named}; what comes of it is in what is left.")
        against = [p for p in found.parts if p.value.high < 0.0]
        if against:
            named = " and ".join(NOUN[p.cause] for p in against)
            notes.append(
                f"Negative: with {named} as in use the drift is smaller than without; {_WHY[against[0].cause]}."
            )
        if found.additivity is not None:
            notes.append(
                f"Any combination foretold from all others is off by {number(abs(found.additivity.value))} "
                f"(interaction of all causes: {span(found.additivity.low, found.additivity.high)})."
            )
        return notes

    def json(self) -> dict[str, Any]:
        """The stable machine-readable form."""
        return {
            "run": str(self.frame.directory),
            "measure": self.drift.measure,
            "drift": self.drift.name,
            "unit": self.drift.unit,
            "scale": self.drift.scale,
            "rows": list(self.levels),
            "causes": {c: self.told(c) for c in (STATISTICAL, *LEARNED)},
            "sentence": self.sentence(),
            "generations": [{"generation": g, **_plain(self.at(g))} for g in self.generations],
        }

    @property
    def removed(self) -> list[str]:
        """How each cause was removed, in words."""
        return [f"{_capital(NOUN[c])} removed by {self.told(c)}." for c in self.isolated]

    def told(self, cause: str) -> str:
        """How a cause was removed, or why it was not."""
        if cause == STATISTICAL:
            return self._told_of_rows
        settings = getattr(self.causes, cause)
        return settings if isinstance(settings, str) else ", ".join(f"{k}: {v}" for k, v in settings.items())

    @property
    def _told_of_rows(self) -> str:
        if len(self.levels) == 1:
            return "confounded"
        if not self.reaches:
            return (
                f"{self.levels[-1]:,} times the rows; what still more would take off cannot be told: errors fall too "
                f"slowly for that (rows^-{self.power:.2g}, fitted to generation 0)"
            )
        fitted = "fitted to generation 0, " if self.drift.power is None else ""
        levels = ", ".join(f"{m:,}" for m in self.levels)
        return f"the limit from {levels} times the rows ({fitted}errors that fall like rows^-{self.power:.3g})"

    def __repr__(self) -> str:
        return self.sentence()


def does(part: Part, total: float) -> str:
    """What removing a cause alone does, as a verb."""
    if part.alone.low > 0.0 and part.alone.value >= _WORTH * total:
        return "helps" if part.cause != STATISTICAL else "help"
    if part.alone.high < 0.0 and part.alone.value <= -_WORTH * total:
        return "hurts" if part.cause != STATISTICAL else "hurt"
    known = max(abs(part.alone.low), abs(part.alone.high)) < _WORTH * total or part.alone.high <= 0.0
    if known:
        return "does not" if part.cause != STATISTICAL else "do not"
    return "may or may not"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _place(one: Combination, levels: Sequence[int], learned: Sequence[str]) -> tuple[int, ...]:
    """Where a combination lies in the array of drifts."""
    return (levels.index(one.rows), *(int(c not in one.removed) for c in learned))


def _drift(frame: Frame, measure: str | None, scale: Scale) -> Drift:
    """What is shared out. Raises InputError for a measure that was not taken or cannot be a drift."""
    taken = {s.measure for s in frame.summaries if s.chains}
    name = measure or next((m for m in CHIEF if m in taken), None)
    if name is None or name not in taken:
        able = sorted(m for m in taken if (q := frame.quantities.get(m)) and q.collapse in ("up", "down"))
        raise InputError(f"no measure {name!r} was taken; {plugins.nearest(name or '', able)}")
    quantity = frame.quantities[name]
    require(
        quantity.collapse in ("up", "down"), f"{name} has no direction of collapse: it cannot be a drift; take another"
    )
    require(
        scale == "raw" or quantity.null != 0.0,
        f"{name} is 0 at the truth, so its logarithm has no zero to count from: use --scale raw",
    )
    return Drift(name, quantity, scale)


def _plain(found: Decomposition) -> dict[str, Any]:
    return {
        "chains": found.chains,
        "total": interval(found.total),
        "parts": [
            {
                "cause": p.cause,
                "value": interval(p.value),
                "share": interval(p.share),
                "removed_alone": interval(p.alone),
            }
            for p in found.parts
        ],
        "left": {"value": interval(found.left), "share": interval(found.left_share)},
        "interactions": [
            {"causes": list(j.causes), "value": interval(j.value), "share": interval(j.share)} for j in found.joint
        ],
        "additivity_error": None if found.additivity is None else interval(found.additivity),
    }


def interval(found: Interval) -> dict[str, float | None]:
    """An interval for JSON."""
    return {"value": finite(found.value), "low": finite(found.low), "high": finite(found.high)}


def percentage(share: float) -> str:
    """A share in per cent, without the sign."""
    return f"{100 * share:.0f}".replace("-", "\N{MINUS SIGN}") if np.isfinite(share) else "\N{EN DASH}"
