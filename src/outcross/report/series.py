"""A run's readings as series that a plan is calibrated on: one quantity of one cell, as ratios to real against real."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from outcross.core.errors import InputError, require
from outcross.core.schedules import Samples
from outcross.measures.context import LEVELS
from outcross.plan.calibrated import Middle, Series
from outcross.plan.effective import Setup
from outcross.report.frames import Frame
from outcross.runs import plugins
from outcross.runs.cells import Cell


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
    },  # what is left of the rare ones obeys D4, not this chain: `outcross tails`
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
    generations = tuple(s.generation for s in frame.series(cell, reads.quantity))
    label = frame.cells[cell].label
    require(generations[:1] == (0,), f"{label}: {reads.quantity} was not recorded at generation 0")
    values = np.array([[_value(frame, (cell, c), g, reads.quantity) for c in chains] for g in generations])
    real = np.concatenate([frame.floors.get((cell, reads.quantity), np.array([])), values[0]])
    real = real[np.isfinite(real)]
    require(len(real) > 0, f"{label}: {reads.quantity} has no number at generation 0")
    read = np.exp(real.mean() - values) if reads.kind == "nats" else values / real.mean()
    tail = {"tail_99": float(LEVELS[0]), "tail_95": float(LEVELS[2])}.get(reads.quantity)
    theory, rises = reads.kind in ("ratio", "tail"), reads.kind == "nats"
    return Series(_setup(frame, frame.cells[cell]), generations, read, len(real), reads.middle, theory, tail, rises)


def _value(frame: Frame, key: tuple[int, int], generation: int, quantity: str) -> float:
    read = frame.by_chain.get(key, {}).get(generation, {}).get(quantity)
    return np.nan if read is None else read.value


def _setup(frame: Frame, cell: Cell) -> Setup:
    """Policy and rows of a cell, as the run settled them."""
    rows = frame.rows_of(cell)
    require(rows is not None, f"{cell.label}: the run has not begun")
    require(not cell.stages, f"{cell.label}: a plan knows no stages ({', '.join(cell.stages)}); choose another --arm")
    require(not cell.teacher, f"{cell.label}: a plan knows no teacher; choose another --arm")
    policy = plugins.make("policies", cell.policy, f"arms.{cell.arm}.policy")
    return Setup(policy, Samples(**{**cell.samples, "start": rows}), items_of(frame))
