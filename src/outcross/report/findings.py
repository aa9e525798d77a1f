"""Findings: sentences computed from a run's numbers, for the titles of figures, and what their captions must state."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from outcross.measures.phase import DISTANCES, RATIOS, limits
from outcross.report.charts import number
from outcross.report.frames import Frame, Summary
from outcross.report.verdict import Verdict
from outcross.runs.cells import Cell

PAPER = (
    "Shumailov et al., AI models collapse when trained on recursively generated data, Nature 631, 755-759 (2024), "
    "doi 10.1038/s41586-024-07566-y"
)
_WITHIN = "stays within its margin at"
_NAMED = 3  # cells that a title names; more are counted
_CHANGE = 1.5  # factor that counts as a change where there is no floor to compare with


class Change(NamedTuple):
    """What a quantity of a cell did between its first and its last record."""

    label: str
    verb: str
    value: float


def change(frame: Frame, cell: int, measure: str) -> Change | None:
    """What a quantity came to, against its margin where it has one, else against the floor; None without a number."""
    there = [s for s in frame.series(cell, measure) if s.chains]
    if not there:
        return None
    first, last = there[0], there[-1]
    margin = margin_of(frame, measure, cell)
    low, high = (v if math.isfinite(v) else last.value for v in (last.low, last.high))
    verb = _against_floor(first, last, low, high) if margin is None else _against(margin, measure, low, high)
    if verb == _WITHIN and last.floor_low <= last.value <= last.floor_high:
        verb = "stays at"
    elif verb == _WITHIN and measure not in DISTANCES and low > _CHANGE:  # a ratio far above is no loss
        verb = "grows to"
    return Change(frame.cells[cell].label, verb, last.value)


def margin_of(frame: Frame, measure: str, cell: int) -> float | None:
    """Up to where a quantity counts as intact in a cell, or None where it decides nothing."""
    if measure not in DISTANCES and measure not in RATIOS:
        return None
    return limits(measure, frame.experiment.margin, frame.floor_of(cell))[0]


def deciding(frame: Frame, measures: Sequence[str]) -> str:
    """The quantity that names a figure's finding: the first that has a number."""
    there = {s.measure for s in frame.summaries if s.chains}
    return next((m for m in measures if m in there), measures[0])


def _against(margin: float, measure: str, low: float, high: float) -> str:
    if low < margin <= high:
        return "ends undecided at"
    lost = low >= margin if measure in DISTANCES else high < margin
    if not lost:
        return _WITHIN
    return "grows to" if measure in DISTANCES else "falls to"


def _against_floor(first: Summary, last: Summary, low: float, high: float) -> str:
    if math.isfinite(last.floor_low):
        beyond, below = low > last.floor_high, high < last.floor_low
    else:
        beyond, below = low > _CHANGE * first.value, high < first.value / _CHANGE
    return "grows to" if beyond else "falls to" if below else "stays at"


def title(frame: Frame, noun: str, measure: str, cells: Sequence[int], share: bool = False) -> str:
    """The finding on one quantity: what it did in which cell, or how many cells did what."""
    found = [c for cell in cells if (c := change(frame, cell, measure))]
    if not found:
        return f"{noun} has no number: {reason(frame, measure)}"
    unit = _whole(frame) if share else unit_of(frame, measure)
    last = max(s.generation for s in frame.summaries)
    if last == 0:
        values = (f"{_said(c.value, unit, share)} under {c.label}" for c in found[:_NAMED])
        return f"{noun} at generation 0: {', '.join(values)}"
    if len(found) > _NAMED:
        return _counted(noun, found, unit, share, last)
    told = []
    for verb in dict.fromkeys(c.verb for c in found):
        alike = [f"{_said(c.value, unit, share)} under {c.label}" for c in found if c.verb == verb]
        told.append(f"{verb} {joined(alike)}")
    return f"{noun} {joined(told)} by generation {last:,}"


def _counted(noun: str, found: list[Change], unit: str, share: bool, last: int) -> str:
    verbs = Counter(c.verb.removesuffix(" at").removesuffix(" to") for c in found)
    told = joined([f"{verb} in {n} of {len(found)} cells" for verb, n in verbs.items()])
    least, most = min(found, key=lambda c: c.value), max(found, key=lambda c: c.value)
    ends = f"{_said(least.value, unit, share)} ({least.label}) and {_said(most.value, unit, share)} ({most.label})"
    return f"{noun} {told} by generation {last:,}: it ends between {ends}"


def _said(value: float, unit: str, share: bool) -> str:
    if not share:
        return f"{number(value)} {unit}".strip()
    if value < 0.001:
        return f"less than 0.1 % of {unit}"
    return f"{number(value)} times {unit}" if value > 2.0 else f"{number(100 * value)} % of {unit}"


def _whole(frame: Frame) -> str:
    """What a share is a share of."""
    return "real text's" if frame.seen("text") else "the truth's"


def percent(share: float) -> str:
    """A share for people."""
    return f"{100 * share:.0f} %"


def joined(parts: Sequence[str]) -> str:
    """Parts of a sentence, the last after `and`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def reason(frame: Frame, measure: str) -> str:
    """The commonest reason why a quantity has no number."""
    return next((s.why for s in frame.summaries if s.measure == measure and s.why), "it was not measured")


def unit_of(frame: Frame, measure: str) -> str:
    """The unit of a quantity, as far as it says anything."""
    unit = frame.quantities[measure].unit if measure in frame.quantities else ""
    return "" if unit in ("ratio", "share", "density", "probability", "perplexity", "BLEU") else unit


def headline(frame: Frame, decided: Sequence[tuple[str, str]]) -> str:
    """The run in one line, from the label and phase of each cell."""
    said = {
        "late": "late collapse",
        "early": "early collapse",
        "none": "no collapse",
        "inconclusive": "no clear answer",
    }
    groups = {p: [label for label, phase in decided if phase == p] for p in said}
    told = [
        f"{said[p]} under {joined(labels)}"
        if len(labels) <= _NAMED
        else f"{said[p]} in {len(labels)} of {len(decided)} cells"
        for p, labels in groups.items()
        if labels
    ]
    text = joined(told) if told else "nothing has been measured yet"
    return text[0].upper() + text[1:]


def rows_of(frame: Frame, cell: Cell) -> str:
    """How many rows a generation of a cell has."""
    start, growth = frame.rows_of(cell), cell.samples["growth"]
    if start is None:
        return "up to 1,000"
    if growth == "constant":
        return f"{start:,}"
    how = growth if isinstance(growth, str) else "scheduled"
    return f"{start:,} at first, {how} growth"


def sizes(frame: Frame) -> str:
    """Rows a generation over all cells."""
    found = list(dict.fromkeys(rows_of(frame, c) for c in frame.cells))
    return " / ".join(found[:8]) + (" / ..." if len(found) > 8 else "")


def method(frame: Frame) -> str:
    """What a caption says of a figure across chains: rows, chains, what the bands and the strip are."""
    e = frame.experiment
    chains = f"{e.chains:,} chain{'s' if e.chains != 1 else ''} a cell"
    text = f"n = {sizes(frame)} rows a generation, {chains}. Line: median over chains"
    if e.chains >= 6:
        text += "; deeper band: 95 % interval of the median (order statistics)"
    elif e.chains > 1:
        text += "; fewer than six chains give no 95 % interval of it"
    if e.chains > 1:
        text += "; pale band: 10th to 90th percentile of the chains"
    if e.floor:
        text += f"; hatched strip: real against real, 5th to 95th percentile of {e.floor} models of real rows"
    if e.generations > 20:
        text += "; generations on a symmetric-log axis, so that 0 has its place"
    return f"{text}."


def policy(cell: Cell) -> str:
    """The policy of a cell in words, the stages that its rows pass, and its teacher."""
    told = "; then ".join([_node(cell.policy), *(_node(s) for s in cell.stages.values())])
    return told if cell.teacher is None else f"{told}; {teacher(cell.teacher)}"


def _node(node: Mapping[str, Any]) -> str:
    """What a node of an experiment says, in words."""
    rest = {k: _node(v) if isinstance(v, Mapping) else v for k, v in node.items() if k != "kind" and v is not None}
    told = ", ".join(f"{k} {v}" for k, v in rest.items())
    kind = str(node.get("kind", ""))
    return f"{kind} ({told})".strip() if told else kind


def teacher(node: Mapping[str, Any]) -> str:
    """The teacher of a cell in words."""
    n = node["samples"]
    rows = {"all": "all", "auto": "up to 1,000"}.get(n) or f"{n:,}"
    return f"generation 0 a teacher ({node['learner']['kind']} on {rows} real rows)"


def phases(frame: Frame, found: Sequence[Verdict]) -> str:
    """The finding on phases: how many chains end collapsed, in which cell."""
    last = max((v.generation for v in found), default=0)
    told = [
        f"{percent(v.shares['early'].value + v.shares['late'].value)} of chains under {frame.cells[v.cell].label}"
        for v in found
        if v.chains
    ]
    persistence = frame.experiment.margin.persistence
    records = "record" if persistence == 1 else f"{persistence} records"
    if len(told) > _NAMED:
        collapsed = sum(v.ended in ("early", "late") for v in found)
        text = f"Most chains have collapsed by generation {last:,} in {collapsed} of {len(found)} cells"
        return text + _groups_lost(frame, found)
    if not told:
        return "No chain has been measured"
    return f"{joined(told)} end in collapse by the last {records} at generation {last:,}{_groups_lost(frame, found)}"


def _groups_lost(frame: Frame, found: Sequence[Verdict]) -> str:
    """Where groups are lost, which the phases of single chains do not tell; nothing where none is."""
    told = [f"{len(v.lost)} under {frame.cells[v.cell].label}" for v in found if v.lost]
    if len(told) > _NAMED:
        return f"; groups are lost in {len(told)} of {len(found)} cells"
    return f"; groups lost: {joined(told)}" if told else ""
