"""Whether a run agrees with theory: its levels inside their predicted bands, every z-score, and the sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from outcross.report import bands, findings, theory
from outcross.report.charts import Look, number
from outcross.report.curves import LEVELS, SHORT
from outcross.report.frames import Frame
from outcross.report.parts import Figure, Panel
from outcross.report.tables import Table
from outcross.report.theory import Verification
from outcross.theory.catalogue import CATALOGUE
from outcross.theory.covered import RISK
from outcross.theory.live import Level, Prediction

_NAMED = 3  # cells that a caption names
_ROWS = 60  # predictions that the table holds, the furthest off first


def figure(frame: Frame, shown: Sequence[Look]) -> Figure | None:
    """Levels inside their predicted bands, a panel a quantity, and every z; None where no oracle covers the run."""
    found = frame.theory
    if not found.predictions:
        return None
    told = title(frame, found)
    panels = [
        _levels(frame, name, checks, found, told)
        for name, checks in _by_quantity(found, shown).items()
        if any(levels for _, levels in checks)
    ]
    every = f"Dots against generation: z of every prediction. {told}."
    panels.append(Panel("z of every prediction", every, bands.scores(frame, shown, found)))
    return Figure(told, caption(frame, found), panels, table(frame, found), "dots", ("theory", "limit"))


def sentence(frame: Frame) -> str:
    """The check in one line, for the page."""
    if frame.theory.covered:
        text = frame.theory.sentence.removeprefix("theory: ")
        return text[0].upper() + text[1:]
    return "No oracle covers this run: nothing about its chains is known exactly, so nothing is compared"


def _by_quantity(found: Verification, shown: Sequence[Look]) -> dict[str, list[tuple[Look, list[Level]]]]:
    by_quantity: dict[str, list[tuple[Look, list[Level]]]] = {}
    for look in shown:
        if look.cell in found.cells:
            for name, levels in found.cells[look.cell].levels.items():
                by_quantity.setdefault(name, []).append((look, levels))
    return by_quantity


def _levels(
    frame: Frame, name: str, checks: Sequence[tuple[Look, list[Level]]], found: Verification, told: str
) -> Panel:
    heading = SHORT.get(name, name)
    axis = LEVELS.get(name, findings.unit_of(frame, name) or "relative to the truth")
    alternative = f"Observed means inside their predicted bands, against generation: {heading}. {told}."
    return Panel(heading, alternative, bands.levels(frame, checks, axis, found.limit))


def title(frame: Frame, found: Verification) -> str:
    """The finding on theory."""
    worst, n = found.worst, len(found.predictions)
    assert worst is not None
    if found.holds:
        one = f"All {n:,} predictions of theory hold" if n > 1 else "The one prediction of theory holds"
        return f"{one}: largest |z| {abs(worst[1].z):.1f}, chance explains up to {found.limit:.1f}"
    off = [(cell, p) for cell, p in found.predictions if not abs(p.z) <= found.limit]
    cell, first = min(off, key=lambda one: (one[1].generation, -abs(one[1].z)))
    text = f"The run leaves theory at generation {first.generation:,} under {frame.cells[cell].label}: {_told(first)}"
    return f"{text}; {len(off):,} of {n:,} predictions are beyond what chance explains, |z| up to {found.limit:.1f}"


def _told(p: Prediction) -> str:
    z = f"{p.z:.1f}".replace("-", "\N{MINUS SIGN}")
    return f"{p.quantity} {number(p.observed)} where {p.oracle} expects {number(p.predicted)}, z {z}"


def caption(frame: Frame, found: Verification) -> str:
    """What a prediction is, how errors were made, and where the oracles come from."""
    n, many = frame.experiment.chains, len(found.predictions)
    text = (
        f"Dots: mean over {n:,} chain{'s' if n != 1 else ''}; dashed: theory; band: theory within as many standard "
        "errors as the limit of z. A prediction is of an innovation, what a quantity did since the last record given "
        "that record; z is its mean over chains less the prediction, in standard errors: the oracle's own where it "
        f"gives one, else those of the chains. The limit is that of one false alarm in {1 / theory.FALSE_ALARMS:,.0f} "
        f"sound runs, corrected for {many:,} prediction{'s' if many != 1 else ''} (Bonferroni)."
    )
    if any(RISK in check.levels for check in found.cells.values()):
        text += " Squared distances (oracle G5) are drawn as long as a few chains do not carry their mean."
    if math.isfinite(found.bias):
        text += f" A bias of {theory.percent(found.bias)} in every fit would have shown, with a power of 80 %."
    bare = [cell.label for i, cell in enumerate(frame.cells) if i not in found.cells]
    if bare:
        which = findings.joined(bare) if len(bare) <= _NAMED else f"{len(bare)} of {len(frame.cells)} cells"
        text += f" No oracle covers {which}."
    return f"{text} Oracles: {'; '.join(_cited(found))}."


def _cited(found: Verification) -> list[str]:
    """The oracles with what they predict and after whom."""
    ids = sorted({p.oracle.split()[0] for _, p in found.predictions})
    known = [(name, CATALOGUE[name]) for name in ids if name in CATALOGUE]
    return [f"{name}, {one.quantity} ({one.setting}): {one.reference}" for name, one in known]


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
            f"{p.z:.2f}".replace("-", "\N{MINUS SIGN}"),
        )
        for cell, p in ordered
    ]
    more = f"The {_ROWS} furthest off of {len(found.predictions):,}" if len(found.predictions) > _ROWS else ""
    head = ("cell", "oracle", "quantity", "generation", "observed", "predicted", "standard error", "z")
    return Table(head, rows, 3, more)
