"""Paper figures by matplotlib, as inline SVG: the density of a chain at the snapshots, beside the truth.

Text and lines take the page's colour through `currentColor`, an arm's colour comes as a CSS variable; pictures of
densities are transparent where there is nothing. So one drawing serves light and dark.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.report import findings
from outcross.report.charts import Look
from outcross.report.frames import Frame
from outcross.runs.spec import PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
ROWS, COLUMNS = 12, 7  # cells and snapshots that are drawn at most
_INK = "#010203"  # stands for the page's colour until the drawing is text
_FAINTEST, _FULLEST = 1e-5, 1e-2  # shares of draws that are drawn palest and fullest
_POINT = 12  # cells of the picture that hold nearly all draws of a collapsed density
_NEARLY = 0.99
_COARSE = 4  # bins of a table's few real rows that are drawn as one
_TALLEST = 3.0  # multiples of the truth's peak that a curve may show


class Picture(NamedTuple):
    """Density of one chain at one generation: share of draws in each cell, and the edges of the whole."""

    shares: Array  # (bins, bins) or (bins,)
    edges: Array  # (2, columns): lower, upper

    @property
    def spread(self) -> int:
        """Number of cells that hold nearly all of the draws, the fullest first."""
        ordered = np.sort(self.shares.ravel())[::-1].cumsum()
        return int(np.searchsorted(ordered, _NEARLY * max(ordered[-1], 1e-12)) + 1)


class Row(NamedTuple):
    """The pictures of chain 0 of one cell, by generation, and the truth where it is known."""

    look: Look
    pictures: dict[int, Picture]
    truth: Array | None
    columns: tuple[str, ...]


def rows(frame: Frame, looks: Sequence[Look]) -> list[Row]:
    """The density pictures that there are, one row a cell."""
    found = (_row(frame, look) for look in looks[:ROWS])
    return [row for row in found if row.pictures]


def _row(frame: Frame, look: Look) -> Row:
    pictures = {}
    for generation in _chosen(frame.experiment.snapshot_generations()):
        taken = frame.density((look.cell, 0), generation)
        if "map" in taken and "range" in taken:
            pictures[generation] = Picture(taken["map"], taken["range"])
    source = findings.source_of(frame.cells[look.cell])
    named = tuple(source[0].columns) if source else tuple(frame.cells[look.cell].source.get("columns") or ())
    truth = None if source is None or not pictures else _truth(source[1], next(iter(pictures.values())))
    return Row(look, pictures, truth, (*named, "column 1", "column 2")[:2] if len(named) < 2 else named[:2])


def _chosen(generations: list[int]) -> list[int]:
    """The generations that the paper draws, or a few of many."""
    if len(generations) <= COLUMNS:
        return generations
    known = [g for g in generations if g in PAPER]
    if len(known) >= COLUMNS - 1:
        return sorted({*known[: COLUMNS - 1], generations[-1]})
    return [generations[round(k)] for k in np.linspace(0, len(generations) - 1, COLUMNS)]


def _truth(reference: Any, like: Picture) -> Array | None:
    """The truth on the cells of a picture; None in two dimensions where only a few real rows are known."""
    bins, edges = like.shares.shape[0], like.edges
    if reference.law is not None and edges.shape[1] == 1:
        cuts = np.linspace(edges[0, 0], edges[1, 0], bins + 1)
        return np.diff(reference.law.marginal_cdf(cuts[None])[0])
    limits = list(zip(edges[0], edges[1], strict=True))
    if edges.shape[1] == 1:
        counts = np.histogram(reference.rows[:, 0], bins=bins // _COARSE, range=limits[0])[0]
        return np.repeat(counts, _COARSE) / _COARSE / len(reference.rows)
    if reference.law is None:
        return None
    counts = np.histogramdd(reference.rows[:, :2], bins=bins, range=limits)[0]
    return np.asarray(counts / len(reference.rows))


def densities(found: Sequence[Row]) -> str:
    """One row a cell, the truth and then one column a generation."""
    from matplotlib import rc_context

    style = {"svg.fonttype": "none", "font.family": "sans-serif", "font.sans-serif": ["system-ui"], "font.size": 8,
             "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK,
             "ytick.color": _INK, "axes.linewidth": 0.5, "svg.hashsalt": "outcross", "xtick.major.size": 2,
             "ytick.major.size": 2, "svg.id": "densities"}
    style.pop("svg.id")
    with rc_context(style):
        return _svg(_drawn(found), [row.look for row in found])


def _drawn(found: Sequence[Row]) -> Figure:
    from matplotlib.figure import Figure

    generations = sorted({g for row in found for g in row.pictures})
    with_truth = any(row.truth is not None for row in found)
    across, flat = len(generations) + with_truth, found[0].truth_or_first.ndim == 1
    shape = 0.75 if flat else _shape(next(iter(found[0].pictures.values())).edges)
    figure = Figure(figsize=(0.9 + 1.3 * across, 0.75 + len(found) * (1.3 * shape + 0.42)), layout="constrained")
    grid = figure.subplots(len(found), across, squeeze=False, sharex="row", sharey="row")
    for row, axes in zip(found, grid, strict=True):
        _draw_row(row, generations, list(axes), with_truth)
    return figure


def _shape(edges: Array) -> float:
    """Height of a panel for its width: true to the data units unless that is extreme."""
    span = edges[1] - edges[0]
    ratio = float(span[1] / span[0])
    return ratio if 0.5 <= ratio <= 2.0 else 1.0


def _draw_row(row: Row, generations: list[int], axes: list[Axes], with_truth: bool) -> None:
    first = next(iter(row.pictures.values()))
    if with_truth:
        _draw(axes.pop(0), "truth", None if row.truth is None else Picture(row.truth, first.edges), row, _INK)
    for axis, generation in zip(axes, generations, strict=True):
        _draw(axis, f"generation {generation:,}", row.pictures.get(generation), row, row.look.light)


def _draw(axis: Axes, title: str, picture: Picture | None, row: Row, colour: str) -> None:
    axis.set_title(title, fontsize=8)
    if picture is None:
        axis.text(0.5, 0.5, "not there", ha="center", va="center", transform=axis.transAxes)
    elif picture.shares.ndim == 1:
        _curve(axis, picture, row, colour)
    else:
        _image(axis, picture, row, colour)
    axis.locator_params(nbins=4)
    axis.patch.set_alpha(0.0)
