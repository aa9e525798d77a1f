"""The density of a chain at the snapshots, beside the truth. Pictures are transparent where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.measures.coverage import BINS, MAPPED
from outcross.report import findings
from outcross.report.charts import Look, number
from outcross.report.drawing import Paint, on_page, short
from outcross.report.frames import Frame, source_of
from outcross.report.tables import Table
from outcross.runs.spec import PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
ROWS, COLUMNS = 12, 7  # cells and snapshots that are drawn at most
_FAINTEST, _FULLEST = 1e-5, 1e-2  # shares of draws that are drawn palest and fullest
_NAMED = 3  # cells that the title names
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
    ended: bool  # chain 0 went no further, as its fit had no answer or failed

    @property
    def first(self) -> Picture:
        """The earliest picture."""
        return self.pictures[min(self.pictures)]


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
    source = source_of(frame.cells[look.cell])
    named = tuple(source[0].columns) if source else tuple(frame.cells[look.cell].source.get("columns") or ())
    truth = None if source is None or not pictures else _truth(source[1], next(iter(pictures.values())))
    ended = frame.chains.get((look.cell, 0), (0, "running", None))[1] in ("degenerate", "failed")
    return Row(look, pictures, truth, named[:2] or ("column 1", "column 2"), ended)


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
        below: Array = reference.law.marginal_cdf(cuts[None])[0]
        return np.diff(below)
    limits = list(zip(edges[0], edges[1], strict=True))
    if edges.shape[1] == 1:
        counts = np.histogram(reference.rows[:, 0], bins=bins // _COARSE, range=limits[0])[0]
        return np.repeat(counts, _COARSE) / _COARSE / len(reference.rows)
    if reference.law is None:
        return None
    counts = np.histogramdd(reference.rows[:, :2], bins=bins, range=limits)[0]
    return np.asarray(counts / len(reference.rows))


def densities(found: Sequence[Row]) -> str:
    """One row a cell: the truth where it is known, then one picture a generation."""
    return on_page(lambda paint: _drawn(found, paint), [row.look for row in found])


def _drawn(found: Sequence[Row], paint: Paint) -> Figure:
    from matplotlib.figure import Figure

    generations = sorted({g for row in found for g in row.pictures})
    with_truth = any(row.truth is not None for row in found)
    first = found[0].first
    flat = first.shares.ndim == 1
    height = 1.3 * (0.75 if flat else _shape(first.edges)) + 0.85
    across = len(generations) + with_truth
    wide = 0.4 + 1.35 * across if flat else max(0.4 + 1.35 * across, 5.0)
    heights = [height] * len(found) + [0.55] * (not flat)  # inches; the last is the key
    figure = Figure(figsize=(wide, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for row, part in zip(found, parts, strict=False):
        part.suptitle(short(row.look.label), x=0.01, ha="left", fontsize=10, weight="bold")
        axes = part.subplots(1, across, squeeze=False, sharex=True, sharey=True)[0]
        _draw_row(row, generations, list(axes), with_truth, paint)
    if not flat:
        _key(parts[-1])
    return figure


def _shape(edges: Array) -> float:
    """Height of a panel for its width: true to the data units unless that is extreme."""
    span = edges[1] - edges[0]
    ratio = float(span[1] / span[0])
    return ratio if 0.5 <= ratio <= 2.0 else 1.0


def _draw_row(row: Row, generations: list[int], axes: list[Axes], with_truth: bool, paint: Paint) -> None:
    first = row.first
    truth = None if row.truth is None else Picture(row.truth, first.edges)
    names = ["truth"] * with_truth + [f"generation {g:,}" for g in generations]
    pictures = [truth] * with_truth + [row.pictures.get(g) for g in generations]
    for axis, name, picture in zip(axes, names, pictures, strict=True):
        axis.set_title(name, fontsize=9)
        axis.patch.set_alpha(0.0)
        axis.locator_params(nbins=4)
        axis.set_xlabel(row.columns[0])
        if picture is None:
            axis.text(
                0.5,
                0.5,
                "chain\nended" if row.ended else "not taken",
                ha="center",
                va="center",
                transform=axis.transAxes,
            )
        elif picture.shares.ndim == 1:
            _curve(axis, None if name == "truth" else picture, truth, row.look, paint)
        else:
            _image(axis, picture, (128, 128, 128) if name == "truth" else row.look.middle, paint)
    axes[0].set_ylabel("density" if first.shares.ndim == 1 else row.columns[1])


def _image(axis: Axes, picture: Picture, colour: tuple[int, int, int], paint: Paint) -> None:
    """Shares on a log scale from faint to full; a ring where nearly all draws are in a few cells."""
    edges, shares = picture.edges, picture.shares
    with np.errstate(divide="ignore"):
        level = (np.log10(shares.T) - np.log10(_FAINTEST)) / np.log10(_FULLEST / _FAINTEST)
    alpha = np.where(shares.T > 0, np.clip(0.1 + 0.9 * level, 0.1, 1.0), 0.0)
    image = np.concatenate([np.broadcast_to(np.array(colour) / 255, (*alpha.shape, 3)), alpha[..., None]], axis=2)
    axis.imshow(image, origin="lower", interpolation="none", aspect="auto", extent=_extent(edges))
    if shares.sum() < _NEARLY:
        _note(axis, f"{findings.percent(1 - shares.sum())} outside")
    if 0.0 < shares.sum() and picture.spread <= _POINT:
        i, j = np.unravel_index(int(shares.argmax()), shares.shape)
        centre = edges[0] + (np.array([i, j]) + 0.5) / shares.shape * (edges[1] - edges[0])
        axis.plot(*centre, "o", markersize=9, markerfacecolor="none", markeredgecolor=paint.ink, markeredgewidth=0.8)


def _extent(edges: Array) -> tuple[float, float, float, float]:
    return float(edges[0, 0]), float(edges[1, 0]), float(edges[0, 1]), float(edges[1, 1])


def _curve(axis: Axes, picture: Picture | None, truth: Picture | None, look: Look, paint: Paint) -> None:
    """A density over the truth's, cut off some way above the truth's peak."""
    like = picture or truth
    assert like is not None
    bins = len(like.shares)
    cuts = np.linspace(like.edges[0, 0], like.edges[1, 0], bins + 1)
    per_unit = 1.0 / (cuts[1] - cuts[0])
    if truth is not None:
        axis.stairs(truth.shares * per_unit, cuts, fill=True, color=paint.ink, alpha=0.22, linewidth=0)
        axis.set_ylim(0.0, _TALLEST * float(truth.shares.max()) * per_unit)
    if picture is None:
        return
    axis.stairs(picture.shares * per_unit, cuts, color=paint.of(look), linewidth=1.1)
    notes = [f"{findings.percent(1 - picture.shares.sum())} outside"] if picture.shares.sum() < _NEARLY else []
    if truth is not None and picture.shares.max() > _TALLEST * truth.shares.max():
        notes.append(f"peak {picture.shares.max() * per_unit:.3g}")
    _note(axis, "\n".join(notes))


def _note(axis: Axes, text: str) -> None:
    axis.text(0.03, 0.97, text, va="top", transform=axis.transAxes, fontsize=8)


def _key(part: Any) -> None:
    """The scale of the pictures."""
    axis = part.subplots(1, 3, gridspec_kw={"width_ratios": [1, 4, 1]})
    for side in (axis[0], axis[2]):
        side.set_axis_off()
    axis = axis[1]
    ramp = np.zeros((1, 100, 4))
    ramp[..., :3], ramp[0, :, 3] = 0.5, np.linspace(0.1, 1.0, 100)
    axis.imshow(ramp, aspect="auto", interpolation="none", extent=(-5, -2, 0, 1))
    axis.set(
        yticks=[],
        xticks=[-5, -4, -3, -2],
        xticklabels=["1 in 100,000", "1 in 10,000", "1 in 1,000", "1 in 100 up"],
        title="share of draws in one cell of the picture",
    )
    axis.title.set_fontsize(9)


def title(found: Sequence[Row]) -> str:
    """The finding: what became of the region that holds 99 % of the draws."""
    moved = [row for row in found if len(row.pictures) > 1][:_NAMED]
    if not moved:
        return f"Density at generation {max(g for row in found for g in row.pictures):,}, chain 0"
    what = "interval" if found[0].first.shares.ndim == 1 else "region"
    last = {max(row.pictures) for row in moved}
    if len(last) > 1:
        told = [f"{_size(row)} under {row.look.label} at generation {max(row.pictures):,}" for row in moved]
        return f"Of its first size, the {what} with 99 % of chain 0's draws has {findings.joined(told)}"
    told = [f"{_size(row)} under {row.look.label}" for row in moved]
    whole = f"the {what} with 99 % of chain 0's draws has, of its first size"
    return f"At generation {last.pop():,}, {whole}, {findings.joined(told)}"


def _size(row: Row) -> str:
    """The region of the last picture relative to the first one's."""
    share = row.pictures[max(row.pictures)].spread / row.first.spread
    return findings.percent(share) if share >= 0.01 else "less than 1 %"


def caption(frame: Frame, found: Sequence[Row]) -> str:
    """What the caption states."""
    flat = found[0].first.shares.ndim == 1
    what = (
        f"Density of {MAPPED:,} fresh draws in {BINS} bins; filled: the truth"
        if flat
        else (
            f"Share of {MAPPED:,} fresh draws in each of {BINS} x {BINS} cells, first two columns, on one logarithmic "
            "scale; a ring marks where 99 % of the draws are within 12 cells; grey: the truth, where its law is known"
        )
    )
    text = f"{what}. n = {findings.sizes(frame)} rows a generation; chain 0 of {frame.experiment.chains:,}, so without "
    text += "interval. Axes in data units."
    if len(found) < len(frame.cells):
        text += f" The first {len(found)} of {len(frame.cells)} cells."
    return f"{text} After {findings.PAPER}, whose figure draws these generations."


def table(found: Sequence[Row]) -> Table:
    """The pictures in numbers."""
    rows = [
        (
            row.look.label,
            f"{g:,}",
            f"{p.spread:,} of {p.shares.size:,}",
            f"{p.shares.max():.3g}",
            number(max(0.0, round(1 - float(p.shares.sum()), 9))),  # shares add up to 1 but for rounding
        )
        for row in found
        for g, p in row.pictures.items()
    ]
    head = ("cell", "generation", "cells with 99 % of the draws", "fullest cell's share", "share outside the picture")
    return Table(head, rows)
