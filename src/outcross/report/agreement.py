"""What the page says of theory: whether the run agrees with it, and whether rare categories die faster than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from outcross.report import theory
from outcross.report.bands import copies
from outcross.report.charts import Look, number, thinned
from outcross.report.findings import joined
from outcross.report.frames import Frame
from outcross.report.tables import Table
from outcross.report.theory import Bin, Verification
from outcross.theory.catalogue import CATALOGUE
from outcross.theory.covered import RISK

_ROWS = 60  # predictions that the table holds, the furthest off first
_RECORDS = 6  # generations of a cell in the table of extinction
_NAMED = 3


def title(found: Verification) -> str:
    """The finding on theory."""
    worst = found.worst
    assert worst is not None
    if found.holds:
        told = f"All {len(found.predictions)} predictions of theory hold: largest |z| {abs(worst[1].z):.1f}"
        return f"{told}, chance explains up to {found.limit:.1f}"
    return f"The run leaves theory: {found.fault(worst[0])}"


def caption(frame: Frame, found: Verification) -> str:
    """What a prediction is, how errors were made, and where the oracles come from."""
    ids = sorted({p.oracle.split()[0] for _, p in found.predictions})
    cited = [f"{name}: {CATALOGUE[name].reference}" for name in ids if name in CATALOGUE]
    text = (
        f"Dots: mean over {frame.experiment.chains:,} chains; dashed: theory; band: theory with what chance explains. "
        "A prediction is of an innovation, what a quantity did since the last record given that record; z is its mean "
        "over chains less the prediction, in standard errors. The limit is that of one false alarm in "
        f"{1 / theory.FALSE_ALARMS:,.0f} sound runs, corrected for {len(found.predictions)} predictions (Bonferroni)."
    )
    if any(RISK in check.levels for check in found.cells.values()):
        text += " Squared distances (oracle G5) are drawn as long as a few chains do not carry their mean."
    if math.isfinite(found.bias):
        text += f" A relative bias of {found.bias:.2g} in every fit would have shown, with a power of 80 %."
    return f"{text} Oracles: {'; '.join(cited)}."


def table(frame: Frame, found: Verification) -> Table:
    """The predictions, the furthest off first."""
    ordered = sorted(found.predictions, key=lambda one: -abs(one[1].z))[:_ROWS]
    rows = [
        (
            frame.cells[cell].label,
            p.oracle,
            p.quantity,
            f"{p.generation:,}",
            number(p.observed),
            number(p.predicted),
            number(p.error),
            f"{p.z:.2f}".replace("-", "\u2212"),
        )
        for cell, p in ordered
    ]
    more = f"The {_ROWS} furthest off of {len(found.predictions)}" if len(found.predictions) > _ROWS else ""
    head = ("cell", "oracle", "quantity", "generation", "observed", "predicted", "standard error", "z")
    return Table(head, rows, 3, more)


class Fate(NamedTuple):
    """What became of the rare categories of a cell, by generation."""

    look: Look
    bins: dict[int, list[Bin]]
    real: bool  # whether real data come in, so that chance alone is what would happen without them

    @property
    def last(self) -> int:
        """The last generation."""
        return max(self.bins)


def fates(frame: Frame, shown: Sequence[Look]) -> list[Fate]:
    """The fate of rare categories in every cell that has one."""
    found = []
    for look in shown:
        bins = {g: b for g in frame.experiment.records() if (b := theory.extinction(frame, look.cell, g))}
        if bins:
            setting = theory.setting_of(frame, frame.cells[look.cell])
            found.append(Fate(look, bins, setting is None or setting.policy != "replace"))
    return found


def fate_title(found: Sequence[Fate], limit: float) -> str:
    """The finding on rare categories, against chance."""
    told = [f"{_fate(one, limit)} under {one.look.label}" for one in found[:_NAMED]]
    return f"By generation {found[0].last:,}, rare categories are lost {joined(told)}"


def _fate(one: Fate, limit: float) -> str:
    judged = [b for b in one.bins[one.last] if math.isfinite(b.expected)]
    lost, expected, variance = (sum(values) for values in list(zip(*judged, strict=True))[3:]) if judged else (0, 0, 0)
    if not variance > 0.0:
        return "in numbers too small to judge"
    z, counts = (lost - expected) / math.sqrt(variance), f"{lost:,.0f}, chance alone {expected:,.0f}"
    if one.real:
        pace = "slower than without real data" if z < -limit else "as fast as without real data"
        return f"{pace} ({counts})" if z <= limit else f"faster than chance ({counts})"
    pace = "as chance loses them" if abs(z) <= limit else "faster than chance" if z > 0 else "slower than chance"
    return f"{pace} ({counts}; z {z:.1f})".replace("-", "\u2212")


def fate_caption(frame: Frame, found: Sequence[Fate]) -> str:
    """What the curves of extinction are."""
    text = (
        f"Dots: share of the categories lost, over {frame.experiment.chains:,} chains, by copies in the first training "
        "pool; dashed: neutral drift, f to the power of the copies with f(g) = exp(f(g-1) - 1), corrected for the "
        "finite pool; not drawn for categories too frequent for that law."
    )
    if any(one.real for one in found):
        text += " Where real data come in, the dashed lines say what would be lost without them."
    return f"{text} After {CATALOGUE['D4'].reference}."


def fate_table(found: Sequence[Fate]) -> Table:
    """Categories lost by copies, at some generations."""
    rows = [
        (
            one.look.label,
            copies(b),
            f"{g:,}",
            f"{b.types:,.0f}",
            f"{b.lost:,.0f}",
            number(b.expected),
            _within(b),
        )
        for one in found
        for g in thinned(sorted(one.bins), _RECORDS)
        for b in one.bins[g]
    ]
    head = ("cell", "copies in the first pool", "generation", "categories", "lost", "lost by chance", "95 % of chance")
    return Table(head, rows, 2)


def _within(b: Bin) -> str:
    if not math.isfinite(b.expected):
        return "\u2013"
    half = 1.96 * math.sqrt(b.variance)
    return f"{number(max(b.expected - half, 0.0))} to {number(min(b.expected + half, b.types))}"
