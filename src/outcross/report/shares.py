"""The drawing and the table of a decomposition: drift by cause, generation by generation, and shares with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.core.stats import Interval
from outcross.report.causes import NOUN, Attribution, percentage
from outcross.report.charts import number, span
from outcross.report.drawing import Paint, on_page
from outcross.report.parts import Figure
from outcross.report.plates import Plate
from outcross.report.tables import Table
from outcross.runs.causes import LEARNED, STATISTICAL

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

# of Okabe and Ito 2008, those that stand out from a white and from a black page
_COLOUR = dict(zip((STATISTICAL, *LEARNED), ("#2f8fd0", "#d55e00", "#009e73", "#cc79a7"), strict=True))
_GREY, _LEFT = "#8a8f98", "left"
_HEAD = ("cause", "drift", "95 % interval", "share", "95 % interval", "change if removed")


def table(found: Attribution, generation: int | None = None) -> Table:
    """The parts at a recorded generation, the last by default; the last column: each cause removed alone."""
    at = found.at(generation)
    rows = [(NOUN[p.cause], *_interval(p.value), *_share(p.share), number(-p.alone.value)) for p in at.parts]
    rows.append((_LEFT, *_interval(at.left), *_share(at.left_share), ""))
    rows.append(("all", *_interval(at.total), "", "", ""))
    return Table(_HEAD, rows)


def together(found: Attribution, generation: int | None = None) -> Table:
    """What causes do together beyond what fewer of them do: half of it, or a third, is in the part of each."""
    joint = found.at(generation).joint
    rows = [(" and ".join(NOUN[c] for c in j.causes), *_interval(j.value), *_share(j.share)) for j in joint]
    return Table(("together", *_HEAD[1:-1]), rows)


def _interval(found: Interval) -> tuple[str, str]:
    return number(found.value), span(found.low, found.high)


def _share(found: Interval) -> tuple[str, str]:
    if not np.isfinite(found.value):
        return "\N{EN DASH}", "\N{EN DASH}"
    return f"{percentage(found.value)} %", f"{percentage(found.low)} to {percentage(found.high)}"


def by_generation(found: Attribution) -> Table:
    """The parts at every recorded generation."""
    head = ("generation", *(NOUN[c] for c in found.isolated), _LEFT, "all")
    rows = []
    for g in found.generations:
        at = found.at(g)
        cells = (f"{number(i.value)}\n{span(i.low, i.high)}" for i in (*(p.value for p in at.parts), at.left, at.total))
        rows.append((f"{g:,}", *cells))
    return Table(head, rows)


def plate(found: Attribution) -> Plate:
    """The figure of the page, and of files."""

    def draw(paint: Paint) -> Drawing:
        return _drawn(found, paint)

    caption = " ".join([*found.removed, *found.notes()])
    figure = Figure(found.sentence(), caption, [], by_generation(found), "none", drawing=on_page(draw, []))
    return Plate("causes", figure, draw)


def _drawn(found: Attribution, paint: Paint) -> Drawing:
    from matplotlib.figure import Figure as Drawing

    figure = Drawing(figsize=(8.2, 3.1), layout="constrained")
    stacked, shares = figure.subplots(1, 2)
    _stack(stacked, found, paint)
    _shares(shares, found, paint)
    handles, labels = stacked.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _stack(axes: Any, found: Attribution, paint: Paint) -> None:
    """Bars by generation: positive parts upwards from 0, negative ones downwards; the whole as a mark."""
    generations = found.generations
    places = np.arange(len(generations))
    up, down = np.zeros(len(places)), np.zeros(len(places))
    for i, cause in enumerate((*found.isolated, _LEFT)):
        values = np.array([_value(found, g, i) for g in generations])
        looks = {"color": _GREY, "hatch": "///"} if cause == _LEFT else {"color": _COLOUR[cause]}
        bottom = np.where(values >= 0.0, up, down)
        name = "left" if cause == _LEFT else NOUN[cause]
        axes.bar(places, values, 0.72, bottom, label=name, edgecolor=paint.ink, linewidth=0.4, **looks)
        up, down = up + np.maximum(values, 0.0), down + np.minimum(values, 0.0)
    whole = [found.at(g).total for g in generations]
    axes.errorbar(places, [t.value for t in whole], _bars(whole), fmt="_", color=paint.ink, lw=1, ms=9, label="all")
    _dress(axes, generations, paint, f"drift: {found.drift.name}, {found.drift.unit}")


def _shares(axes: Any, found: Attribution, paint: Paint) -> None:
    """Shares with their intervals, a little apart; generations whose drift cannot be told from none have none."""
    generations = found.generations
    for i, cause in enumerate(found.isolated):
        told = [found.at(g).parts[i].share for g in generations]
        places = np.arange(len(told)) + 0.16 * (i - (len(found.isolated) - 1) / 2.0)
        values = [100.0 * t.value for t in told]
        axes.errorbar(places, values, 100.0 * _bars(told), fmt="o-", ms=3, lw=1, color=_COLOUR[cause])
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -150.0), min(high, 250.0))
    _dress(axes, generations, paint, "share of the drift, %")


def _value(found: Attribution, generation: int, part: int) -> float:
    at = found.at(generation)
    return at.parts[part].value.value if part < len(at.parts) else at.left.value


def _bars(found: Sequence[Interval]) -> Any:
    """Lengths of error bars, below and above: (2, n)."""
    return np.array([(i.value - i.low, i.high - i.value) for i in found]).T


def _dress(axes: Any, generations: Sequence[int], paint: Paint, label: str) -> None:
    axes.axhline(0.0, color=paint.ink, lw=0.6)
    axes.set_xticks(range(len(generations)), [f"{g:,}" for g in generations])
    axes.set_xlabel("generation")
    axes.set_ylabel(label)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
