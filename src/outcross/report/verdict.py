"""The verdict: which phase each cell ends in, how many chains say so, what groups were lost, what was lost first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from outcross.core.stats import Interval, median_interval, share_interval
from outcross.measures.phase import KINDS, NUMBERS, Floor, Margins, Phase, alarm, limits, phase, signs
from outcross.report import groups
from outcross.report.frames import Frame
from outcross.report.groups import Left

_HALF = 0.5
_NOTHING = 1e-12  # less is rounding
_TAILS = (
    "tail_worst_99",
    "tail_worst_95",
    *(name for signs in KINDS if signs is not NUMBERS for name in signs.tails),
)  # whose halving is the first event: the worst column's
_VARIANCES = tuple(name for signs in KINDS for name in signs.variance)


class Course(NamedTuple):
    """What one chain went through."""

    generations: list[int]
    phases: list[Phase]
    final: Phase  # what its last records agree on
    alarmed: int | None  # generation of the first persistent alarm
    tail_halved: int | None  # first recorded generation with half the tail mass
    variance_halved: int | None


class Verdict(NamedTuple):
    """What a cell came to, across chains."""

    cell: int
    ended: Phase  # what most chains end in
    lost: tuple[Left, ...] | None  # groups, worst first; None where none are known
    why: str
    shares: dict[Phase, Interval]
    alarmed: Interval  # share of chains that ever raised an alarm
    tail_halved: Interval  # generation, median over the chains in which it happened
    variance_halved: Interval
    tail_first: Interval  # share of chains that lost half the tail before half the variance
    chains: int
    generation: int

    @property
    def phase(self) -> Phase:
        """What most chains end in; early at least where a group is lost: rare regions are gone."""
        return "early" if self.lost and self.ended in ("none", "inconclusive") else self.ended

    def json(self, frame: Frame) -> dict[str, Any]:
        """The stable machine-readable form; the groups that are lost where there are groups."""
        cell = frame.cells[self.cell]
        told = {"cell": {"arm": cell.arm, **cell.axes}, "phase": self.phase, "why": self.why}
        return told if self.lost is None else {**told, "groups_lost": [left.json() for left in self.lost]}


def courses(frame: Frame, cell: int) -> list[Course]:
    """The course of every chain of a cell."""
    margins = frame.experiment.margin
    floor = frame.floor_of(cell)
    return [_course(readings, margins, floor) for (c, _), readings in sorted(frame.by_chain.items()) if c == cell]


def _course(readings: dict[int, dict[str, Any]], margins: Margins, floor: Mapping[str, Floor]) -> Course:
    generations = sorted(readings)
    phases = [phase(readings[g], margins, floor) for g in generations]
    position = alarm(phases, margins.persistence)
    return Course(
        generations,
        phases,
        _final(phases[-margins.persistence :]),
        None if position is None else generations[position],
        _first_halved(readings, _TAILS, floor),
        _first_halved(readings, _VARIANCES, floor),
    )


def _final(last: list[Phase]) -> Phase:
    """What the last records agree on: late needs all late, early all early or late, none all none."""
    seen = set(last) or {"inconclusive"}
    if seen == {"late"}:
        return "late"
    if seen <= {"early", "late"}:
        return "early"
    return "none" if seen == {"none"} else "inconclusive"


def _first_halved(
    readings: dict[int, dict[str, Any]], names: tuple[str, ...], floor: Mapping[str, Floor]
) -> int | None:
    """First recorded generation at which a ratio is below half its floor; the first name that has numbers counts."""
    for name in names:
        values = {g: named[name].value for g, named in sorted(readings.items()) if name in named}
        if any(np.isfinite(v) for v in values.values()):
            base = floor[name].median if name in floor else 1.0
            return next((g for g, v in values.items() if v < _HALF * base), None)
    return None


def verdicts(frame: Frame) -> list[Verdict]:
    """One verdict a cell."""
    return [_verdict(frame, cell) for cell in range(len(frame.cells))]


def _verdict(frame: Frame, cell: int) -> Verdict:
    found = courses(frame, cell)
    n = len(found)
    counts = Counter(c.final for c in found)
    phases: tuple[Phase, ...] = ("none", "early", "late", "inconclusive")
    shares = {p: share_interval(counts[p], n) for p in phases}
    collapsed = share_interval(counts["early"] + counts["late"], n)
    ended: Phase = "inconclusive"
    if shares["late"].low > _HALF:
        ended = "late"
    elif collapsed.low > _HALF:
        ended = "early"
    elif shares["none"].low > _HALF:
        ended = "none"
    lost = groups.lost(frame, cell) if groups.measured(frame, cell) else None
    generation = max((c.generations[-1] for c in found if c.generations), default=0)
    return Verdict(
        cell,
        ended,
        lost,
        _why(frame, cell, ended, lost or (), counts, n, generation),
        shares,
        share_interval(sum(c.alarmed is not None for c in found), n),
        _median([c.tail_halved for c in found]),
        _median([c.variance_halved for c in found]),
        share_interval(*_order(found)),
        n,
        generation,
    )


def _median(generations: list[int | None]) -> Interval:
    return median_interval([g for g in generations if g is not None])


def _order(found: list[Course]) -> tuple[int, int]:
    """Chains that lost half the tail first, among those that lost half of either."""
    lost = [c for c in found if c.tail_halved is not None or c.variance_halved is not None]
    first = [
        c
        for c in lost
        if (c.tail_halved or 0) < (np.inf if c.variance_halved is None else c.variance_halved)
        and c.tail_halved is not None
    ]
    return len(first), len(lost)


def _why(
    frame: Frame, cell: int, decided: Phase, lost: Sequence[Left], counts: Counter[Phase], n: int, generation: int
) -> str:
    """One sentence: how many chains, by what numbers, and which groups are lost."""
    if n == 0:
        reasons = [r for (c, _), (_, _, r) in frame.chains.items() if c == cell and r]
        return f"no chain could be measured: {reasons[0]}" if reasons else "no chain has been measured"
    said: dict[Phase, str] = {
        "late": "late collapse",
        "early": "early collapse",
        "none": "no collapse",
        "inconclusive": "no clear phase",
    }
    parts = [f"{counts[p]} of {n} chains end in {name}" for p, name in said.items() if counts[p]]
    middle = {s.measure: s.value for s in frame.summaries if s.cell == cell and s.generation == generation}
    by = signs(middle)
    tails = [name for name in by.tails if np.isfinite(middle.get(name, np.nan))]
    told = {name: label for name, label in by.tails.items() if name in tails[:1]}
    told |= {**by.variance, **{name: label for name, (label, _) in by.distances.items()}, **by.told}
    numbers = [
        f"{label} {middle[name] if abs(middle[name]) > _NOTHING else 0.0:.3g}, {_due(frame, cell, name)}"
        for name, label in told.items()
        if np.isfinite(middle.get(name, np.nan))
    ]
    text = f"{', '.join(parts)} at generation {generation:,}"
    text += f" (medians: {'; '.join(numbers)})" if numbers else ""
    text += f"; groups lost, worst first: {', '.join(left.sentence for left in lost)}" if lost else ""
    ended = Counter(s for (c, _), (_, s, _) in frame.chains.items() if c == cell and s in ("degenerate", "failed"))
    text += "".join(f"; {k} {s}" for s, k in ended.items())
    fault = frame.theory.fault(cell)
    text += f"; the run leaves theory: {fault}" if fault else ""
    return text + (_doubt(frame, cell, n, generation) if decided == "inconclusive" else "")


def _due(frame: Frame, cell: int, name: str) -> str:
    """What a quantity should be: the truth's, or where none has it, what models fitted on real rows read.

    A model of text never has the truth's, as held-out text has words that it was not fitted on.
    """
    truth = frame.quantities[name].null
    if truth is not None and not frame.seen("text"):
        return f"truth {truth:g}"
    floor = frame.floor_of(cell).get(name)
    source = "real data" if frame.experiment.floor else "generation 0"
    return "no floor" if floor is None else f"{source} {floor.median:.3g}"


def _doubt(frame: Frame, cell: int, n: int, generation: int) -> str:
    """Why it cannot be said, where that is known."""
    if n < 4:
        return "; fewer than 4 chains cannot settle it"
    there = {s.measure: s.why for s in frame.summaries if s.cell == cell and s.generation == generation}
    by = signs(there)
    deciding = (list(by.tails)[-1], *by.variance, *by.distances)
    lacking = [f"{name}: {why}" for name, why in there.items() if name in deciding and why and name not in by.optional]
    if lacking:
        return f"; {lacking[0]}"
    floor = frame.floor_of(cell)
    for name in (*by.variance, *by.distances, *by.tails):
        intact, lost = limits(name, frame.experiment.margin, floor)
        if intact != lost:
            return f"; {name}: models of real data differ by more than its margin, use more samples"
    return ""
