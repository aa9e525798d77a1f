"""Charts of theory beside a run: levels inside their predicted bands, z-scores, and extinction by rarity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from outcross.report.charts import Look, Spec, finished, generation_axis, named_rows, number, thinned
from outcross.report.frames import Frame
from outcross.report.theory import Bin, Verification
from outcross.theory.live import Level

_POINTS = 40  # records of a cell that are drawn
_SCORES = 600  # z-scores that are drawn
STEPS = 8  # of the ramp from few copies to many: CSS variables that the page sets for light and dark


def levels(frame: Frame, checks: Sequence[tuple[Look, list[Level]]], title: str, limit: float) -> Spec:
    """Mean over chains of each cell (dots) and theory (dashed) in the band that chance explains."""
    import altair as alt

    rows = [
        {
            "g": p.generation, "c": str(look.cell), "o": _plain(p.observed), "p": _plain(p.predicted),
            "a": _plain(_lower(p, limit, found)), "b": _plain(p.predicted + limit * p.error),
            "tl": look.label, "to": number(p.observed), "tp": number(p.predicted), "te": number(p.error),
        }
        for look, found in checks
        for p in thinned(found, _POINTS)
    ]  # fmt: skip
    domain, colours = [str(look.cell) for look, _ in checks], [look.colour for look, _ in checks]
    base = named_rows("rows").encode(
        x=generation_axis(frame), color=alt.Color("c:N", legend=None, scale=alt.Scale(domain=domain, range=colours))
    )
    scale = alt.Scale(zero=False, nice=True)
    tips = (("tl:N", "cell"), ("g:Q", "generation"), ("to:N", "observed, mean over chains"),
            ("tp:N", "predicted"), ("te:N", "standard error"))  # fmt: skip
    return finished(
        alt.layer(
            base.mark_area(opacity=0.18).encode(y=alt.Y("a:Q", title=title, scale=scale), y2="b"),
            base.mark_line(strokeDash=[5, 3], strokeWidth=1.5).encode(y=alt.Y("p:Q", title=title, scale=scale)),
            base.mark_circle(size=28, opacity=1).encode(
                y=alt.Y("o:Q", title=title, scale=scale), tooltip=[alt.Tooltip(f, title=t) for f, t in tips]
            ),
        ),
        240,
        rows=rows,
    )


def _lower(p: Level, limit: float, found: Sequence[Level]) -> float:
    """The lower edge of a band: not below 0 where all that is predicted lies above, as of a variance."""
    low = p.predicted - limit * p.error
    return max(low, 0.0) if min(q.predicted for q in found) > 0.0 and math.isfinite(low) else low


def scores(frame: Frame, shown: Sequence[Look], found: Verification) -> Spec:
    """Every z by generation, between the limits of what chance explains."""
    import altair as alt

    labels = {look.cell: look.label for look in shown}
    every = [(cell, p) for cell, p in found.predictions if cell in labels and math.isfinite(p.z)]
    kept = sorted(every, key=lambda one: -abs(one[1].z))[:_SCORES]
    rows = [
        {"g": p.generation, "c": str(cell), "z": round(p.z, 3), "tl": labels[cell], "q": f"{p.oracle}, {p.quantity}"}
        for cell, p in kept
    ]
    edge = [{"y": v} for v in (-found.limit, found.limit)]
    colour = alt.Color("c:N", legend=None, scale=alt.Scale(
        domain=[str(k.cell) for k in shown], range=[k.colour for k in shown]))  # fmt: skip
    tips = (("tl:N", "cell"), ("q:N", "prediction"), ("g:Q", "generation"), ("z:Q", "z"))
    axis = alt.Y("z:Q", title="z, standard errors", scale=alt.Scale(nice=True))
    points = named_rows("rows").mark_circle(size=24, opacity=0.75)
    return finished(
        alt.layer(
            named_rows("zero").mark_rule(color="var(--truth)").encode(y="y:Q"),
            named_rows("edge").mark_rule(color="var(--truth)", strokeDash=[2, 3]).encode(y="y:Q"),
            points.encode(
                x=generation_axis(frame), y=axis, color=colour, tooltip=[alt.Tooltip(f, title=t) for f, t in tips]
            ),
        ),
        240,
        rows=rows,
        zero=[{"y": 0.0}],
        edge=edge,
    )


def extinction(frame: Frame, found: dict[int, list[Bin]], order: Sequence[str]) -> Spec:
    """Share of categories lost by generation, one line for each range of first copies; neutral drift dashed."""
    import altair as alt

    rows = [
        {
            "g": g, "k": copies(b), "s": round(b.lost / b.types, 4),
            "e": round(b.expected / b.types, 4) if math.isfinite(b.expected) else None,
            "n": f"{b.lost:,.0f} of {b.types:,.0f}",
            "x": f"{b.expected:,.1f}" if math.isfinite(b.expected) else "not predicted",
        }
        for g in thinned(sorted(found), _POINTS)
        for b in found[g]
        if copies(b) in order
    ]  # fmt: skip
    scale = alt.Scale(domain=list(order), range=[f"var(--rare-{ramp(i, len(order))})" for i in range(len(order))])
    base = named_rows("rows").encode(x=generation_axis(frame), color=alt.Color("k:N", legend=None, scale=scale))

    def lost(field: str) -> Any:
        axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], labelExpr="100 * datum.value + ' %'")
        return alt.Y(f"{field}:Q", title="categories lost", scale=alt.Scale(domain=[0, 1]), axis=axis)

    tips = (("k:N", "copies in the first pool"), ("g:Q", "generation"), ("n:N", "lost"), ("x:N", "by chance alone"))
    tooltip = [alt.Tooltip(f, title=t) for f, t in tips]
    return finished(
        alt.layer(
            base.mark_line(strokeWidth=1.5, opacity=0.4).encode(y=lost("s")),
            base.mark_line(strokeDash=[5, 3], strokeWidth=1.5).encode(y=lost("e")),
            base.mark_circle(size=26, opacity=1).encode(y=lost("s"), tooltip=tooltip),
        ),
        260,
        rows=rows,
    )


def steps(found: Iterable[Bin]) -> list[str]:
    """The ranges of copies that are drawn, the rarest first: those that lost any, or that drift would take."""
    drawn = {b.least: copies(b) for b in found if b.lost or (math.isfinite(b.expected) and b.expected >= 1.0)}
    return [drawn[least] for least in sorted(drawn)][:STEPS]


def ramp(place: int, of: int) -> int:
    """The step of the ramp for a range of copies at a place among so many."""
    return round(place * (STEPS - 1) / max(of - 1, 1))


def copies(b: Bin) -> str:
    """The copies of a bin, for people."""
    return f"{b.most:,}" if b.least == b.most else f"{b.least:,}\N{EN DASH}{b.most:,}"


def _plain(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
