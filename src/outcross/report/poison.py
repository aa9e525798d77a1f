"""A run swept over the share of poison: the critical share, beside theory, and each defence on both axes.

Harm is what poison does to the spread; the price of a defence is what it takes of the true tail when there is no
poison at all.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.policies import Blend
from outcross.core.stats import Interval, mean_interval, median_interval
from outcross.report import along, charts
from outcross.report.along import Along
from outcross.report.charts import Look, number, span
from outcross.report.drawing import Paint, on_page
from outcross.report.frames import Frame
from outcross.report.parts import Figure
from outcross.report.plates import Plate
from outcross.report.tables import Table
from outcross.runs import plugins
from outcross.runs.cells import Cell
from outcross.theory.poisoning import critical_rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Array = NDArray[np.float64]
SPREAD, TAIL, MEAN = "variance_ratio", "tail_999", "mean_shift"
RUNAWAY = 100.0  # times the true variance from which poison alone decides how it grows
_ROWS = 6  # of a drawing, at most
_FITTED = 4  # shares above the critical one that tell how growth depends on the share
_HEAD = ("poison", "sd", "95 % interval", "tail beyond 99.9 %", "95 % interval", "amplification", "rows dropped")


class Point(NamedTuple):
    """A share of poison: the cell that had it, and what its chains ended with."""

    share: float
    cell: int
    sd: Interval
    tail: Interval
    amplification: Interval
    dropped: float


class Line(NamedTuple):
    """Cells of one `arm` at one `place` of the other axes: they differ in the share of poison alone.

    critical: the share above which the spread runs away, mean over chains with Student's interval; NaN where fewer
    than two shares run away. oracle: alpha/a^2 (P2) where it applies, else None.
    """

    arm: str
    place: str
    points: list[Point]
    critical: Interval
    oracle: float | None

    @property
    def name(self) -> str:
        """Arm and place, for people."""
        return f"{self.arm} {self.place}".strip()

    def sentence(self) -> str:
        """What was found of the critical share."""
        if not math.isfinite(self.critical.value):
            worst = max(self.points, key=lambda p: p.sd.value)
            most = f"the sd ends at {number(worst.sd.value)} at most (poison {percent(worst.share)})"
            return f"{self.name}: no runaway up to {percent(self.points[-1].share)}; {most}"
        told = f"{self.name}: critical share {percent(self.critical.value)}"
        if math.isfinite(self.critical.low):
            told += f" ({percent(self.critical.low)} to {percent(self.critical.high)})"
        if self.oracle is None:
            return told
        off = 100.0 * (self.critical.value / self.oracle - 1.0)
        side = "above" if off > 0.0 else "below"
        return f"{told}, {abs(off):.0f} % {side} theory's {percent(self.oracle)}"


def percent(share: float) -> str:
    """A share of poison for people."""
    return f"{100.0 * share:.3g} %"


def axis(frame: Frame) -> str | None:
    """The axis of the sweep that is a share of poison, such as `stages.poison.share`.

    None where there is none, or nothing of the spread was measured: images and text have none.
    """
    measured = any(frame.series(i, SPREAD) for i in range(len(frame.cells)))
    return along.axis(frame, "poison", "share") if measured else None


class Poisoning:
    """What a run says of poison. Only for runs that have an `axis`."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        found = axis(frame)
        assert found is not None
        self.axis, self.stage = found, found.split(".")[1]

    @cached_property
    def lines(self) -> list[Line]:
        """One line an arm and point of the other axes, in order."""
        return [self._line(one) for one in along.lines(self.frame, self.axis)]

    def _line(self, one: Along) -> Line:
        points = [self._point(i) for i in one.cells]
        first = self.frame.cells[one.cells[0]]
        return Line(one.arm, one.place, points, self._critical(points), oracle(first, self.stage))

    def _point(self, i: int) -> Point:
        share = float(self.frame.cells[i].axes[self.axis])
        variance, tail = self._last(i, SPREAD), self._last(i, TAIL)
        shift, first = self._last(i, MEAN), self._at(i, MEAN, 1)
        ratio = shift / first if share > 0.0 and len(shift) == len(first) else np.empty(0)
        dropped = self._last(i, "stage_dropped")
        return Point(
            share,
            i,
            median_interval(np.sqrt(variance)),
            median_interval(tail),
            median_interval(ratio),
            float(np.median(dropped)) if len(dropped) else math.nan,
        )

    def _last(self, cell: int, measure: str) -> Array:
        return self._at(cell, measure, self.frame.experiment.generations)

    def _at(self, cell: int, measure: str, generation: int) -> Array:
        """A quantity of every chain that has it (chains,)."""
        every = (self._value(cell, chain, measure, generation) for chain in range(self.frame.experiment.chains))
        return np.array([v for v in every if math.isfinite(v)])

    def _value(self, cell: int, chain: int, measure: str, generation: int) -> float:
        read = self.frame.by_chain.get((cell, chain), {}).get(generation, {}).get(measure)
        return math.nan if read is None else read.value

    def _critical(self, points: list[Point]) -> Interval:
        """The share at which growth begins: a line through what a generation adds where the spread runs away.

        In the population map it is straight to a hundredth; chain by chain, from its `_FITTED` lowest such shares.
        """
        last, half = self.frame.experiment.generations, self._half()
        found = []
        for chain in range(self.frame.experiment.chains):
            grown = [(p.share, *(self._value(p.cell, chain, SPREAD, g) for g in (half, last))) for p in points]
            wild = [(s, math.expm1(math.log(v / w) / (last - half))) for s, w, v in grown if v > w > RUNAWAY][:_FITTED]
            if len(wild) >= 2:
                found.append(float(np.polyfit([more for _, more in wild], [s for s, _ in wild], 1)[1]))
        return mean_interval(found) if found else Interval(math.nan, math.nan, math.nan)

    def _half(self) -> int:
        """The recorded generation that is nearest to half of the last."""
        last = self.frame.experiment.generations
        return min(self.frame.experiment.records(), key=lambda g: abs(2 * g - last))

    def table(self, line: Line) -> Table:
        """Harm and price at every share."""
        rows = [
            (
                percent(p.share),
                number(p.sd.value),
                span(p.sd.low, p.sd.high),
                number(p.tail.value),
                span(p.tail.low, p.tail.high),
                number(p.amplification.value),
                percent(p.dropped) if math.isfinite(p.dropped) else number(math.nan),
            )
            for p in line.points
        ]
        return Table(_HEAD, rows, caption=line.sentence())

    def sentence(self) -> str:
        """The finding: which lines run away, and which do not."""
        wild = [n for n in self.lines if math.isfinite(n.critical.value)]
        if not wild:
            return "No share of poison that was tried makes the spread run away"
        least = min(wild, key=lambda n: n.critical.value)
        held = f"; {len(self.lines) - len(wild)} of {len(self.lines)} lines hold" if len(wild) < len(self.lines) else ""
        return f"Poison runs away from a share of {percent(least.critical.value)} on ({least.name}){held}"

    def plate(self) -> Plate:
        """Spread and true tail against the share of poison."""
        looks = charts.looks(self.frame)

        def draw(paint: Paint) -> Drawing:
            return _drawn(self, looks, paint)

        caption = (
            f"Medians over {self.frame.experiment.chains:,} chains after {self.frame.experiment.generations:,} "
            "generations with their 95 % intervals. Dashed: the critical share of theory, alpha/a\N{SUPERSCRIPT TWO} "
            "(oracle P2). The tail is the mass beyond the truth's outer 0.1 % on each side, relative to the truth; "
            "what a defence takes of it without poison is its price."
        )
        tables = [self.table(line) for line in self.lines]
        rows = [(line.name, *row) for line, t in zip(self.lines, tables, strict=True) for row in t.rows]
        figure = Figure(
            self.sentence(), caption, [], Table(("cells", *_HEAD), rows), "none", drawing=on_page(draw, looks)
        )
        return Plate("poison", figure, draw)


def oracle(cell: Cell, stage: str) -> float | None:
    """P2's critical share of a cell, alpha/distance^2; None where it does not apply."""
    attack, learner = cell.stages[stage]["attack"], cell.learner
    plain = cell.source["kind"] == "normal" and learner["kind"] == "gaussian" and list(cell.stages) == [stage]
    told = attack["kind"] == "outlier" and attack["adaptive"] and cell.stages[stage]["when"] == "every"
    policy = plugins.make("policies", cell.policy, "policy")
    if not (plain and told) or not isinstance(policy, Blend) or policy.needs_pool:
        return None
    rows, later = policy.rows(1, 10**6, 0), policy.rows(10**6, 10**6, 0)
    alpha = (rows.fresh + rows.original) / 1e6
    constant = rows == later and policy.budget is None
    return critical_rate(alpha, attack["distance"]) if constant and 0.0 < alpha < 1.0 else None


def _drawn(found: Poisoning, looks: list[Look], paint: Paint) -> Drawing:
    """A row for each place of the other axes, a colour for each arm."""
    from matplotlib.figure import Figure as Drawing

    places = list(dict.fromkeys(line.place for line in found.lines))[:_ROWS]
    figure = Drawing(figsize=(8.2, 0.5 + 2.1 * len(places)), layout="constrained")
    rows = figure.subplots(len(places), 2, sharex=True, squeeze=False)
    for place, (spread, tail) in zip(places, rows, strict=True):
        for line in (n for n in found.lines if n.place == place):
            colour = paint.of(looks[line.points[len(line.points) // 2].cell])
            _curve(spread, line, [p.sd for p in line.points], colour)
            _curve(tail, line, [p.tail for p in line.points], colour)
            if line.oracle is not None:
                spread.axvline(100.0 * line.oracle, color=paint.ink, lw=0.8, ls=(0, (5, 3)))
        spread.set_title(place, loc="left", fontsize=8)
        _dress(spread, "sd over the true one", 1.25)
        _dress(tail, "tail over the true one", 4.0)
    for axes in rows[-1]:
        axes.set_xlabel("poison in every generation, % of rows")
    handles, names = rows[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False)
    return figure


def _curve(axes: Any, line: Line, values: list[Interval], colour: str) -> None:
    shares, middle = [100.0 * p.share for p in line.points], np.array([v.value for v in values])
    bars = np.array([(v.value - v.low, v.high - v.value) for v in values]).T
    axes.errorbar(shares, middle, np.nan_to_num(bars), fmt="o-", ms=2.5, lw=1, color=colour, label=line.arm)


def _dress(axes: Any, label: str, least: float) -> None:
    """A logarithmic axis with plain numbers, that shows a small change as small."""
    axes.set_yscale("log", nonpositive="clip")
    axes.relim()
    axes.autoscale(axis="y")
    low, high = axes.get_ylim()
    low, high = min(1.0 / least, max(low, 1e-3)), max(least, high)
    axes.set_ylim(low, high)
    decades = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    ticks = [10.0**k for k in decades][:: max(1, len(decades) // 4)] if len(decades) > 1 else [1.0 / least, 1.0, least]
    axes.set_yticks(ticks, [number(t) for t in ticks])
    axes.minorticks_off()
    axes.set_ylabel(label)
    axes.axhline(1.0, color="0.5", lw=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
