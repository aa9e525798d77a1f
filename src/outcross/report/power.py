"""Power on a run: how many chains its recorded effects, or a stated one, would take."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from outcross.core.errors import InputError, require
from outcross.plan.chain import Anchor
from outcross.plan.power import Need, by_theory, need
from outcross.report.charts import number
from outcross.report.frames import Frame, finite
from outcross.runs import plugins

START = "start"  # the baseline that is a chain's own generation 0


class Power(NamedTuple):
    """Chains that show a difference, generation by generation."""

    measure: str
    unit: str
    arm: str
    against: str
    effect: float | None  # stated, as a share of the baseline's median; None for what the pilot shows
    power: float
    needs: list[Need]

    @property
    def best(self) -> Need:
        """The generation that needs fewest chains, the earliest of equals."""
        return min(self.needs, key=lambda n: (n.chains.value, n.generation))

    @property
    def sentence(self) -> str:
        """The answer in a line."""
        best = self.best
        what = f"{self.arm} against {self.against} in {self.measure}"
        if not np.isfinite(best.chains.value):
            return f"No number of chains up to 100,000 shows {what}"
        high = f"{best.chains.high:,.0f}" if np.isfinite(best.chains.high) else "more than 100,000"
        return (
            f"{best.chains.value:,.0f} chains [{best.chains.low:,.0f}, {high}] show {what} at generation "
            f"{best.generation:,} with a power of {100 * best.power:.0f} %"
        )

    def json(self) -> dict[str, Any]:
        """The stable machine-readable form."""
        return {
            "measure": self.measure,
            "unit": self.unit,
            "arm": self.arm,
            "against": self.against,
            "effect": self.effect,
            "power": self.power,
            "sentence": self.sentence,
            "generations": [
                {
                    "generation": n.generation,
                    "effect": n.effect,
                    "side": dict(zip(("value", "low", "high"), map(finite, n.side), strict=True)),
                    "chains": dict(zip(("value", "low", "high"), map(finite, n.chains), strict=True)),
                    "power": finite(n.power),
                    "pilot": n.pilot,
                }
                for n in self.needs
            ],
        }


def known(
    rows: int, real: float, anchor: Anchor, generations: int, measure: str, effect: float | None, wanted: float
) -> Power:
    """What theory tells of a real share against none, at some generations up to the last. Raises InputError."""
    require(generations >= 1, f"generations is 1 or more, got {generations:,}")
    at = sorted({round(generations ** (k / 7)) for k in range(8)})
    needs = by_theory(rows, real, anchor, at, measure, wanted, effect)
    return Power(measure, "ratio", f"{100 * real:g} % {anchor} real rows", "none", effect, wanted, needs)


def power(
    frame: Frame, measure: str, arm: str | None, against: str | None, effect: float | None, wanted: float
) -> Power:
    """What a pilot run tells of an effect. effect: a share of the baseline's median, such as -0.1 for a tenth less.

    against: another arm, or `start` for each chain's own generation 0. Raises InputError for arms or measures that are
    not there, or where no generation has pairs enough.
    """
    cells = {cell.label: i for i, cell in enumerate(frame.cells)}
    first, *others = cells
    base = against or (first if others else START)
    one = arm or (others[0] if others and base != START else first)
    for name in (one, *([] if base == START else [base])):
        if name not in cells:
            raise InputError(f"no arm {name!r}; {plugins.nearest(name, [*cells, START])}")
    require(one != base, f"{one!r} against itself: name another arm, or {START}")
    taken = {s.measure for s in frame.summaries if s.chains}
    if measure not in taken:
        raise InputError(f"no measure {measure!r} was taken; {plugins.nearest(measure, taken)}")
    needs = [n for g in frame.experiment.records() if (n := _need(frame, cells, measure, one, base, effect, wanted, g))]
    require(bool(needs), f"{measure}: no generation at which {one} and {base} differ in three chains or more")
    quantity = frame.quantities.get(measure)
    return Power(measure, quantity.unit if quantity else "", one, base, effect, wanted, needs)


def _need(
    frame: Frame, cells: dict[str, int], measure: str, one: str, base: str, effect: float | None, wanted: float, g: int
) -> Need | None:
    """Chains at a generation; None where the pilot has too few pairs, or they do not differ at all."""
    if base == START and g == 0:
        return None
    there = _values(frame, cells[one], measure, g)
    here = _values(frame, cells[one], measure, 0) if base == START else _values(frame, cells[base], measure, g)
    chains = sorted(there.keys() & here.keys())
    found = np.array([there[c] - here[c] for c in chains])
    if len(found) < 3 or not found.any():
        return None
    meant = float(np.median(found)) if effect is None else effect * float(np.median([here[c] for c in chains]))
    return None if meant == 0.0 else need(found, meant, wanted, g)


def _values(frame: Frame, cell: int, measure: str, generation: int) -> dict[int, float]:
    read = ((chain, named.get(generation, {})) for (c, chain), named in frame.by_chain.items() if c == cell)
    return {chain: r[measure].value for chain, r in read if measure in r and np.isfinite(r[measure].value)}


def told(found: Need) -> tuple[str, str, str, str, str]:
    """A row of the table: generation, effect, share of pairs on its side, chains, their interval."""
    low, high = (f"{v:,.0f}" if np.isfinite(v) else "> 100,000" for v in found.chains[1:])
    value = f"{found.chains.value:,.0f}" if np.isfinite(found.chains.value) else "> 100,000"
    return f"{found.generation:,}", number(found.effect), f"{100.0 * found.side.value:.0f} %", value, f"{low} to {high}"
