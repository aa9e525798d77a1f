"""The tail observatory: what becomes of rare categories, beside neutral drift, which is what chance alone would do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from outcross.core.policies import Blend
from outcross.report import bands, theory
from outcross.report.bands import copies
from outcross.report.charts import Look, number, thinned
from outcross.report.findings import joined
from outcross.report.frames import Frame
from outcross.report.parts import Figure, Panel
from outcross.report.tables import Table
from outcross.report.theory import Bin
from outcross.runs import plugins
from outcross.runs.cells import Cell
from outcross.theory.catalogue import CATALOGUE

_DRAWN = 6  # cells whose extinction is drawn
_RECORDS = 6  # generations of a cell in the table
_NAMED = 3  # cells that the title names
_NORMAL = 1.96


class Fate(NamedTuple):
    """What became of the rare categories of a cell, by generation."""

    look: Look
    bins: dict[int, list[Bin]]
    real: bool  # whether the policy keeps or adds real rows, so that drift tells what would be without them

    @property
    def last(self) -> int:
        """The last generation that the law of drift covers; without one, the last."""
        known = [g for g, bins in self.bins.items() if any(math.isfinite(b.expected) for b in bins)]
        return max(known or self.bins)


class Score(NamedTuple):
    """Categories lost of those that the law of drift covers, beside what it expects, in standard errors."""

    lost: float
    expected: float
    error: float

    @property
    def z(self) -> float:
        """NaN where too few are expected for a z-score."""
        return (self.lost - self.expected) / self.error if self.error**2 >= theory.LEAST else math.nan


def figure(frame: Frame, looks: Sequence[Look]) -> Figure | None:
    """Extinction by copies in the first pool; None for a run that is not on categories."""
    found = fates(frame, looks[:_DRAWN])
    if not found:
        return None
    steps = bands.steps([b for one in found for bins in one.bins.values() for b in bins])
    drawn = [one for one in found if any(bands.copies(b) in steps for bins in one.bins.values() for b in bins)]
    panels = [
        Panel(
            one.look.label,
            f"Share of categories lost, by copies in the first pool, against generation. {title([one], limit(frame))}.",
            bands.extinction(frame, one.bins, steps),
        )
        for one in drawn
    ]
    text = caption(frame, found)
    if len(drawn) < len(found):
        others = joined([one.look.label for one in found if one not in drawn])
        text += f" In the table only, as no category there was as rare as those that are drawn: {others}."
    if len(looks) > _DRAWN:
        text += f" The first {_DRAWN} of {len(looks)} cells."
    return Figure(title(found, limit(frame)), text, panels, table(found), "rarity", tuple(steps))


def limit(frame: Frame) -> float:
    """The largest |z| that chance explains, as for all of the run's predictions."""
    return frame.theory.limit


def fates(frame: Frame, shown: Sequence[Look]) -> list[Fate]:
    """The fate of rare categories in every cell that has one."""
    found = []
    for look in shown:
        bins = {g: b for g in frame.experiment.records() if (b := theory.extinction(frame, look.cell, g))}
        if bins:
            real, drifts = _real(frame.cells[look.cell]), _drifts(frame, frame.cells[look.cell])
            found.append(Fate(look, bins if real or drifts else _without_law(bins), real))
    return found


def _real(cell: Cell) -> bool:
    """Whether a policy keeps or adds real rows."""
    policy = plugins.make("policies", cell.policy, "policy")
    return not isinstance(policy, Blend) or policy.keep_all or policy.original != 0.0 or policy.fresh != 0.0


def _drifts(frame: Frame, cell: Cell) -> bool:
    setting = theory.setting_of(frame, cell)
    return setting is not None and setting.policy == "replace"


def _without_law(found: dict[int, list[Bin]]) -> dict[int, list[Bin]]:
    return {g: [b._replace(expected=math.nan, variance=math.nan) for b in bins] for g, bins in found.items()}


def score(bins: Sequence[Bin]) -> Score:
    """All bins that the law covers, together."""
    covered = [b for b in bins if math.isfinite(b.expected)]
    lost, expected, variance = (sum(getattr(b, name) for b in covered) for name in ("lost", "expected", "variance"))
    return Score(lost, expected, math.sqrt(variance))


def title(found: Sequence[Fate], most: float) -> str:
    """The finding on rare categories, against chance; most: the largest |z| that chance explains."""
    paces = [pace(one, most) for one in found]
    first, last = (edge(one.last for one in found) for edge in (min, max))
    when = f"{last:,}" if first == last else f"{first:,} to {last:,}"
    if len(found) > _NAMED:
        groups = {p: sum(other == p for other in paces) for p in paces}
        told = [f"{p} in {n} of {len(found)} cells" for p, n in groups.items()]
    else:
        told = [f"{p} under {one.look.label} ({counts(one)})" for p, one in zip(paces, found, strict=True)]
    return f"By generation {when}, rare categories are lost {joined(told)}"


def pace(one: Fate, most: float) -> str:
    """How fast rare categories are lost, in words."""
    if not any(math.isfinite(b.expected) for b in one.bins[one.last]):
        return "with no law of chance to compare with"
    z = score(one.bins[one.last]).z
    if math.isnan(z):
        return "in numbers too small to judge"
    if z > most:
        return "faster than chance"
    if one.real:
        return "slower than chance, as real data come back," if z < -most else "as fast as without real data"
    return "slower than chance" if z < -most else "as chance alone loses them"


def counts(one: Fate) -> str:
    """The numbers behind it: what was lost, and what chance alone loses 95 times in 100."""
    bins = one.bins[one.last]
    if not any(math.isfinite(b.expected) for b in bins):
        return f"{sum(b.lost for b in bins):,.0f} of {sum(b.types for b in bins):,.0f} lost"
    s = score(one.bins[one.last])
    half, of = _NORMAL * s.error, "without real data" if one.real else "by chance alone"
    text = f"{s.lost:,.0f} lost, {max(s.expected - half, 0.0):,.0f} to {s.expected + half:,.0f} {of}"
    return text if math.isnan(s.z) or one.real else f"{text}, z {number(round(s.z, 1))}"


def caption(frame: Frame, found: Sequence[Fate]) -> str:
    """What the curves of extinction are."""
    n = frame.experiment.chains
    text = (
        f"Dots: share of the categories lost, over {n:,} chain{'s' if n != 1 else ''}, by copies in the first "
        "training pool; dashed: chance alone (neutral drift), f to the power of the copies with f(g) = exp(f(g-1) - 1) "
        "after g generations, corrected for the finite pool. It is not drawn for categories too frequent for that law, "
        "nor beyond a fifth as many generations as the pool has rows; the title is of the last ones before, "
        "and counts in the title are of those that it covers, ranges 95 % intervals; what is never lost is in the "
        "table only."
    )
    if any(one.real for one in found):
        text += " Where real data come back, the dashed lines say what would be lost without them."
    return f"{text} Oracle D4, after {CATALOGUE['D4'].reference}."


def table(found: Sequence[Fate]) -> Table:
    """Categories lost by copies, at some generations."""
    head = (
        "cell", "copies in the first pool", "generation", "categories", "lost",
        "lost by chance", "95 % of chance", "z",
    )  # fmt: skip
    rows = [
        (one.look.label, copies(b), f"{g:,}", f"{b.types:,.0f}", f"{b.lost:,.0f}", number(b.expected), *_chance(b))
        for one in found
        for g in thinned(sorted(one.bins), _RECORDS)
        for b in one.bins[g]
    ]
    return Table(head, rows, 2)


def _chance(b: Bin) -> tuple[str, str]:
    """What chance explains of a bin, and its z."""
    s = score([b])
    if not math.isfinite(b.expected):
        return "\N{EN DASH}", "\N{EN DASH}"
    half = _NORMAL * s.error
    within = f"{number(max(b.expected - half, 0.0))} to {number(min(b.expected + half, b.types))}"
    return within, number(s.z)
