"""Figures of a run on text: how likely each generation's text is, which words die.

Each is drawn for the page and, as PNG and SVG, for the run's folder `figures/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from outcross.measures.perplexity import EDGES, OUTER
from outcross.report import findings
from outcross.report.charts import Look, thinned
from outcross.report.drawing import Paint, short
from outcross.report.frames import Frame
from outcross.report.plates import CELLS, Array, Plate, mean, over, plate, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.ticker import Locator
    from mpl_toolkits.mplot3d import Axes3D

Found = Sequence[tuple[Look, dict[int, Array]]]  # an array of each cell, by generation
HISTOGRAMS = (0, 1, 2, 3, 5, 9)  # generations whose histograms the paper shows
_COARSE = 2  # bins of a histogram that are drawn as one
_BINS = (0, 1, 2, 3, 4, 6, 8, 10)  # of frequency, as powers of two, that are drawn
_CITE = "After Shumailov et al. 2024"


def plates(frame: Frame, looks: Sequence[Look]) -> list[Plate]:
    """Every drawing that this run has text for."""
    shown = [k for k in looks[:CELLS] if frame.series(k.cell, "perplexity")]
    made = (_histograms(frame, shown), _landscape(frame, shown), _rare(frame, shown), _curve(frame, shown))
    return [plate for plate in made if plate is not None] if shown else []


def _at(frame: Frame, look: Look, paper: Sequence[int]) -> list[int]:
    there = [s.generation for s in frame.series(look.cell, "perplexity")]
    chosen = [g for g in there if g in paper or g == there[-1]]
    return chosen if len(chosen) > 2 else thinned(there, len(paper))


def _coarse(shares: Array) -> tuple[Array, Array]:
    """Density over log perplexity of what is written and of real text, in wider bins: (2, bins), and their edges."""
    edges = EDGES[::_COARSE]
    return shares.reshape(2, -1, _COARSE).sum(axis=2) / (edges[1] - edges[0]), edges


def _range(found: Found) -> tuple[float, float]:
    """Log perplexities between which nearly all of what is drawn lies."""
    held = np.sum([s.sum(axis=0) for _, shares in found for s in shares.values()], axis=0)
    there = np.flatnonzero(held > 0.001 * held.max())
    return float(EDGES[max(0, there[0] - 4)]), float(EDGES[min(len(EDGES) - 1, there[-1] + 5)])


def _histograms(frame: Frame, looks: Sequence[Look]) -> Plate | None:
    """How likely the text of each generation is to generation 0, beside real text."""
    found = [(k, mean(frame, k, "perplexity_histogram", _at(frame, k, HISTOGRAMS))) for k in looks]
    found = [(k, shares) for k, shares in found if shares]
    if not found:
        return None
    title = findings.title(
        frame, "The perplexity of what is written, to generation 0,", "written_perplexity", [k.cell for k, _ in found]
    )
    caption = (
        "Perplexity a token of blocks that each generation writes, under the chain's own generation-0 model, on a "
        "logarithmic axis; filled: held-out real text under the same model; each panel has its own scale of density. "
        f"Both tails count: {OUTER:.0%} of real blocks lie below the lower of the two lines and as many above the "
        f"upper one. {_drawn(frame)} "
        f"{_CITE}, figure 1b and c."
    )
    names = ("written_perplexity", "written_low", "written_high")
    return plate(frame, "perplexity", title, caption, partial(_draw_histograms, found), names, looks)


def _drawn(frame: Frame) -> str:
    return f"{over(frame).capitalize()}; n = {findings.sizes(frame)} blocks a generation."


def _draw_histograms(found: Found, paint: Paint) -> Drawing:
    limits = _range(found)
    draw = partial(_overlay, limits=limits, paint=paint)
    return _panels(found, "density", draw, together=False)


def _across(found: Found) -> int:
    """Panels in a row: at most three, and four as two by two."""
    return 2 if len(found) == 4 else min(3, len(found))


def _panels(
    found: Found, upright: str, draw: Callable[[Axes, Look, dict[int, Array]], None], together: bool = True
) -> Drawing:
    """One panel a cell; together: all of a row on one vertical axis."""
    across = _across(found)
    figure, rows = sheet(2.9 * across, [2.5] * -(-len(found) // across))
    for number, part in enumerate(rows):
        axes, here = part.subplots(1, across, squeeze=False, sharey=together)[0], found[number * across :]
        axes[0].set_ylabel(upright)
        for axis, (look, arrays) in zip(axes, here, strict=False):
            axis.patch.set_alpha(0.0)
            axis.set_title(short(look.label), fontsize=10, weight="bold")
            draw(axis, look, arrays)
        for axis in axes[len(here) :]:
            axis.set_axis_off()
    return figure


def _legend(axis: Axes, title: str, paint: Paint) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(title=title, fontsize=7, title_fontsize=7, frameon=False, labelcolor=paint.ink)


def _overlay(axis: Axes, look: Look, shares: dict[int, Array], limits: tuple[float, float], paint: Paint) -> None:
    for i, (g, values) in enumerate(shares.items()):
        (written, real), edges = _coarse(values)
        if i == 0:
            axis.stairs(real, edges, fill=True, color=paint.ink, alpha=0.16, linewidth=0)
            for tail in _outer(values[1]):
                axis.axvline(tail, color=paint.ink, linewidth=0.6, linestyle=":")
        strength = 0.3 + 0.7 * i / max(1, len(shares) - 1)
        axis.stairs(written, edges, color=paint.of(look), alpha=strength, linewidth=1.2, label=f"{g:,}")
    axis.set_xlabel("perplexity of a block")
    _as_perplexity(axis, limits)
    _legend(axis, "generation", paint)


def _outer(shares: Array) -> tuple[float, float]:
    """The log perplexities beyond which OUTER of a histogram lie on each side."""
    below = np.concatenate([[0.0], np.cumsum(shares)])
    return float(np.interp(OUTER, below, EDGES)), float(np.interp(1.0 - OUTER, below, EDGES))


def _as_perplexity(axis: Axes, limits: tuple[float, float]) -> None:
    """Mark log perplexities as perplexities."""
    steps = (1, 2, 5) if limits[1] - limits[0] < np.log(100.0) else (1,)
    marks = [m * 10.0**k for k in range(7) for m in steps if limits[0] <= np.log(m * 10.0**k) <= limits[1]]
    axis.set_xticks(np.log(marks), [f"{m:,.0f}" for m in marks], fontsize=8)
    axis.set_xlim(limits)


def _landscape(frame: Frame, looks: Sequence[Look]) -> Plate | None:
    """The same as a landscape: generation by log perplexity by density."""
    found = [(k, mean(frame, k, "perplexity_histogram", _generations(frame, k))) for k in looks]
    found = [(k, shares) for k, shares in found if len(shares) > 1]
    if not found:
        return None
    title = findings.title(frame, "The share of blocks that are too likely", "written_low", _cells(found))
    caption = (
        "Every generation's histogram of perplexity under generation 0, one behind the other; on the far wall, in "
        f"grey, held-out real text; each panel has its own scale. {_drawn(frame)} {_CITE}, figure 1b and c."
    )
    names = ("written_low", "written_high")
    return plate(frame, "perplexity-3d", title, caption, partial(_draw_landscape, found), names, looks)


def _cells(found: Found) -> list[int]:
    return [k.cell for k, _ in found]


def _generations(frame: Frame, look: Look) -> list[int]:
    return thinned([s.generation for s in frame.series(look.cell, "perplexity")], 12)


def _draw_landscape(found: Found, paint: Paint) -> Drawing:
    across = _across(found)
    down = -(-len(found) // across)
    figure, rows = sheet(3.4 * across, [3.2] * down)
    low, high = _range(found)
    for row, part in enumerate(rows):
        for k, one in enumerate(found[row * across : (row + 1) * across]):
            _ridges(part.add_subplot(1, across, k + 1, projection="3d"), *one, (low, high), paint)
    return figure


def _ridges(axis: Axes3D, look: Look, shares: dict[int, Array], limits: tuple[float, float], paint: Paint) -> None:
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    axis.set_title(short(look.label), fontsize=10, weight="bold")
    last, top = max(shares), 0.0
    for g in sorted(shares, reverse=True):
        (written, real), edges = _coarse(shares[g])
        middle = (edges[1:] + edges[:-1]) / 2
        inside = (middle >= limits[0]) & (middle <= limits[1])
        top = max(top, float(written.max()), float(real.max()))
        ridges = [(g, written, paint.of(look), 0.45)] + ([(last, real, paint.ink, 0.15)] if g == last else [])
        for at, heights, colour, strength in reversed(ridges):
            x, z = middle[inside], heights[inside]
            outline = [(x[0], at, 0.0), *((a, at, b) for a, b in zip(x, z, strict=True)), (x[-1], at, 0.0)]
            axis.add_collection3d(Poly3DCollection([outline], facecolor=colour, alpha=strength, linewidth=0))
            axis.plot(x, np.full(len(x), at), z, color=colour, linewidth=0.8)
    axis.set(xlim=limits, ylim=(0, last), zlim=(0, 1.02 * top))
    _as_perplexity(axis, limits)
    axis.tick_params(labelsize=6, pad=-2)
    for side, words in (("x", "perplexity"), ("y", "generation"), ("z", "density")):
        getattr(axis, f"set_{side}label")(words, fontsize=8, labelpad=-4)
        getattr(axis, f"{side}axis").set_pane_color((0, 0, 0, 0))
        getattr(axis, f"{side}axis")._axinfo["grid"].update(color=paint.ink, linewidth=0.15)
    axis.yaxis.set_major_locator(_whole_generations())
    axis.set_box_aspect(None, zoom=0.88)  # the label of the upright axis stays inside
    axis.view_init(elev=28, azim=-62)
    axis.patch.set_alpha(0.0)


def _whole_generations() -> Locator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(6, integer=True)


def _rare(frame: Frame, looks: Sequence[Look]) -> Plate | None:
    """Which words are still written, by how often real text has them."""
    found = [(k, mean(frame, k, "rare_alive", _generations(frame, k))) for k in looks]
    found = [(k, alive) for k, alive in found if alive]
    if not found:
        return None
    told = all(np.isfinite(a[3]).all() for _, alive in found for a in alive.values())
    what = (
        "Share of the real vocabulary that is left in the text a generation was fitted on"
        if told
        else "Different tokens that a generation writes, relative to those in as much real text"
    )
    caption = (
        f"{what}, by how often the real training text has them: the rarest in the darkest line. {_drawn(frame)} "
        f"{_CITE}: the tails go first."
    )
    noun, measure = ("The vocabulary that is left", "vocabulary_left") if told else ("Rare words", "rare_words")
    title = findings.title(frame, noun, measure, _cells(found), not told)
    names = ("vocabulary_left", "rare_words", "rare_mass")
    return plate(frame, "rare-words", title, caption, partial(_draw_rare, found, told), names, looks)


def _draw_rare(found: Found, told: bool, paint: Paint) -> Drawing:
    first, upright = found[0][0], "share left" if told else "relative to real text"
    return _panels(found, upright, lambda axis, k, alive: _extinctions(axis, k, alive, told, k == first, paint))


def _extinctions(axis: Axes, look: Look, alive: dict[int, Array], told: bool, explains: bool, paint: Paint) -> None:
    """told: whether it is known what a model was fitted on. explains: whether the panel has a legend."""
    left, of = (3, 0) if told else (2, 1)
    first = next(iter(alive.values()))
    bins = [b for b in _BINS if b < first.shape[1] and first[of, b] > 0]
    axis.axhline(1.0, color=paint.ink, linewidth=0.6, linestyle=":")
    for i, b in enumerate(bins):
        share = [a[left, b] / a[of, b] if a[of, b] else np.nan for a in alive.values()]
        strength = 1.0 - 0.75 * i / max(1, len(bins) - 1)
        named = f"{2 ** (b - 1) + 1:,} to {2**b:,}" if b > 1 else str(b + 1)
        axis.plot(list(alive), share, color=paint.of(look), alpha=strength, linewidth=1.3, label=named)
    axis.set_yscale("symlog", linthresh=0.01)
    marks = (0, 0.01, 0.1, 1) if told else (0, 0.01, 0.1, 1, 10)
    axis.set_yticks(marks, [f"{m:g}" for m in marks], fontsize=8)
    axis.set(ylim=(0.0, 1.3 if told else 30.0), xlabel="generation")
    axis.xaxis.set_major_locator(_whole_generations())
    if explains:
        _legend(axis, "times in real text", paint)


def _curve(frame: Frame, looks: Sequence[Look]) -> Plate | None:
    """Different tokens against tokens, every text cut to the same length."""
    found = [(k, mean(frame, k, "type_token", _at(frame, k, HISTOGRAMS))) for k in looks]
    found = [(k, curves) for k, curves in found if curves]
    if not found:
        return None
    title = findings.title(frame, "The number of different words", "distinct_1", _cells(found), True)
    caption = (
        "Different tokens to be expected in so many tokens of each generation's text (rarefaction, Hurlbert 1971); "
        f"grey: held-out real text. {_drawn(frame)}"
    )
    names = ("words_used", "distinct_1", "distinct_2", "zipf_slope")
    return plate(frame, "type-token", title, caption, partial(_draw_curve, found), names, looks)


def _draw_curve(found: Found, paint: Paint) -> Drawing:
    least = min(curve[1:].min() for _, curves in found for curve in curves.values())
    return _panels(found, "different tokens", partial(_growth, least=least, paint=paint))


def _growth(axis: Axes, look: Look, curves: dict[int, Array], least: float, paint: Paint) -> None:
    size, _, real = next(iter(curves.values()))
    axis.plot(size, real, color=paint.ink, alpha=0.5, linewidth=2.5)
    for i, (g, (size, made, _)) in enumerate(curves.items()):
        strength = 0.3 + 0.7 * i / max(1, len(curves) - 1)
        axis.plot(size, made, color=paint.of(look), alpha=strength, linewidth=1.2, label=f"{g:,}")
    axis.set(xscale="log", yscale="log", xlabel="tokens")
    for side, top in ((axis.xaxis, size.max()), (axis.yaxis, max(real.max(), *(c[1].max() for c in curves.values())))):
        marks = [10**k for k in range(7) if 10**k <= 1.5 * top]
        side.set_ticks(marks, [f"{m:,}" for m in marks], fontsize=8)
        side.set_ticks([], minor=True)
    axis.set(xlim=(size.min() / 1.01, size.max() * 1.01), ylim=(least / 1.3, None))
    _legend(axis, "generation", paint)
