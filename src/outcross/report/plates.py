"""Plates: what every drawing of a run shares, whatever its rows are. Each is drawn for the page and for files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.report import tables
from outcross.report.charts import Look, number, thinned
from outcross.report.drawing import Draw, on_page
from outcross.report.frames import Frame
from outcross.report.parts import Figure
from outcross.report.tables import Table
from outcross.runs.records import Key

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Array = NDArray[Any]
CELLS, CHAINS = 9, 32  # cells and chains that are looked at for a drawing


class Plate(NamedTuple):
    """A figure for the page with its drawing, and the name of its files."""

    name: str
    figure: Figure
    draw: Draw


def taken(frame: Frame, look: Look, name: str, paper: Sequence[int]) -> dict[int, Array]:
    """An array of chain 0 of a cell, by generation: those that the paper shows and the last, or else a few."""
    found = {}
    for g in frame.experiment.snapshot_generations():
        array = frame.reader.arrays((look.cell, 0), g, f"measure/{name}").get("")
        if array is not None:
            found[g] = array
    chosen = [g for g in found if g in paper or g == max(found)]
    return {g: found[g] for g in (chosen if len(chosen) > 1 else thinned(sorted(found), len(paper)))}


def mean(frame: Frame, look: Look, name: str, generations: Sequence[int]) -> dict[int, Array]:
    """The mean of an array over chains, by generation."""
    keys: list[Key] = [key for key in frame.chains if key[0] == look.cell][:CHAINS]
    found = {}
    for g in generations:
        there = [a for key in keys if (a := frame.reader.arrays(key, g, f"measure/{name}").get("")) is not None]
        if there:
            found[g] = np.mean(there, axis=0)
    return found


def over(frame: Frame) -> str:
    """Over how many chains a mean is."""
    n = frame.experiment.chains
    return f"mean over {min(CHAINS, n)} of {n:,} chains" if n > 1 else "one chain"


def sheet(wide: float, heights: Sequence[float]) -> tuple[Drawing, list[Any]]:
    """A drawing with a part for each row; sizes in inches."""
    from matplotlib.figure import Figure as Drawing

    figure = Drawing(figsize=(max(wide, 4.0), sum(heights)), layout="constrained")
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=list(heights))[:, 0]
    return figure, list(parts)


def plate(
    frame: Frame, name: str, title: str, caption: str, draw: Draw, names: Sequence[str], looks: Sequence[Look]
) -> Plate:
    """A plate with the numbers of the quantities `names` under it."""
    there = {s.measure for s in frame.summaries}
    table: Table = tables.under(frame, [n for n in names if n in there], looks)
    more = "" if len(looks) == len(frame.cells) else f" The first {number(len(looks))} of {len(frame.cells)} cells."
    figure = Figure(title, caption + more, [], table, "none", drawing=on_page(draw, looks))
    return Plate(name, figure, draw)
