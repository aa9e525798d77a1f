"""Theory beside a run: which oracle covers a cell, what it predicts of the recorded numbers, and whether they agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.policies import Blend
from outcross.core.schedules import Samples
from outcross.measures.extinction import BINS, COLUMNS
from outcross.report.frames import Frame, finite, source_of
from outcross.runs import plugins
from outcross.runs.cells import Cell, stages_of
from outcross.stages.attacks import Outlier
from outcross.stages.drop import Stage as Drop
from outcross.stages.poison import Stage as Poison
from outcross.stages.scores import Column
from outcross.theory import covered, live
from outcross.theory.covered import Setting
from outcross.theory.live import FALSE_ALARMS, Check, Prediction, Records, threshold
from outcross.theory.staged import Cut, Outliers, Staged

__all__ = ["FALSE_ALARMS", "LEAST", "Bin", "Verification", "extinction", "percent", "setting_of", "verification"]

_MOST = 1_000_000  # generations that the exact recursions are carried through
LEAST = 5.0  # variance of a count below which it is too skewed for a z-score
_KNOWN = ("categorical", "zipf")  # sources of categories whose truth is a law


class Verification(NamedTuple):
    """All checks of a run, by cell, and what they come to together."""

    cells: dict[int, Check]
    covered: bool = False  # by some oracle, whether or not its predictions can be tested

    @property
    def predictions(self) -> list[tuple[int, Prediction]]:
        """Every prediction with its cell."""
        return [(cell, p) for cell, check in self.cells.items() for p in check.predictions]

    @property
    def limit(self) -> float:
        """The largest |z| that chance explains among so many predictions."""
        return threshold(len(self.predictions))

    @property
    def worst(self) -> tuple[int, Prediction] | None:
        """The prediction that is furthest off."""
        return max(self.predictions, key=lambda found: abs(found[1].z), default=None)

    @property
    def holds(self) -> bool | None:
        """Whether every z lies within the limit; None where theory says nothing. A z that is no number does not."""
        return all(abs(p.z) <= self.limit for _, p in self.predictions) if self.cells else None

    @property
    def bias(self) -> float:
        """The smallest relative bias of a fit that some prediction would have shown."""
        return min((p.bias for _, p in self.predictions), default=math.inf)

    @property
    def sentence(self) -> str:
        """The check in one line."""
        worst = self.worst
        if worst is None and self.covered:
            return (
                f"theory: nothing can be tested here; it takes {live.FEW} chains, two records and the default measures"
            )
        if worst is None:
            return "theory: no oracle covers this run"
        text = f"theory: {len(self.predictions)} predictions, largest |z| {abs(worst[1].z):.1f}"
        text += f" (chance explains up to {self.limit:.1f})"
        if math.isfinite(self.bias):
            text += f"; a bias of {percent(self.bias)} a fit would have shown"
        return text if self.holds else f"{text}; the run LEAVES THEORY: {self.fault(worst[0])}"

    def fault(self, cell: int) -> str:
        """What is furthest off in a cell, or nothing if all is within the limit."""
        found = [p for c, p in self.predictions if c == cell and not abs(p.z) <= self.limit]
        if not found:
            return ""
        p = max(found, key=lambda p: abs(p.z))
        told = f"{p.oracle} on {p.quantity} at generation {p.generation:,}, z {p.z:.1f}"
        return f"{told} ({_plain(p.observed)} observed, {_plain(p.predicted)} predicted, standard error {p.error:.2g})"

    def json(self, frame: Frame) -> list[dict[str, Any]]:
        """The stable machine-readable form."""
        return [
            {
                "cell": {"arm": frame.cells[cell].arm, **frame.cells[cell].axes},
                "oracle": p.oracle,
                "quantity": p.quantity,
                "generation": p.generation,
                "observed": finite(p.observed),
                "predicted": finite(p.predicted),
                "error": finite(p.error),
                "z": finite(p.z),
            }
            for cell, p in self.predictions
        ]


def _plain(value: float) -> str:
    """Four digits, thousands written out."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"


def percent(share: float) -> str:
    """A small share for people."""
    if share >= 0.1:
        return f"{100 * share:.0f} %"
    return f"{100 * share:.2g} %" if share >= 1e-5 else f"{1e6 * share:.2g} in a million"


def verification(frame: Frame) -> Verification:
    """Every prediction that an oracle makes of a run."""
    every = ((number, setting_of(frame, cell)) for number, cell in enumerate(frame.cells))
    settings = {number: s for number, s in every if s is not None and covered.covers(s)}
    found = {number: check for number, s in settings.items() if (check := _check(frame, number, s)) is not None}
    return Verification(found, bool(settings))


def _check(frame: Frame, cell: int, setting: Setting) -> Check | None:
    check = covered.check(setting, _observed(frame, cell, covered.QUANTITIES[setting.world]))
    if setting.world == "categorical" and setting.policy == "replace":
        more = _extinctions(frame, cell)
        if more:
            return Check([*(check.predictions if check else []), *more], check.levels if check else {})
    return check


def _observed(frame: Frame, cell: int, names: Sequence[str]) -> dict[str, Records]:
    """Quantities of all chains at the records: no number where a chain has none."""
    chains = [readings for (c, _), readings in sorted(frame.by_chain.items()) if c == cell]
    generations = sorted({g for readings in chains for g in readings})
    found = {}
    for name in names:
        values = [
            [readings[g][name].value if g in readings and name in readings[g] else math.nan for g in generations]
            for readings in chains
        ]
        found[name] = Records.whole(generations, np.array(values).reshape(len(chains), len(generations)))
    return found


# ---- what theory has to know of a cell ----


def setting_of(frame: Frame, cell: Cell) -> Setting | None:
    """What theory has to know of a cell; None where no oracle covers it."""
    if cell.teacher:
        return None
    policy = plugins.make("policies", cell.policy, "policy")
    start = frame.rows_of(cell)
    generations = frame.experiment.generations
    if start is None or not isinstance(policy, Blend) or generations > _MOST:
        return None
    samples = Samples(**{**cell.samples, "start": start})
    constant = samples.growth == "constant"
    rows = np.full(generations + 1, start) if constant else np.array([samples.at(t) for t in range(generations + 1)])
    blend, world = _blend(policy, rows), _world(cell)
    if blend is None or world is None:
        return None
    acting = _acting(cell, start, policy.rows(1, start, 0).synthetic) if cell.stages else []
    if acting is None or len(acting) > 1:
        return None
    return Setting(rows=rows, **blend, **world, stage=acting[0] if acting else None)


def _acting(cell: Cell, n: int, made: int) -> list[Staged] | None:
    """The stages that change rows of a cell, in the words of theory; None where one has none.

    n: rows of a set. made: how many of them are generated.
    """
    found = [_acts(cell, stage, n, made) for _, stage in stages_of(cell)]
    return None if None in found else [stage for stage in found if stage is not None and stage.rows]


def _acts(cell: Cell, stage: Any, n: int, made: int) -> Staged | None:
    """What a stage does, without rows where it changes none; None where theory has no word for it."""
    if type(stage) is Drop:  # a subclass may do otherwise
        rows = round(stage.share * (made if stage.on == "made" else n))
        known = type(stage.score) is Column and _is_first(cell, stage.score.column)
        return Cut(rows, stage.end == "top") if known or not rows else None
    if type(stage) is not Poison:
        return None
    rows, attack = round(stage.share * n), stage.attack
    if not rows:
        return Outliers(0, 0.0)
    if type(attack) is not Outlier or not attack.adaptive or attack.distance <= 0.0 or stage.when != "every":
        return None
    return Outliers(rows, attack.distance) if attack.column is None or _is_first(cell, attack.column) else None


def _is_first(cell: Cell, column: int | str | None) -> bool:
    """Whether a column is the first, which is a chain in one dimension of its own."""
    source = source_of(cell)
    return column == 0 or (source is not None and column == source[0].columns[0])


def _blend(policy: Blend, rows: NDArray[np.int64]) -> dict[str, Any] | None:
    """Policy, real rows and anchor in the words of theory, or None where a blend has none."""
    shares = (policy.synthetic, policy.previous, policy.original, policy.fresh)
    if any(not isinstance(s, int | float) and len(s) > 1 for s in (*shares, policy.budget or 0.0)):
        return None
    n, most = int(rows[0]), int(rows.max())
    made = policy.rows(1, n, 0)
    alone = all(
        policy.rows(1, m, 0).synthetic == m for m in (n, most)
    )  # no real row comes, however many rows there are
    budget = policy.budget_rows(1, n)
    if policy.keep_all:
        kept = {None: "accumulate", n: "accumulate_subsample"}.get(budget)
        return {"policy": kept} if kept and alone else None
    if budget is not None or made.previous or (made.original and made.fresh):
        return None
    if alone:
        return {"policy": "replace"}
    anchor = "fresh" if made.fresh else policy.anchor
    return {"policy": "mix", "real": made.original + made.fresh, "anchor": anchor}


def _world(cell: Cell) -> dict[str, Any] | None:
    """World and its numbers, from what the learner and the source are."""
    learner, kind = cell.learner, cell.learner["kind"]
    if kind == "categorical":
        return {"world": "categorical", "known": cell.source["kind"] in _KNOWN}
    found = source_of(cell)
    if found is None:
        return None
    source, one = found[0], _is_one_gaussian(found[0])
    if kind == "gaussian" and one:
        return {"world": "gaussian", "estimator": learner["estimator"], "dimension": len(source.columns)}
    whole = kind == "gmm" and learner["floor"] == 0.0 and learner["covariance"] == "full"
    if whole and one and learner["components"] == 1:
        return {"world": "gaussian", "dimension": len(source.columns)}
    if kind == "regression" and cell.source["kind"] == "linear" and learner["noise"] == source.noise:
        fixed = learner["design"] == "fixed"
        return {
            "world": "regression",
            "dimension": len(source.columns) - 1,
            "noise": source.noise,
            "fixed_design": fixed,
        }
    if kind == cell.source["kind"] == "exponential_family" and learner["family"] == cell.source["family"]:
        return {"world": learner["family"], "mean": float(source.moments.mean[0])}
    return None


def _is_one_gaussian(source: Any) -> bool:
    law = getattr(source, "law", None)
    return law is not None and len(law.weights) == 1


# ---- extinction of rare categories ----


class Bin(NamedTuple):
    """Categories with so many copies in the first pool, over all chains of a cell, at one generation."""

    least: int
    most: int
    types: float
    lost: float
    expected: float
    variance: float


def extinction(frame: Frame, cell: int, generation: int) -> list[Bin]:
    """The bins of a cell at a record, summed over its chains; empty where none were taken.

    Drift is that of pools of one size: nothing is expected of pools that grow, or after a teacher's own.
    """
    tables = [
        found["extinction"]
        for key in sorted(frame.chains)
        if key[0] == cell and "extinction" in (found := frame.reader.arrays(key, generation, "measure/"))
    ]
    if not tables:
        return []
    whole = np.sum([np.where(t[:, :1] == 0.0, 0.0, t) for t in tables], axis=0)  # an empty bin has no law of its own
    if frame.cells[cell].samples["growth"] != "constant" or frame.cells[cell].teacher:
        whole[:, COLUMNS.index("expected") :] = math.nan
    return [
        Bin(2 ** (b - 1) + 1 if b else 1, 2**b, *(float(v) for v in whole[b][: len(COLUMNS)]))
        for b in range(BINS)
        if whole[b, 0]
    ]


def _extinctions(frame: Frame, cell: int) -> list[Prediction]:
    """D4: rare categories lost, over all chains, at each record after the first."""
    found = []
    for generation in frame.experiment.records():
        bins = [b for b in extinction(frame, cell, generation) if math.isfinite(b.expected)]
        lost, expected, variance = (sum(values) for values in list(zip(*bins, strict=True))[3:]) if bins else (0, 0, 0)
        if variance >= LEAST:
            error = math.sqrt(variance)
            z = (lost - expected) / error
            found.append(Prediction("D4", "rare categories lost", generation, lost, expected, error, z))
    return found
