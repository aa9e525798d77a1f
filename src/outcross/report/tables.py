"""Tables of a report: plain rows of text, escaped by the page; every number with its interval and its floor."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from outcross.core.stats import Interval
from outcross.measures.phase import KINDS, NUMBERS, Signs
from outcross.report import charts, findings
from outcross.report.charts import number, span, spread
from outcross.report.findings import percent
from outcross.report.frames import Frame, Summary
from outcross.report.verdict import Course, Verdict
from outcross.runs import plugins

_WAYS = {"down": "falls", "up": "rises", "away": "moves away", "none": "no direction"}
_GENERATIONS = 9  # generations that a table under a figure shows of each cell
MOST = 48  # cells that tables hold at most, so that a page stays small
OPEN = 4  # cells whose table of final values is open


class Table(NamedTuple):
    """A table: head and rows of text; `words` counts the leading columns that hold words, not numbers."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: int = 1
    caption: str = ""
    open: bool = True


def events(frame: Frame, verdicts: Sequence[Verdict], courses: Sequence[Sequence[Course]]) -> Table:
    """When each cell lost what, and how many of its chains did."""
    tails, variances = (" or ".join(words) for words in _lost(kinds(frame)))
    head = (
        "cell",
        f"{tails} halved at generation",
        f"{variances} halved at generation",
        "tail first",
        "ended late",
        "ended early",
        "no collapse",
        "unclear",
        "ever alarmed",
    )
    rows = []
    for v, found in zip(verdicts, courses, strict=True):
        shares = (_share(v.shares[p], len(found)) for p in ("late", "early", "none", "inconclusive"))
        tail = sum(c.tail_halved is not None for c in found)
        variance = sum(c.variance_halved is not None for c in found)
        either = sum(c.tail_halved is not None or c.variance_halved is not None for c in found)
        rows.append(
            (
                f"{frame.cells[v.cell].label}\n{len(found):,} chain{'s' if len(found) != 1 else ''}",
                _when(v.tail_halved, tail, len(found)),
                _when(v.variance_halved, variance, len(found)),
                _share(v.tail_first, either),
                *shares,
                _share(v.alarmed, len(found)),
            )
        )
    return Table(head, rows)


def kinds(frame: Frame) -> list[Signs]:
    """The quantities that decide in a run: those of numbers, of categories, of images."""
    there = {s.measure for s in frame.summaries}
    return [signs for signs in KINDS if there & signs.variance.keys()] or [NUMBERS]


def _lost(found: Sequence[Signs]) -> tuple[list[str], list[str]]:
    """What the tail and the variance of a run are called."""
    return [signs.short[0] for signs in found], [signs.short[1] for signs in found]


def _share(share: Interval, of: int) -> str:
    if not of or not math.isfinite(share.value):
        return "–"
    return f"{percent(share.value)}\n{100 * share.low:.0f} to {percent(share.high)}"


def _when(generation: Interval, happened: int, of: int) -> str:
    """A generation with its interval, and in how many chains it came to that."""
    if not happened:
        return f"in 0 of {of:,}"
    interval = f"\n{span(generation.low, generation.high)}" if math.isfinite(generation.low) else ""
    return f"{number(generation.value)}{interval}\nin {happened:,} of {of:,}"


def under(frame: Frame, measures: Sequence[str], shown: Sequence[charts.Look]) -> Table:
    """The numbers that a figure draws, at some generations."""
    head = (
        "cell",
        "measure",
        "generation",
        "median",
        "95 % interval",
        "10 to 90 % of chains",
        "real against real",
        "chains",
    )
    rows = [
        (
            look.label,
            m,
            f"{s.generation:,}",
            number(s.value),
            span(s.low, s.high),
            spread(s),
            span(s.floor_low, s.floor_high),
            f"{s.chains:,}",
        )
        for look in shown
        for m in measures
        for s in charts.thinned(frame.series(look.cell, m), _GENERATIONS)
    ]
    return Table(head, rows, 2)


def phases(frame: Frame, cell: int, courses: Sequence[Course]) -> list[tuple[str, ...]]:
    """Chains of a cell in each phase, at some generations."""
    kept = charts.thinned(charts.phase_rows(frame, cell, courses), _GENERATIONS)
    return [(frame.cells[cell].label, f"{g:,}", *(f"{n:,}" for n in counts)) for g, counts in kept]


def finals(frame: Frame) -> list[Table]:
    """The last numbers of every cell, one table a cell."""
    heavy = heavy_names(frame)
    return [_final(frame, cell, heavy) for cell in range(min(MOST, len(frame.cells)))]


def _final(frame: Frame, cell: int, heavy: set[str]) -> Table:
    head = (
        "measure",
        "median\n95 % interval",
        "10 to 90 %\nof chains",
        "real against real",
        "truth",
        "unit\nin collapse",
        "chains\nwith a number",
    )
    last = max((s.generation for s in frame.summaries if s.cell == cell), default=0)
    begun = sum(1 for c, _ in frame.chains if c == cell)
    rows = [
        _quantity(frame, s, begun)
        for s in frame.summaries
        if s.cell == cell and s.generation == last and s.measure not in heavy
    ]
    caption = f"{frame.cells[cell].label}, generation {last:,}"
    return Table(head, rows, 1, caption, cell < OPEN)


def _quantity(frame: Frame, s: Summary, begun: int) -> tuple[str, ...]:
    q = frame.quantities.get(s.measure)
    before = begun - s.chains - s.missing  # ended or not there yet
    notes = [f"{s.missing:,} chains have no number: {s.why or 'no reason given'}"] if s.missing else []
    notes += [f"{before:,} chains did not come to this generation"] if before > 0 else []
    return (
        "\n".join([s.measure, q.about if q else "", *notes]),
        f"{number(s.value)}\n{span(s.low, s.high)}",
        spread(s),
        span(s.floor_low, s.floor_high),
        number(q.null) if q and q.null is not None else "–",
        f"{q.unit}\n{_WAYS.get(q.collapse, q.collapse)}" if q else "",
        f"{s.chains:,} of {begun:,}",
    )


def heavy_names(frame: Frame) -> set[str]:
    """Names of what is measured at snapshots only."""
    return {name for m in plugins.measures("default") if m.heavy for name in m.quantities}


def snapshots(frame: Frame) -> Table | None:
    """What is measured at snapshots only, one column a generation."""
    names = heavy_names(frame)
    found = {(s.cell, s.measure, s.generation): s for s in frame.summaries if s.measure in names and s.cell < MOST}
    if not found:
        return None
    generations = charts.thinned(sorted({g for _, _, g in found}), _GENERATIONS)
    head = ("cell", "measure\nunit, in collapse", "real against real", *(f"generation {g:,}" for g in generations))
    rows = []
    for cell, measure in dict.fromkeys((c, m) for c, m, _ in found):
        there = [found.get((cell, measure, g)) for g in generations]
        q = frame.quantities.get(measure)
        floor = next((span(s.floor_low, s.floor_high) for s in there if s), "–")
        rows.append(
            (
                frame.cells[cell].label,
                f"{measure}\n{q.unit}, {_WAYS.get(q.collapse, q.collapse)}" if q else measure,
                floor,
                *(_brief(s) for s in there),
            )
        )
    return Table(head, rows, 2)


def _brief(s: Summary | None) -> str:
    if s is None:
        return "not taken"
    if not s.chains:
        return s.why or "no number"
    return f"{number(s.value)}\n{spread(s)}" if s.chains > 1 else number(s.value)


def ended(frame: Frame) -> Table | None:
    """Chains whose fit had no answer, or which failed, with the reason, equal reasons together."""
    found = Counter(
        (cell, status, reason or "no reason given")
        for (cell, _), (_, status, reason) in frame.chains.items()
        if status in ("degenerate", "failed")
    )
    rows = [(frame.cells[c].label, status, reason, f"{n:,}") for (c, status, reason), n in found.most_common(200)]
    return Table(("cell", "status", "reason", "chains"), rows, 3) if rows else None


def citations(frame: Frame) -> Table:
    """Where the measures that were taken come from."""
    used = {s.measure for s in frame.summaries}
    taken = [m for m in plugins.measures(frame.experiment.measures) if used & set(m.quantities) or m.heavy]
    rows = [(m.name, ", ".join(m.quantities), m.cite) for m in taken]
    return Table(("measure", "gives", "after"), [*rows, ("collapse phases", "none, early, late", findings.PAPER)], 3)
