"""Interactive charts as Vega-Lite specifications, drawn by the Vega bundle that a page carries once.

Colours are CSS variables that the page sets for light and dark; an arm keeps its hue in every chart and a point of the
sweep is a shade of it. The truth is always the neutral colour. Specifications hold aggregates only, and never NaN.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

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
PHASES = ("none", "early", "late", "inconclusive", "ended")
DRAWN = 24  # cells that a chart shows at most
_POINTS = 600  # points of a chart, shared by its cells
_BANDS = 8  # cells beyond which the bands of all chains would hide each other


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
        return tuple((a + b) // 2 for a, b in zip(*both, strict=True))  # type: ignore[return-value]


def looks(frame: Frame) -> list[Look]:
    """The look of every cell."""
    arms = list(dict.fromkeys(c.arm for c in frame.cells))
    points = Counter(c.arm for c in frame.cells)
    seen: Counter[str] = Counter()
    found = []
    for number, cell in enumerate(frame.cells):
        place, of = seen[cell.arm], points[cell.arm]
        seen[cell.arm] += 1
        hue = arms.index(cell.arm) % len(_LIGHT)
        # The last point of a sweep has the arm's full colour, the others are paler
        pale = 0.6 * (of - 1 - place) / (of - 1) if of > 1 else 0.0
        found.append(
            Look(
                number,
                cell.label,
                _mixed(_LIGHT[hue], (255, 255, 255), pale),
                _mixed(_DARK[hue], (24, 26, 31), 0.8 * pale),
                _DASHES[(of - 1 - place) % len(_DASHES)],
            )
        )
    return found


def _mixed(colour: RGB, other: RGB, share: float) -> str:
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(colour, other, strict=True))


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
    return {"background": None, "font": "system-ui, sans-serif", "view": {"stroke": None}, "axis": axis, "aria": False}


class Axes(NamedTuple):
    """The axes of a chart of one quantity: label of the vertical one, whether it is logarithmic, marked levels."""

    title: str
    log: bool
    truth: float | None = None
    margin: float | None = None


def series(frame: Frame, measure: str, shown: Sequence[Look], axes: Axes) -> Spec | None:
    """A quantity against generation: median, bands across chains and the floor of each cell; None without a number."""
    import altair as alt

    many = len(shown) > _BANDS
    found = {look.cell: [s for s in frame.series(look.cell, measure) if s.chains] for look in shown}
    if not any(found.values()):
        return None
    bottom = _bottom(s for rows in found.values() for s in rows) if axes.log else None
    rows = [_row(s, look, bottom) for look in shown for s in thinned(found[look.cell], _POINTS // len(shown))]
    data = alt.Data(values=rows)
    x, y = _generation(frame), _vertical(axes, bottom)
    colour = alt.Color(
        "c:N", legend=None, scale=alt.Scale(domain=[str(k.cell) for k in shown], range=[k.colour for k in shown])
    )
    dash = alt.StrokeDash(
        "c:N", legend=None, scale=alt.Scale(domain=[str(k.cell) for k in shown], range=[k.dash for k in shown])
    )
    layers = _levels(axes, _floors(found.values(), bottom))
    base = alt.Chart(data).encode(x=x, color=colour)
    single = len({r["g"] for r in rows}) == 1
    for low, high, opacity in (("a", "d", 0.13), ("b", "e", 0.28))[1 if many else 0 :]:
        band = base.mark_rule(strokeWidth=5, opacity=2 * opacity) if single else base.mark_area(opacity=opacity)
        layers.append(band.encode(y=alt.Y(f"{low}:Q", **y), y2=high))
    layers.append(base.mark_line(strokeWidth=2).encode(y=alt.Y("v:Q", **y), strokeDash=dash))
    layers.append(base.mark_circle(size=22, opacity=1).encode(y=alt.Y("v:Q", **y), tooltip=_tooltip(axes.title)))
    return _finished(alt.layer(*layers), 240)


def _row(s: Summary, look: Look, bottom: float | None) -> dict[str, Any]:
    """One point: a to e are the edges of the bands, t the texts of the tooltip."""
    ends = {"v": s.value, "a": s.spread_low, "b": s.low, "d": s.spread_high, "e": s.high}
    texts = {
        "tl": look.label,
        "tv": number(s.value),
        "ti": span(s.low, s.high),
        "ts": span(s.spread_low, s.spread_high),
        "tf": span(s.floor_low, s.floor_high),
        "n": s.chains,
    }
    return {"g": s.generation, "c": str(look.cell), **{k: _plotted(v, bottom) for k, v in ends.items()}, **texts}


def _plotted(value: float, bottom: float | None) -> float | None:
    """A number for JSON, to four digits; on a log axis, what is not positive lies on the lower edge."""
    if not math.isfinite(value):
        return None
    return float(f"{value if bottom is None else max(value, bottom):.4g}")


def _tooltip(title: str) -> list[Any]:
    import altair as alt

    named = (
        ("tl:N", "cell"),
        ("g:Q", "generation"),
        ("tv:N", title),
        ("ti:N", "95 % interval of the median"),
        ("ts:N", "10 to 90 % of chains"),
        ("tf:N", "real against real"),
        ("n:Q", "chains"),
    )
    return [alt.Tooltip(field, title=name, **({"format": ","} if field == "g:Q" else {})) for field, name in named]


def _bottom(found: Iterable[Summary]) -> float:
    """The lower edge of a log axis: the power of ten at or below every positive number."""
    positive = [v for s in found for v in (s.value, s.low, s.spread_low, s.floor_low) if v > 0.0]
    return float(10.0 ** math.floor(math.log10(min(positive)))) if positive and min(positive) > 1e-300 else 1e-12


def touches_zero(frame: Frame, measure: str) -> bool:
    """Whether anything of a quantity is at 0, which a log axis has no place for."""
    return any(v <= 0.0 for s in frame.summaries if s.measure == measure for v in (s.value, s.low, s.spread_low))


def _floors(found: Iterable[list[Summary]], bottom: float | None) -> list[dict[str, Any]]:
    """The floor of each cell, equal ones once."""
    edges = {(_plotted(r[-1].floor_low, bottom), _plotted(r[-1].floor_high, bottom)) for r in found if r}
    return [{"low": low, "high": high} for low, high in edges if low is not None]


def _levels(axes: Axes, floors: list[dict[str, Any]]) -> list[Any]:
    """What lies behind the series: floors as strips, the truth and the margin as lines."""
    import altair as alt

    y = _vertical(axes, None)
    layers: list[Any] = []
    if floors:
        strips = alt.Chart(alt.Data(values=floors)).mark_rect(color="var(--floor)", opacity=min(1.0, 1.5 / len(floors)))
        layers.append(strips.encode(y=alt.Y("low:Q", **y), y2="high"))
    for level, dash in ((axes.truth, [1, 0]), (axes.margin, [2, 3])):
        if level is not None and (level > 0.0 or not axes.log):
            rule = alt.Chart(alt.Data(values=[{"y": level}])).mark_rule(color="var(--truth)", strokeDash=dash)
            layers.append(rule.encode(y=alt.Y("y:Q", **y)))
    return layers


def _generation(frame: Frame) -> alt.X:
    """The horizontal axis: from 0, and logarithmic beyond 1, where there are many generations."""
    import altair as alt

    last = frame.experiment.generations
    if last <= 20:
        return alt.X(
            "g:Q",
            title="generation",
            axis=alt.Axis(tickMinStep=1, grid=False),
            scale=alt.Scale(domain=[0, max(last, 1)], nice=False),
        )
    ticks = [0, *(10**k for k in range(len(str(last))))]
    return alt.X(
        "g:Q",
        title="generation",
        axis=alt.Axis(values=ticks, grid=False, format=","),
        scale=alt.Scale(type="symlog", constant=1, domain=[0, last], nice=False),
    )


def _vertical(axes: Axes, bottom: float | None) -> dict[str, Any]:
    import altair as alt

    if not axes.log:
        return {"title": axes.title, "scale": alt.Scale(zero=True), "axis": alt.Axis(tickCount=5)}
    scale = alt.Scale(type="log", nice=False, **({} if bottom is None else {"domainMin": bottom}))
    label = "datum.value >= 0.001 && datum.value < 10000 ? format(datum.value, '~r') : format(datum.value, '.0e')"
    return {"title": axes.title, "scale": scale, "axis": alt.Axis(labelExpr=label, tickCount=6)}


def phases(frame: Frame, found: Sequence[Course], chains: int, shown: Look) -> Spec | None:
    """Share of a cell's chains in each phase by generation; chains whose fit had no answer count as ended."""
    import altair as alt

    rows = phase_rows(found, chains)
    if not rows:
        return None
    kept = thinned(rows, 3 * _POINTS // len(PHASES))
    long = [
        {"g": g, "p": p, "o": PHASES.index(p), "s": round(n / chains, 4), "n": n}
        for g, counts in kept
        for p, n in zip(PHASES, counts, strict=True)
    ]
    chart = alt.Chart(alt.Data(values=long))
    mark = chart.mark_bar(size=60) if len(kept) == 1 else chart.mark_area()
    spec = mark.encode(
        x=_generation(frame),
        y=alt.Y(
            "s:Q",
            title="share of chains",
            stack="zero",
            axis=alt.Axis(format="%", tickCount=4),
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
    return _finished(spec, 150)


def phase_rows(found: Sequence[Course], chains: int) -> list[tuple[int, list[int]]]:
    """Chains in each of PHASES at each recorded generation."""
    at: dict[int, Counter[str]] = {}
    for course in found:
        for generation, phase in zip(course.generations, course.phases, strict=True):
            at.setdefault(generation, Counter())[phase] += 1
    return [(g, [*(at[g][p] for p in PHASES[:-1]), max(0, chains - sum(at[g].values()))]) for g in sorted(at)]


def thinned(rows: Sequence[T], most: int) -> list[T]:
    """At most so many rows: the first, the last, and between them evenly on a log scale of position."""
    most = max(most, 2)
    if len(rows) <= most:
        return list(rows)
    steps = {round(len(rows) ** (k / (most - 1))) for k in range(most)}
    return [rows[k - 1] for k in sorted(steps | {1, len(rows)})]


def _finished(chart: Any, height: int) -> Spec:
    spec: Spec = chart.properties(width="container", height=height).to_dict()
    spec.pop("config", None)  # the page gives one to all
    return spec


def number(value: float) -> str:
    """A number for people: three digits, a dash when there is none."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def span(low: float, high: float) -> str:
    """An interval for people."""
    return "–" if not (math.isfinite(low) and math.isfinite(high)) else f"{number(low)} to {number(high)}"
