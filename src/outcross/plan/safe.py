"""How much real data keeps a loss within a tolerance, when a loss comes, and what else would do: answers with theorems.

Every answer is exact in expectation (a theorem, by its id in the table of oracles) or carries an interval, and says
what it rests on.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, expm1, inf, isfinite, log, log1p
from typing import Any, NamedTuple, get_args

from outcross.core.errors import require
from outcross.core.stats import Interval
from outcross.plan.chain import EXACT, Anchor, Setting, generations_until
from outcross.theory import accumulate, gaussian, mixing
from outcross.theory.discrete import effective_rows

_POINTS = 24  # of the trade-off curve
KEPT = "the mean and variance of a fit are those of its rows"
_THEOREM = {
    "fresh": "M1, M2, M6 (D6): recursion and fixed point with fresh real rows",
    "fixed": "M1, M3 (D6): recursion and fixed point with fixed real rows",
    "redrawn": "M1, M4: recursion and fixed point with real rows redrawn from as many as a set has",
}


class Answer(NamedTuple):
    """One question and its answer. low, high: equal to the value where a theorem gives it exactly."""

    key: str
    question: str
    value: float
    low: float
    high: float
    unit: str
    basis: str

    def json(self) -> dict[str, Any]:
        """Plain data; what never comes is null."""
        told = {
            k: v if isfinite(v) else None for k, v in (("value", self.value), ("low", self.low), ("high", self.high))
        }
        return {"key": self.key, "question": self.question, **told, "unit": self.unit, "basis": self.basis}


class Point(NamedTuple):
    """A point of the trade-off: real rows of every set, loss by then and for ever, and what single chains lose."""

    real: int
    share: float
    loss: float
    for_ever: float
    low: float
    high: float


class Plan(NamedTuple):
    """The answers and the whole trade-off."""

    setting: Setting
    tolerance: float
    answers: list[Answer]
    curve: list[Point]

    def answer(self, key: str) -> Answer:
        """An answer by its key."""
        return next(a for a in self.answers if a.key == key)

    @property
    def sentence(self) -> str:
        """The plan in a line: for the mean over chains, and for a single one where that is simulated."""
        s = self.setting
        what = "a rise of perplexity by" if s.measure == "perplexity" else f"a loss of {s.measure} of"
        asked = f"For {what} at most {share(self.tolerance)} by generation {s.generations:,}"
        text = f"{asked}: {self._kept('share')} ({s.middle})"
        if not any(a.key == "share_one_chain" for a in self.answers):
            return text
        return f"{text}; {self._kept('share_one_chain')} for 39 of 40 single chains"

    def _kept(self, key: str) -> str:
        s, value = self.setting, self.answer(key).value
        if not isfinite(value):
            return f"not even {s.rows:,} real rows do"
        if value == 0.0:
            return "no real rows are needed"
        return f"keep {round(value * s.rows):,} {s.anchor} real rows in {s.rows:,} ({share(value)})"

    def json(self) -> dict[str, Any]:
        """The stable machine-readable form."""
        return {
            "setting": {**vars(self.setting), "tolerance": self.tolerance},
            "sentence": self.sentence,
            "answers": [a.json() for a in self.answers],
            "curve": [{k: v if isfinite(v) else None for k, v in p._asdict().items()} for p in self.curve],
        }


def share(value: float) -> str:
    """A share for people: three digits, whatever its size."""
    return f"{100.0 * value:.3g} %".replace("-", "\N{MINUS SIGN}")


def shares(low: float, high: float) -> str:
    """A range of shares for people."""
    return f"{100.0 * low:.3g} to {100.0 * high:.3g} %".replace("-", "\N{MINUS SIGN}")


def plan(setting: Setting, tolerance: float) -> Plan:
    """Every answer for a setting. Raises InputError for a tolerance that is no share between 0 and 1."""
    require(0.0 < tolerance < 1.0, f"tolerance is a loss between 0 and 1, got {tolerance:g}")
    least = setting.smallest(tolerance)
    kept = round(least.value * setting.rows) if isfinite(least.value) else None
    found = [
        *_shares(setting, tolerance, least),
        *([] if kept is None else _with(setting, tolerance, kept)),
        *_without(setting, tolerance),
        *_accumulated(setting),
        *_otherwise(setting, tolerance, kept),
    ]
    return Plan(setting, tolerance, found, _curve(setting))


def _shares(s: Setting, tolerance: float, least: Interval) -> list[Answer]:
    """The smallest real shares, by then and for ever, of every kind of real rows."""
    question = f"smallest real share, {s.anchor} rows, by generation {s.generations:,}"
    answers = [Answer("share", question, *least, "share", _basis(s))]
    if s.measure in EXACT:
        for_ever = s.smallest(tolerance, "for ever")
        answers.append(Answer("share_for_ever", f"the same for ever, {s.anchor} rows", *for_ever, "share", _basis(s)))
    for anchor in get_args(Anchor):
        if anchor != s.anchor and s.measure in EXACT:
            other = replace(s, anchor=anchor)
            least = other.smallest(tolerance, "for ever")
            answers.append(
                Answer(f"share_{anchor}", f"the same for ever, {anchor} rows", *least, "share", _basis(other))
            )
    return answers


def _with(s: Setting, tolerance: float, kept: int) -> list[Answer]:
    """What is lost with a real share, and the share with which nearly every single chain stays within the tolerance."""
    by = f"generation {s.generations:,}"
    loss = s.loss(kept)
    answers = [Answer("loss", f"loss by {by} with that share, {s.middle}", *loss, "", _basis(s))]
    if not s.simulable(kept):
        return answers
    basis = f"2,000 chains drawn from the exact law of a Gaussian chain ({'M3' if s.anchor == 'fixed' else 'M1'}, G1)"
    question = "what 95 of 100 single chains lose with it"
    answers.append(Answer("loss_one_chain", question, loss.value, *s.chain_range(kept), "", basis))
    if s.simulable(0):
        question = f"smallest real share with which 39 of 40 single chains lose no more, by {by}"
        answers.append(Answer("share_one_chain", question, *s.smallest(tolerance, "chain"), "share", basis))
    return answers


def _basis(s: Setting) -> str:
    if s.measure in EXACT:
        return _THEOREM[s.anchor]
    return f"2,000 simulated Gaussian chains; {_THEOREM[s.anchor]}"


def _without(s: Setting, tolerance: float) -> list[Answer]:
    """What comes without any real rows."""
    loss = s.loss(0)
    basis = "D1" if s.measure == "diversity" else "G3, G7" if s.measure in EXACT else "2,000 simulated chains (G1)"
    answers = [
        Answer("loss_without", f"loss by generation {s.generations:,} without real rows, {s.middle}", *loss, "", basis)
    ]
    if s.measure not in EXACT:
        return answers
    until = generations_until(s.rows, tolerance, s.sampler)
    question = "generations without real rows until the tolerance is lost, mean over chains"
    answers.append(Answer("generations", question, until, until, until, "generations", basis))
    if s.measure == "variance" and s.sampler == 1.0 and s.rows >= 100:
        passed = gaussian.first_passage(s.rows, tolerance, "ml")
        question = "generations until a single chain first loses it, median and 95 of 100 chains"
        median, low, high = (max(v - 1.0, 0.0) for v in (passed.median, passed.low, passed.high))
        basis = "G4, corrected diffusion (Siegmund 1979)"
        answers.append(Answer("generations_one_chain", question, median, low, high, "generations", basis))
    return answers


def _accumulated(s: Setting) -> list[Answer]:
    """What keeping every row ever made would lose."""
    if s.measure not in EXACT or s.sampler != 1.0:
        return []
    fits = s.generations + 1
    by = 1.0 - accumulate.mean_variance(s.rows, fits)
    limit = 1.0 - accumulate.limit_of_variance(s.rows)
    subsampled = 1.0 - accumulate.subsampled_limit_of_variance(s.rows)
    asked = (
        (
            "accumulate",
            f"loss by generation {s.generations:,} if every row ever made is kept and fitted",
            by,
            "A1 (D7)",
        ),
        ("accumulate_for_ever", "the same for ever", limit, "A1 (D7)"),
        ("accumulate_subsample", "for ever, if as many rows are drawn from all ever made", subsampled, "A3"),
    )
    return [Answer(key, question, v, v, v, "", basis) for key, question, v, basis in asked]


def _otherwise(s: Setting, tolerance: float, kept: int | None) -> list[Answer]:
    """More rows, weights, a better sampler, and what is rare."""
    answers = []
    if s.measure in EXACT:
        rows = _rows_without(tolerance, s)
        question = "rows of a set that would do without real ones"
        answers.append(Answer("rows", question, rows, rows, rows, "rows", "G3, G7 (D1)"))
        narrowed = tolerance_of_sampler(tolerance, s.generations)
        question = "narrowing of standard deviations a generation that alone loses the tolerance, at any number of rows"
        answers.append(Answer("sampler", question, *(narrowed,) * 3, "share", "G7, rows to infinity"))
    answers += weights(kept, s.rows)
    rare = -log(tolerance) / effective_rows(s.rows, s.generations + 1)
    question = f"rarest category that {1.0 - tolerance:.3g} of chains still have, without real rows"
    answers.append(Answer("rarest", question, *(min(rare, 1.0),) * 3, "share", "D4, branching: exact for many rows"))
    return answers


def weights(kept: int | None, rows: int) -> list[Answer]:
    """The best weight of so many real rows of a set, and what it gains; nothing where all rows are of one kind."""
    if kept is None or not 0 < kept < rows:
        return []
    kappa = kept / (rows - kept)
    weight = mixing.best_weight(kappa)
    gain = mixing.weighted_variance(kept, rows - kept, mixing.pooling_weight(kappa))
    gain = 1.0 - mixing.weighted_variance(kept, rows - kept, weight) / gain
    return [
        Answer("weight", "best weight of the real rows, for a mean", *(weight,) * 3, "share", "M7, known variance"),
        Answer("weight_gain", "variance of the mean that it takes off pooling", *(gain,) * 3, "share", "M7"),
    ]


def _rows_without(tolerance: float, s: Setting) -> float:
    """Rows n with (1 - 1/n)^fits s^(2 generations) = 1 - tolerance; infinite where the sampler alone loses more."""
    left = log1p(-tolerance) - 2.0 * s.generations * log(s.sampler)
    return ceil(-1.0 / expm1(left / (s.generations + 1))) if left < 0.0 else inf


def tolerance_of_sampler(tolerance: float, generations: int) -> float:
    """Narrowing a generation of the sampler, 1 - s, by which s^(2 generations) loses the tolerance (G7)."""
    return -expm1(log1p(-tolerance) / (2 * generations))


def _curve(s: Setting) -> list[Point]:
    """The trade-off from one real row to all, evenly on a log scale."""
    steps = sorted({round(s.rows ** (k / (_POINTS - 1))) for k in range(_POINTS)})
    points = []
    for real in [0, *steps]:
        low, high = s.chain_range(real) if s.simulable(real) else (float("nan"),) * 2
        for_ever = s.limit(real).value if s.measure in EXACT else float("nan")
        points.append(Point(real, real / s.rows, s.loss(real).value, for_ever, low, high))
    return points
