"""Compare: what a policy changes, chain by chain on the same seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from outcross.core.errors import require
from outcross.core.stats import FEWEST, Interval, paired_difference
from outcross.report.frames import Frame, finite

CHIEF = (
    "w2_gaussian", "tail_99", "generalised_variance_ratio", "mean_shift", "coefficient_error",
    "total_variation", "rare_kept_99", "heterozygosity_ratio", "survivors",
    "feature_w2", "rare_coverage", "pixel_variance_ratio", "class_entropy_ratio", "ambiguous", "tstr_accuracy", "mu_sd",
)  # fmt: skip


class Difference(NamedTuple):
    """Arm minus baseline in one quantity at one generation, over chains paired by seed."""

    baseline: str
    arm: str
    measure: str
    unit: str
    generation: int
    difference: Interval
    pairs: int

    @property
    def of(self) -> str:
        """What of the pairs the number is."""
        return "median" if self.pairs >= FEWEST else "mean"

    @property
    def says(self) -> str:
        """What the interval says of the difference."""
        if not np.isfinite(self.difference.low):
            return "too few"
        if self.difference.low > 0.0:
            return "higher"
        return "lower" if self.difference.high < 0.0 else "unclear"

    def json(self) -> dict[str, Any]:
        """Plain data."""
        value, low, high = (finite(v) for v in self.difference)
        return {
            "baseline": self.baseline,
            "arm": self.arm,
            "measure": self.measure,
            "unit": self.unit,
            "generation": self.generation,
            "value": value,
            "low": low,
            "high": high,
            "pairs": self.pairs,
            "of": self.of,
        }


def compare(
    frame: Frame, other: Frame | None = None, generation: int | None = None, measures: Sequence[str] | None = None
) -> list[Difference]:
    """Every cell against the first arm of its sweep point; with another run, its cells against the same ones here.

    Raises InputError when a generation or a measure was not recorded, or nothing is there to be paired.
    """
    pairs = list(_across(frame, other) if other else _within(frame))
    why = "the runs share no arm over the same source" if other else "the run has one arm; give a second run"
    require(bool(pairs), f"nothing to compare: {why}")
    recorded = sorted({r.generation for r in frame.rows})
    require(bool(recorded), "nothing has been measured yet")
    at = recorded[-1] if generation is None else generation
    require(at in recorded, f"generation {at} was not recorded; there are {', '.join(map(str, recorded))}")
    known = sorted({r.measure for r in frame.rows if r.generation == at})
    wanted = list(measures) if measures else [m for m in CHIEF if m in known] or known
    for name in wanted:
        require(name in known, f"no measure {name!r} at generation {at}; there are {', '.join(known)}")
    return [_difference(*pair, name, at) for pair in pairs for name in wanted]


def _within(frame: Frame) -> Iterator[tuple[Frame, int, Frame, int]]:
    first: dict[str, int] = {}
    for i, cell in enumerate(frame.cells):
        base = first.setdefault(repr(cell.axes), i)
        if base != i:
            yield frame, base, frame, i


def _across(frame: Frame, other: Frame) -> Iterator[tuple[Frame, int, Frame, int]]:
    require(frame.experiment.seed == other.experiment.seed, "the runs have different seeds: their chains are not pairs")
    places = {cell.label: i for i, cell in enumerate(frame.cells)}
    for i, cell in enumerate(other.cells):
        if cell.label in places and frame.cells[places[cell.label]].source == cell.source:  # or no chain is paired
            yield frame, places[cell.label], other, i


def _difference(a: Frame, i: int, b: Frame, j: int, measure: str, generation: int) -> Difference:
    here, there = _values(a, i, measure, generation), _values(b, j, measure, generation)
    chains = sorted(here.keys() & there.keys())
    difference = paired_difference([here[c] for c in chains], [there[c] for c in chains])
    quantity = a.quantities.get(measure)
    return Difference(
        _name(a, i, b),
        _name(b, j, a),
        measure,
        quantity.unit if quantity else "",
        generation,
        difference,
        len(chains),
    )


def _name(frame: Frame, cell: int, other: Frame) -> str:
    """A cell, with its run where two runs are compared."""
    label = frame.cells[cell].label
    return label if frame is other else f"{frame.directory.name} {label}"


def _values(frame: Frame, cell: int, measure: str, generation: int) -> dict[int, float]:
    return {
        r.chain: r.value
        for r in frame.rows
        if r.cell == cell and r.measure == measure and r.generation == generation and np.isfinite(r.value)
    }
