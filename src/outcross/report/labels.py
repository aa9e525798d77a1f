"""A run swept over how many generated rows a labeller finds: what origin labels are worth, by their quality."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from outcross.report import along, charts
from outcross.report.charts import Look, number, span
from outcross.report.drawing import Paint, on_page
from outcross.report.frames import Frame, Summary
from outcross.report.parts import Figure
from outcross.report.plates import Plate
from outcross.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

CHIEF = (
    "kl_divergence",
    "perplexity",
    "feature_w2",
    "w2_gaussian",
)  # what falls as a model gets better, the fullest first


class Line(NamedTuple):
    """Cells that differ in the recall alone: their recalls, and what the last generation reads."""

    name: str
    recalls: list[float]
    read: list[Summary]


def axis(frame: Frame) -> str | None:
    """The axis of the sweep that is a labeller's recall, such as `stages.label.recall`; None where there is none."""
    return along.axis(frame, "label", "recall")


class Worth:
    """What a run says of labels. Only for runs that have an `axis` and read one of CHIEF."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        found = axis(frame)
        assert found is not None
        self.axis = found

    @cached_property
    def measure(self) -> str | None:
        """The quantity that tells: the first of CHIEF that was read."""
        there = {s.measure for s in self.frame.summaries}
        return next((m for m in CHIEF if m in there), None)

    @cached_property
    def lines(self) -> list[Line]:
        """One line an arm and point of the other axes, in order of recall."""
        every = ((one, [self._last(i) for i in one.cells]) for one in along.lines(self.frame, self.axis))
        there = ((one.name, [(v, s) for v, s in zip(one.values, read, strict=True) if s]) for one, read in every)
        return [Line(name, [v for v, _ in told], [s for _, s in told]) for name, told in there if told]

    def _last(self, cell: int) -> Summary | None:
        """What a cell reads at the last generation; None where it has not come so far."""
        read = self.frame.series(cell, self.measure or "")
        return read[-1] if read and read[-1].generation == self.frame.experiment.generations else None

    def sentence(self) -> str:
        """The finding: the best labels against the worst, and labels that do harm."""
        first, every = self.lines[0].read[0].value, [(n, *f) for n in self.lines for f in zip(n.recalls, n.read)]
        line, recall, best = min(every, key=lambda found: found[2].value)
        told = f"Labels that find {100 * recall:.3g} % ({line.name}) bring {self.measure} from "
        told += f"{number(first)} to {number(best.value)}"
        harm = [n.name for n in self.lines if any(s.low > n.read[0].high for s in n.read)]
        return f"{told}; some labels do harm under {', '.join(harm[:3])}" if harm else told

    def table(self) -> Table:
        """The last generation by recall."""
        rows = [
            (line.name, f"{r:g}", number(s.value), span(s.low, s.high))
            for line in self.lines
            for r, s in zip(line.recalls, line.read, strict=True)
        ]
        return Table(("cells", "recall", self.measure or "", "95 % interval"), rows)

    def plate(self) -> Plate:
        """Quality after the last generation against recall."""
        looks = charts.looks(self.frame)

        def draw(paint: Paint) -> Drawing:
            return self._drawn(looks, paint)

        e = self.frame.experiment
        caption = (
            f"{self.measure} after {e.generations:,} generations, median over {e.chains:,} chains with its 95 % "
            "interval; lower is better. Recall: share of generated rows that are labelled so and left out of the fit. "
            "Precision: share of such labels that are right, among as many real as generated rows."
        )
        figure = Figure(self.sentence(), caption, [], self.table(), "none", drawing=on_page(draw, looks))
        return Plate("labels", figure, draw)

    def _drawn(self, looks: list[Look], paint: Paint) -> Drawing:
        from matplotlib.figure import Figure as Drawing

        figure = Drawing(figsize=(6.4, 3.4), layout="constrained")
        axes = figure.subplots()
        markers, dashes = "osD^vP*X", ("-", "--", "-.", ":")
        for k, line in enumerate(self.lines):
            values = np.array([(s.value, s.value - s.low, s.high - s.value) for s in line.read]).T
            colour = paint.of(looks[line.read[len(line.read) // 2].cell])
            marker, dash = markers[k % len(markers)], dashes[k % len(dashes)]
            axes.errorbar(
                line.recalls,
                values[0],
                np.nan_to_num(values[1:]),
                marker=marker,
                ls=dash,
                ms=4,
                lw=1.2,
                color=colour,
                label=line.name,
            )
        axes.set_xlabel("recall: generated rows that are labelled so")
        quantity = self.frame.quantities.get(self.measure or "")
        axes.set_ylabel(f"{self.measure}, {quantity.unit}" if quantity else "")
        axes.set_ylim(bottom=0.0 if math.isfinite(axes.get_ylim()[1]) else None)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(frameon=False)
        return figure


def plate(frame: Frame) -> Plate | None:
    """The plate of a run that is swept over recall and has reached its last generation; None of any other."""
    if axis(frame) is None:
        return None
    found = Worth(frame)
    return found.plate() if found.lines else None
