"""The factorial of counterfactual arms by which `outcross decompose` tells causes of error apart.

Each arm is the learner in use with some causes removed, paired by seed like all arms. It is an ordinary experiment:
run, resumed and stored like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations as subsets
from typing import Any, NamedTuple

from outcross.core.errors import InputError, require
from outcross.core.loop import Chain
from outcross.runs import plugins, worker
from outcross.runs.cells import Cell, build
from outcross.runs.spec import Arm, Causes, Experiment
from outcross.runs.trees import overlaid

STATISTICAL = "statistical"
LEARNED = ("expressivity", "approximation", "sampler")  # causes that settings of the learner remove
WORDS = {"expressivity": "richer", "approximation": "better", "sampler": "ancestral"}  # of an arm without the cause
GENERATIONS, CHAINS = 20, 16  # of a decomposition, unless more are asked for
_ROWS, _EXACT = (1, 4, 16), 1_000_000  # multiples of the samples; of pools that cost nothing in rows, the larger one


class Combination(NamedTuple):
    """An arm of the factorial: rows, as a multiple of the samples in use, and which causes the learner is without."""

    rows: int
    removed: tuple[str, ...]

    @property
    def name(self) -> str:
        """The arm's name."""
        rows = "n" if self.rows == 1 else f"{self.rows:,}n"
        return " ".join([rows, *(WORDS[c] for c in self.removed)])


def combinations(causes: Causes) -> Iterator[Combination]:
    """Every arm of a factorial, that of the learner in use first."""
    assert not isinstance(causes.rows, str)
    removable = [c for c in LEARNED if isinstance(getattr(causes, c), dict)]
    for multiple in causes.rows:
        for size in range(len(removable) + 1):
            for removed in subsets(removable, size):
                yield Combination(multiple, removed)


def is_factorial(experiment: Experiment) -> bool:
    """Whether the arms are those of a decomposition."""
    if isinstance(experiment.causes.rows, str) or len(experiment.arms) < 2:
        return False
    return list(experiment.arms) == [c.name for c in combinations(experiment.causes)]


def factorial(experiment: Experiment, arm: str | None = None) -> Experiment:
    """The experiment whose arms are one of another's with every combination of its causes of error removed.

    Raises InputError for an arm that is not there, an experiment that sweeps, settings that the learner does not take,
    more rows than the source has, a single chain, or nothing that could be told apart.
    """
    if is_factorial(experiment):
        return experiment
    least = f"{experiment.name}: a decomposition takes 2 chains or more, got {experiment.chains}"
    require(experiment.chains >= 2, least)
    cell, base = _base(experiment, arm)
    chain = build(cell, worker.source_of(cell)[0], experiment.seed, 0)
    causes = _settled(experiment.causes, cell, chain)
    arms = {c.name: _arm(c, causes, cell, base, chain.samples.at(0)) for c in combinations(causes)}
    require(
        len(arms) > 1,
        f"{experiment.name}: no cause can be told apart: there are too few rows for more samples, and no setting of "
        "this family removes an error; lower samples, or say causes.expressivity.SETTING=...",
    )
    name = experiment.name if experiment.name.startswith("causes/") else f"{experiment.name}-causes"
    told: dict[str, Any] = {"name": name, "arms": arms, "causes": causes}
    if name != experiment.name:
        told |= {"title": f"Causes of the drift under {cell.arm}: {experiment.title or experiment.name}", "about": ""}
    return Experiment.parse(experiment.model_copy(update=told).canonical(), experiment.name)


def _base(experiment: Experiment, arm: str | None) -> tuple[Cell, Arm]:
    """The cell that is taken apart."""
    require(
        not experiment.sweep and not isinstance(experiment.samples, list),
        f"{experiment.name}: a decomposition is of one point; set what is swept over to one value",
    )
    name = next(iter(experiment.arms)) if arm is None else arm
    if name not in experiment.arms:
        raise InputError(f"no arm {name!r}; {plugins.nearest(name, experiment.arms)}")
    cell = next(c for c in experiment.settled if c.arm == name)
    require(
        cell.teacher is None,
        f"{name}: it begins with a teacher, whose errors are not the learner's; choose another --arm",
    )
    return cell, experiment.arms[name]


def _settled(causes: Causes, cell: Cell, chain: Chain) -> Causes:
    """What removes each cause, written out: the family's proposals where nothing is said."""
    offered: Mapping[str, dict[str, Any]] = getattr(chain.learner, "remedies", {})
    told: dict[str, Any] = {"rows": _levels(causes, chain)}
    for cause in LEARNED:
        wanted = getattr(causes, cause)
        wanted = offered.get(cause, "confounded") if wanted is None else wanted
        if isinstance(wanted, dict):
            where = f"causes.{cause}"
            same = plugins.settle("families", overlaid(cell.learner, wanted), where) == cell.learner
            wanted = "absent" if same else wanted
        told[cause] = wanted
    return Causes(**told)


def _levels(causes: Causes, chain: Chain) -> tuple[int, ...]:
    """Multiples of the samples: what was asked for, or as many as the source has rows for."""
    start, most = chain.samples.at(0), chain.source.rows
    if isinstance(causes.rows, str):
        wanted = (1, _EXACT) if chain.kept_as is not None and most is None else _ROWS
        return tuple(m for m in wanted if m == 1 or most is None or m * start <= most)
    require(
        most is None or causes.rows[-1] * start <= most,
        f"causes.rows: {causes.rows[-1]:,} times {start:,} samples, the source has {most or 0:,}: lower either",
    )
    return causes.rows


def _arm(one: Combination, causes: Causes, cell: Cell, base: Arm, start: int) -> Arm:
    """The arm of a combination."""
    learner = cell.learner
    for cause in one.removed:
        learner = overlaid(learner, getattr(causes, cause))
    samples = {**cell.samples, "start": start * one.rows}
    return Arm(policy=base.policy, learner=learner, samples=samples, pools=cell.pools, stages=base.stages)
