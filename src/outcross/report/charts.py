"""Interactive charts as Vega-Lite specifications, drawn by the Vega bundle that a page carries once.

Colours are CSS variables that the page sets for light and dark; an arm keeps its hue in every chart and a point of the
sweep is a shade of it. The truth is always the neutral colour. Specifications hold aggregates only, and never NaN.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from outcross.report.frames import Frame, Summary
from outcross.report.verdict import Course

if TYPE_CHECKING:
    import altair as alt

Spec = dict[str, Any]
T = TypeVar("T")
RGB = tuple[int, int, int]

# Okabe and Ito 2008 without black, which is the truth's; orange and yellow come last, as phases use them
_LIGHT: tuple[RGB, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
    (148, 130, 20),
)
_DARK: tuple[RGB, ...] = (
    (77, 163, 219),
    (240, 133, 60),
    (38, 190, 148),
    (224, 150, 192),
    (134, 205, 245),
    (240, 181, 60),
    (222, 209, 80),
)
_DASHES = ([1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [12, 4], [4, 1], [1, 3], [9, 3, 2, 3, 2, 3])
_WHITE, _NIGHT = (255, 255, 255), (24, 26, 31)
PHASES = ("none", "early", "late", "inconclusive", "ended")
DRAWN = 24  # cells that a chart shows at most
LOWEST = 1e-18  # what is less lies on the lower edge of a log axis
_POINTS = 480  # points of a chart, shared by its cells
_LEAST = 1e-15  # of a smaller number only the fact is told
_BANDS = 4  # cells beyond which the bands of all chains would hide each other


class Look(NamedTuple):
    """How a cell is drawn: its label, its colour on a light and on a dark page, its dash pattern."""

    cell: int
    label: str
    light: str
    dark: str
    dash: list[int]

    @property
    def colour(self) -> str:
        """The CSS value that follows the page's theme."""
        return f"var(--cell-{self.cell})"

    @property
    def middle(self) -> RGB:
        """A colour between both, for pictures, which cannot follow the theme."""
        both = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (self.light, self.dark)]
        red, green, blue = ((a + b) // 2 for a, b in zip(*both, strict=True))
        return red, green, blue


def looks(frame: Frame) -> list[Look]:
    """The look of every cell."""
    arms = list(dict.fromkeys(c.arm for c in frame.cells))
    points = Counter(c.arm for c in frame.cells)
    seen: Counter[str] = Counter()
    found = []
    for number, cell in enumerate(frame.cells):
        place, of = seen[cell.arm], points[cell.arm]
        seen[cell.arm] += 1
        again, hue = divmod(arms.index(cell.arm), len(_LIGHT))  # more arms than hues: the next have other dashes
        step = place / (of - 1) if of > 1 else 0.5
        light, dark = (_shade(c[hue], step, paper) for c, paper in ((_LIGHT, _WHITE), (_DARK, _NIGHT)))
        found.append(Look(number, cell.label, light, dark, _DASHES[(of - 1 - place + again) % len(_DASHES)]))
    return found


def _shade(colour: RGB, step: float, paper: RGB) -> str:
    """An arm's colour at a place of its sweep: from nearer the paper (0) through the colour to further from it (1)."""
    other, share = (paper, 0.5 - step) if step < 0.5 else (tuple(255 - v for v in paper), step - 0.5)
    return "#" + "".join(f"{round(a + (b - a) * 0.8 * share):02x}" for a, b in zip(colour, other, strict=True))


def config() -> Spec:
    """Vega configuration that all charts share: transparent, in the page's colours and font."""
    ink, grid = "var(--muted)", "var(--line)"
    axis = {
        "labelColor": ink,
        "titleColor": "var(--ink)",
        "domainColor": ink,
        "tickColor": ink,
        "gridColor": grid,
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "labelOverlap": "greedy",
    }
    level = {"minExtent": 36}  # charts side by side keep their axes in line
    return {
        "background": None,
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": axis,
        "axisY": level,
        "aria": False,
    }


class Axes(NamedTuple):
    """The vertical axis of a chart: label, scale (log, or sqrt from 0), the levels marked on it, and its span."""

    title: str
    kind: Literal["log", "sqrt"]
    truth: float | None = None
    margins: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 1.0

    def over(self, found: Iterable[Summary]) -> Axes:
        """The axis with the span of everything that is drawn."""
        marks = [v for v in (self.truth, *self.margins) if v is not None]
        there = [
            v
            for v in (*(v for s in found for v in s.numbers), *marks)
            if math.isfinite(v) and (v > 0.0 or self.kind == "sqrt")
        ]
        high = max(there, default=1.0)
        if self.kind == "sqrt":
            return self._replace(high=high or 1.0)
        low = max(min(there, default=0.1), LOWEST)
        wide = high > 100 * low
        return self._replace(low=10.0 ** math.floor(math.log10(low)) if wide else 0.9 * low, high=max(high, 1.1 * low))

    def ticks(self) -> list[float]:
        """Ticks of a log axis: powers of ten, or 1, 2 and 5 times them where they are few; 1 is one of a sqrt axis."""
        if self.kind == "sqrt":
            factor = 2 if self.high < 50.0 else 4 if self.high < 5000.0 else 100
            last = math.floor(math.log(max(self.high, 1.0), factor))
            return [0.0, *([0.5] if factor == 2 else []), *(float(factor**k) for k in range(last + 1))]
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        steps = (1, 2, 5) if last - first <= 2 else (1, 3) if last - first <= 3 else (1,)
        stride = 1 + (last - first) // 7
        found = [float(f"{m}e{k}") for k in range(first, last + 1, stride) for m in steps]
        return [t for t in found if 0.999 * self.low <= t <= 1.001 * self.high]


def series(frame: Frame, measure: str, shown: Sequence[Look], axes: Axes) -> Spec | None:
    """A quantity against generation: median, bands across chains and the floor of each cell; None without a number."""
    import altair as alt

    found = {look.cell: [s for s in frame.series(look.cell, measure) if s.chains] for look in shown}
    if not any(s.spread_high > 0.0 or axes.kind != "log" for rows in found.values() for s in rows):
        return None
    axes = axes.over(s for rows in found.values() for s in rows)
    rows = [_row(s, look, axes) for look in shown for s in thinned(found[look.cell], _POINTS // len(shown))]
    floors = _floors(found.values(), axes)
    layers = _levels(axes, bool(floors))
    domain = [str(k.cell) for k in shown]
    colour = alt.Color("c:N", legend=None, scale=alt.Scale(domain=domain, range=[k.colour for k in shown]))
    dash = alt.StrokeDash("c:N", legend=None, scale=alt.Scale(domain=domain, range=[k.dash for k in shown]))
    single = len({r["g"] for r in rows}) == 1
    across = (
        alt.X("tl:N", title=None, axis=alt.Axis(labelAngle=0, labelLimit=140)) if single else generation_axis(frame)
    )
    base = named_rows("rows").encode(x=across, color=colour)
    for low, high, opacity in [("b", "e", 0.14)] if len(shown) > _BANDS else [("a", "d", 0.13), ("b", "e", 0.25)]:
        band = base.mark_rule(strokeWidth=9, opacity=2 * opacity) if single else base.mark_area(opacity=opacity)
        layers.append(band.encode(y=_vertical(low, axes), y2=high))
    line = base.encode(y=_vertical("v", axes))
    layers += [] if single else [line.mark_line(strokeWidth=2).encode(strokeDash=dash)]
    layers.append(line.mark_circle(size=60 if single else 22, opacity=1).encode(tooltip=_tooltip(axes.title)))
    marks = {f"level_{name}": [{"y": v} for v in values] for name, values, _ in _marks(axes)}
    return finished(alt.layer(*layers), 240, rows=rows, floors=floors, **marks)


def _row(s: Summary, look: Look, axes: Axes) -> dict[str, Any]:
    """One point: a to e are the edges of the bands, t the texts of the tooltip."""
    ends = {"v": s.value, "a": s.spread_low, "b": s.low, "d": s.spread_high, "e": s.high}
    texts = {
        "tl": look.label,
        "tv": number(s.value),
        "ti": span(s.low, s.high),
        "ts": spread(s),
        "n": s.chains,
    }
    drawn = {k: _plotted(v, axes) for k, v in ends.items() if math.isfinite(v)}
    return {"g": s.generation, "c": str(look.cell), **drawn, **texts}


def _plotted(value: float, axes: Axes) -> float | None:
    """A number for JSON, to four digits; on a log axis, what is not positive lies on the lower edge."""
    if not math.isfinite(value):
        return None
    return float(f"{max(value, axes.low):.4g}")


def _tooltip(title: str) -> list[Any]:
    import altair as alt

    named = (
        ("tl:N", "cell"),
        ("g:Q", "generation"),
        ("tv:N", title),
        ("ti:N", "95 % interval of the median"),
        ("ts:N", "10 to 90 % of chains"),
        ("n:Q", "chains"),
    )
    return [alt.Tooltip(field, title=name, format="," if field == "g:Q" else alt.Undefined) for field, name in named]


def touches_edge(frame: Frame, measure: str) -> bool:
    """Whether anything of a quantity is too little for a log axis."""
    return any(v < LOWEST for s in frame.summaries if s.measure == measure for v in (s.value, s.low, s.spread_low))


def _floors(found: Iterable[list[Summary]], axes: Axes) -> list[dict[str, Any]]:
    """The floor of each cell, equal ones once."""
    edges = {(_plotted(r[-1].floor_low, axes), _plotted(r[-1].floor_high, axes)) for r in found if r}
    return [{"low": low, "high": high} for low, high in edges if low is not None]


def _levels(axes: Axes, floors: bool) -> list[Any]:
    """What lies behind the series: floors as hatched strips, the truth and the margin as lines."""
    layers: list[Any] = []
    if floors:
        strips = named_rows("floors").mark_rect(fill="url(#hatch)", stroke="var(--floor)", strokeWidth=0.7)
        layers.append(strips.encode(y=_vertical("low", axes), y2="high"))
    for name, values, dash in _marks(axes):
        if values:
            rule = named_rows(f"level_{name}").mark_rule(color="var(--truth)", strokeDash=dash)
            layers.append(rule.encode(y=_vertical("y", axes)))
    return layers


def _marks(axes: Axes) -> list[tuple[str, list[float], list[int]]]:
    """The levels that the axis has a place for, by name, with their dash pattern."""
    there = {"truth": [] if axes.truth is None else [axes.truth], "margin": list(axes.margins)}
    return [
        (name, [v for v in values if v > 0.0 or axes.kind != "log"], [1, 0] if name == "truth" else [2, 3])
        for name, values in there.items()
    ]


def generation_axis(frame: Frame) -> alt.X:
    """The horizontal axis: from 0, and logarithmic beyond 1, where there are many generations."""
    import altair as alt

    last = frame.experiment.generations
    if last <= 20:
        return alt.X(
            "g:Q",
            title="generation",
            axis=alt.Axis(values=list(range(0, last + 1, 1 if last <= 10 else 2)), grid=False, format="d"),
            scale=alt.Scale(domain=[0, max(last, 1)], nice=False),
        )
    ticks = [0, *(10**k for k in range(len(str(last))))]
    return alt.X(
        "g:Q",
        title="generation",
        axis=alt.Axis(values=ticks, grid=False, labelExpr="format(datum.value, ',d')"),
        scale=alt.Scale(type="symlog", constant=1, domain=[0, last], nice=False),
    )


def _vertical(field: str, axes: Axes) -> alt.Y:
    import altair as alt

    domain = [axes.low, axes.high]
    if axes.kind == "sqrt":
        scale = alt.Scale(type="sqrt", domain=domain, nice=True)
        ticks = (
            alt.Axis(values=axes.ticks(), labelExpr="format(datum.value, '~r')")
            if axes.high >= 1.0
            else alt.Axis(tickCount=5)
        )
        return alt.Y(f"{field}:Q", title=axes.title, scale=scale, axis=ticks)
    label = "datum.value >= 0.001 && datum.value < 10000 ? format(datum.value, '~r') : format(datum.value, '.0e')"
    ticks = alt.Axis(values=axes.ticks(), labelExpr=label)
    return alt.Y(f"{field}:Q", title=axes.title, scale=alt.Scale(type="log", domain=domain, nice=False), axis=ticks)


def phases(frame: Frame, cell: int, found: Sequence[Course]) -> Spec | None:
    """Share of a cell's chains in each phase by generation; chains whose fit had no answer count as ended."""
    import altair as alt

    rows = phase_rows(frame, cell, found)
    if not rows:
        return None
    kept = thinned(rows, 3 * _POINTS // len(PHASES))
    long = [
        {"g": g, "p": p, "o": PHASES.index(p), "s": round(n / sum(counts), 4), "n": n}
        for g, counts in kept
        for p, n in zip(PHASES, counts, strict=True)
    ]
    chart = named_rows("rows")
    single = len(kept) == 1
    mark = chart.mark_bar(size=60) if single else chart.mark_area()
    spec = mark.encode(
        x=alt.X("g:O", title="generation", axis=alt.Axis(labelAngle=0)) if single else generation_axis(frame),
        y=alt.Y(
            "s:Q",
            title="share of chains",
            stack="zero",
            axis=alt.Axis(values=[0, 0.5, 1], labelExpr="100 * datum.value + ' %'"),
            scale=alt.Scale(domain=[0, 1]),
        ),
        color=alt.Color(
            "p:N", legend=None, scale=alt.Scale(domain=list(PHASES), range=[f"var(--phase-{p})" for p in PHASES])
        ),
        order=alt.Order("o:Q"),
        tooltip=[
            alt.Tooltip("p:N", title="phase"),
            alt.Tooltip("g:Q", title="generation", format=","),
            alt.Tooltip("s:Q", title="share", format=".0%"),
            alt.Tooltip("n:Q", title="chains"),
        ],
    )
    return finished(spec, 150, rows=long)


def phase_rows(frame: Frame, cell: int, found: Sequence[Course]) -> list[tuple[int, list[int]]]:
    """Chains of a cell in each of PHASES at each record; a chain that was given up counts as ended from then on."""
    at: dict[int, Counter[str]] = {}
    for course in found:
        for generation, phase in zip(course.generations, course.phases, strict=True):
            at.setdefault(generation, Counter())[phase] += 1
    stops = [g for (c, _), (g, status, _) in frame.chains.items() if c == cell and status in ("degenerate", "failed")]
    for generation in frame.experiment.records():
        ended = sum(stop < generation for stop in stops)
        if ended:
            at.setdefault(generation, Counter())["ended"] = ended
    return [(g, [at[g][p] for p in PHASES]) for g in sorted(at)]


def thinned(rows: Sequence[T], most: int) -> list[T]:
    """At most so many rows: the first, the last, and between them evenly on a log scale of position."""
    most = max(most, 2)
    if len(rows) <= most:
        return list(rows)
    steps = {round(len(rows) ** (k / (most - 1))) for k in range(most)}
    return [rows[k - 1] for k in sorted(steps | {1, len(rows)})]


def named_rows(name: str) -> alt.Chart:
    """A chart of a named set of rows, which `finished` puts in: altair would check every one of them."""
    import altair as alt

    return alt.Chart(alt.NamedData(name=name))


def finished(chart: Any, height: int, **rows: list[dict[str, Any]]) -> Spec:
    """The specification of a chart with its named sets of rows put in."""
    spec: Spec = chart.properties(width="container", height=height).to_dict()
    spec.pop("config", None)  # the page gives one to all
    return {**spec, "datasets": rows}


def number(value: float) -> str:
    """A number for people: three digits, a dash when there is none."""
    if not math.isfinite(value):
        return "–"
    if 0.0 < abs(value) < _LEAST:
        return f"< {_LEAST:.0e}".replace("-", "−")
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def span(low: float, high: float) -> str:
    """An interval for people."""
    return "–" if not (math.isfinite(low) and math.isfinite(high)) else f"{number(low)} to {number(high)}"


def spread(s: Summary) -> str:
    """Where the chains lie, for people; one chain has no spread."""
    return span(s.spread_low, s.spread_high) if s.chains > 1 else "–"
