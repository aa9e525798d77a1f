"""A run's readings as series that a plan is calibrated on: one quantity of one cell, as ratios to real against real."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.errors import InputError, require
from outcross.measures.context import LEVELS
from outcross.plan.calibrated import Middle, Series
from outcross.plan.effective import Setup
from outcross.report.frames import Frame
from outcross.runs import plugins
from outcross.runs.spec import Cell, build

Array = NDArray[np.float64]
_SMALLEST = 1e-4  # of a tail: less is none


class Reads(NamedTuple):
    """How a measure of loss reads a quantity: the quantity, over which chains a loss is, and its kind."""

    quantity: str
    middle: Middle
    kind: str


# by what rows are, and by the measure that is asked for; the first of a row is the default
READS: dict[str, dict[str, tuple[Reads, ...]]] = {
    "numbers": {
        "variance": (Reads("variance_ratio", "mean", "ratio"),),
        "tail": (Reads("tail_99", "median", "tail"), Reads("tail_95", "median", "tail")),
        "perplexity": (Reads("log_loss", "median", "nats"),),
    },
    "categories": {
        "diversity": (Reads("heterozygosity_ratio", "mean", "ratio"),),
        "variance": (Reads("heterozygosity_ratio", "mean", "ratio"),),
        "tail": (Reads("rare_kept_99", "median", "free"), Reads("rare_kept_95", "median", "free")),
    },
    "images": {
        "variance": (Reads("pixel_variance_ratio", "mean", "free"),),
        "diversity": (Reads("class_entropy_ratio", "mean", "free"),),
        "tail": (Reads("rare_coverage", "median", "free"),),
    },
    "text": {
        "perplexity": (Reads("cross_entropy", "median", "nats"),),
        "diversity": (Reads("distinct_2", "mean", "free"),),
        "tail": (Reads("rare_words", "median", "free"),),
    },
}


def items_of(frame: Frame) -> str:
    """What the rows of a run are, by what was measured."""
    there = {s.measure for s in frame.summaries}
    found = [items for items, by in READS.items() if any(r.quantity in there for reads in by.values() for r in reads)]
    require(bool(found), "the run has recorded nothing that a plan can be calibrated on")
    return found[0]


def readable(frame: Frame, measure: str | None) -> tuple[str, Reads]:
    """The measure of loss and what it reads in a run. Raises InputError where the run has no such numbers."""
    by = READS[items_of(frame)]
    there = {s.measure for s in frame.summaries if s.chains}
    wanted = [measure] if measure else list(by)
    if measure is not None and measure not in by:
        raise InputError(f"measure {measure!r} is not one of these rows: it is one of {', '.join(by)}")
    for name in wanted:
        for reads in by[name]:
            if reads.quantity in there:
                return name, reads
    names = ", ".join(r.quantity for name in wanted for r in by[name])
    raise InputError(f"the run has not recorded {names}: give another --measure, or run it with these measures")


def series(frame: Frame, cell: int, reads: Reads) -> Series:
    """One quantity of a cell. Raises InputError where generation 0 has no number."""
    chains = sorted(chain for c, chain in frame.chains if c == cell)
    generations = sorted({s.generation for s in frame.series(cell, reads.quantity)})
    label = frame.cells[cell].label
    require(bool(generations) and generations[0] == 0, f"{label}: {reads.quantity} was not recorded at generation 0")
    values = np.array([[_value(frame, (cell, c), g, reads.quantity) for c in chains] for g in generations])
    floor = frame.floors.get((cell, reads.quantity), np.array([]))
    real = np.concatenate([floor, values[0]])
    real = real[np.isfinite(real)]
    require(len(real) > 0, f"{label}: {reads.quantity} has no number at generation 0")
    setup = _setup(frame, frame.cells[cell], reads)
    return Series(
        setup,
        tuple(generations),
        _ratios(values, real, reads, setup),
        len(real),
        reads.middle,
        reads.kind in ("ratio", "tail"),
    )


def _value(frame: Frame, key: tuple[int, int], generation: int, quantity: str) -> float:
    read = frame.by_chain.get(key, {}).get(generation, {}).get(quantity)
    return np.nan if read is None else read.value


def _setup(frame: Frame, cell: Cell, reads: Reads) -> Setup:
    from outcross.core.schedules import Samples

    rows = frame.rows_of(cell)
    require(rows is not None, f"{cell.label}: the run has not begun")
    samples = Samples(**{**cell.samples, "start": rows})
    policy = plugins.make("policies", cell.policy, f"arms.{cell.arm}.policy")
    return Setup(policy, samples, items_of(frame))


def _ratios(values: Array, real: Array, reads: Reads, setup: Setup) -> Array:
    """Ratios of values to what real rows read, in units in which real rows have 1, less what n rows lose of it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if reads.kind == "nats":
            found = np.exp(np.mean(real) - values)
        elif reads.kind == "tail":
            level = LEVELS[0] if reads.quantity.endswith("99") else LEVELS[2]
            found = equivalent(values / np.mean(real), float(level))
        else:
            found = values / np.mean(real)
    found = np.where(found > 0.0, found, np.where(found == 0.0, 1e-12, np.nan))
    return found if setup.learned else found * (1.0 - 1.0 / setup.samples.at(0))


def equivalent(tail: Array, level: float) -> Array:
    """Variance, over the true one, of a Gaussian with so much of the true mass beyond its `level` and 1 - level."""
    from scipy.special import ndtri

    mass = np.clip(tail * level, _SMALLEST * level, 0.4)
    return np.asarray(np.where(np.isfinite(tail), (ndtri(level) / ndtri(mass)) ** 2, np.nan))


def tail_of(variance: Array, level: float) -> Array:
    """The other way round: the tail, over the true one, of a Gaussian of such a variance."""
    from scipy.special import ndtr, ndtri

    return np.asarray(ndtr(ndtri(level) / np.sqrt(variance)) / level)
