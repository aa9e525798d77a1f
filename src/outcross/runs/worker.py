"""What a worker does: carry one chain on for a while and measure it. A pure function of its task, so that retries,
resumes and any number of workers give the same bits.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Generation, Measure, Model, Reading, Readings, State
from outcross.core.errors import FitDegenerate, one_line
from outcross.core.loop import Chain
from outcross.core.rng import Purpose
from outcross.core.statistics import pool_of
from outcross.measures.context import Context, Reference
from outcross.runs import plugins
from outcross.runs.cells import Cell, build
from outcross.runs.records import Checkpoint, Key, Progress

SLICE = 0.5  # seconds after which a task hands back what it has
_STRIDE = 0.1  # seconds that one leap should take


class Task(NamedTuple):
    """One chain to carry on: where it stands, which measures to take at which generations, which states to keep."""

    key: Key
    cell: Cell
    seed: int
    start: Checkpoint | None
    wanted: Mapping[int, tuple[str, ...]]  # generation -> names of measures, in order of generation
    kept: frozenset[int]
    until: int
    acknowledged: int  # generations up to here are in the store: only measured again, never a new checkpoint
    seconds: float = SLICE
    stored: Mapping[int, Checkpoint] = MappingProxyType({})  # where it stood at generations that need not be done again


class FloorTask(NamedTuple):
    """One replicate of the noise floor of some cells: a model fitted on fresh real rows, measured as generation 0."""

    numbers: tuple[int, ...]  # cells that have this floor
    cell: Cell  # one of them
    seed: int
    replicate: int
    measures: tuple[str, ...]


class Slice(NamedTuple):
    """What a task brought: news to commit, and where the chain now stands."""

    news: Progress
    at: Checkpoint | None


@lru_cache(maxsize=64)
def _source(kind: str, node: str, stamp: tuple[object, ...]) -> tuple[Any, Reference]:
    """A source and its reference, made once a process as long as its file stays what it was."""
    source = plugins.make("sources", {"kind": kind, **json.loads(node)}, "source")
    return source, Reference.of(source)


def source_of(cell: Cell) -> tuple[Any, Reference]:
    """The source of a cell and its reference."""
    rest = {k: v for k, v in cell.source.items() if k != "kind"}
    return _source(cell.source["kind"], json.dumps(rest, sort_keys=True), _stamp(rest.get("path")))


def _stamp(path: object) -> tuple[object, ...]:
    """Which file or folder a path means now, and when it was last changed; nothing for a source without one."""
    if not isinstance(path, str):
        return ()
    whole = os.path.abspath(os.path.expanduser(path))
    try:
        found = os.stat(whole)
    except (OSError, ValueError):
        return (whole,)
    inside = hash(frozenset(_files(whole, 2))) if stat.S_ISDIR(found.st_mode) else None
    return whole, found.st_mtime_ns, found.st_size, found.st_ino, inside


def _files(folder: str, depth: int) -> Iterator[tuple[object, ...]]:
    """What is in a folder and, as deep as sources look, in its sub-folders: its own time tells of no new content."""
    try:
        entries = list(os.scandir(folder))
    except OSError as e:  # whoever reads it will say so
        entries = []
        yield folder, e.errno
    for entry in entries:
        try:
            found = entry.stat()
            yield entry.path, found.st_mtime_ns, found.st_size
        except OSError as e:
            yield entry.path, e.errno
        if depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, depth - 1)


def advance(task: Task) -> Slice:
    """Carry a chain on until its last generation, or until the time is over."""
    source, reference = source_of(task.cell)
    chain = build(task.cell, source, task.seed, task.key[1])
    trip = _Trip(task, chain, reference)
    try:
        trip.go()
    except FitDegenerate as e:
        trip.back_to((e.generation or 0) - 1)
        return trip.slice("degenerate", one_line(f"generation {e.generation}: {e.reason}"))
    return trip.slice("done" if trip.finished else "running", None)


class _Trip:
    """One task under way."""

    def __init__(self, task: Task, chain: Chain, reference: Reference) -> None:
        self.task, self.chain, self.reference = task, chain, reference
        self.at: Generation | None = None if task.start is None else _generation(chain, task.start)
        self.first: Model | None = None if task.start is None else chain.load(0, task.start.first)
        self.kept: dict[int, State] = {}
        self.taken: dict[int, tuple[str, ...]] = {}
        self.readings: dict[int, dict[str, Reading]] = {}
        self.arrays: dict[int, dict[str, NDArray[Any]]] = {}
        self.finished = False

    def go(self) -> None:
        """Leap from one wanted generation to the next, in strides short enough to hand back in time."""
        deadline = time.monotonic() + self.task.seconds
        if self.at is None:
            self.at = self.chain.start()
            self.first = self.at.model
        stops = sorted({g for g in self.task.wanted if g >= self.at.t} | {self.task.until})
        pace = _Pace()
        for stop in stops:
            while self.at.t < stop:
                if time.monotonic() > deadline:
                    return
                kept = max((g for g in self.task.stored if self.at.t < g <= stop), default=None)
                if kept is not None:
                    self.at = _generation(self.chain, self.task.stored[kept])
                    continue
                until = min(stop, self.at.t + pace.stride)
                self.at = pace.timed(self.chain, self.at, until)
            self._observe()
            if time.monotonic() > deadline and stop != stops[-1]:
                return
        self.finished = True

    def back_to(self, generation: int) -> None:
        """Stand at the last generation that has a model, whatever the strides were."""
        if generation < 0 or self.at is None:
            self.at = None
            return
        if generation > self.at.t:
            self.at = self.chain.leap(self.at, generation)

    def _observe(self) -> None:
        assert self.at is not None
        assert self.first is not None
        g = self.at.t
        if g in self.task.kept:
            self.kept[g] = self.at.model.state()
        names = self.task.wanted.get(g, ())
        if names:
            context = Context(self.reference, self.at.model, self.first, self.chain.streams, g)
            self.taken[g] = names
            self.readings[g], self.arrays[g] = take(plugins.measures(names), self.at, context)

    def slice(self, status: str, reason: str | None) -> Slice:
        """What to commit, and the checkpoint to go on from."""
        at = None
        if self.at is not None and self.first is not None:
            pool = self.at.pool.batches if self.at.pool is not None and self.chain.needs_pool else ()
            at = Checkpoint(self.at.t, self.at.model.state(), self.first.state(), pool)
        new = at if at is not None and at.generation > self.task.acknowledged else None
        news = Progress(self.task.key, status, reason, new, self.kept, self.taken, self.readings, self.arrays)
        return Slice(news, at)


class _Pace:
    """How many generations to leap at once: learns from how long the last leap took."""

    def __init__(self) -> None:
        self.stride = 1

    def timed(self, chain: Chain, past: Generation, until: int) -> Generation:
        """Leap, and set the next stride."""
        began = time.monotonic()
        now = chain.leap(past, until)
        taken = max(time.monotonic() - began, 1e-6)
        fits = int((until - past.t) * _STRIDE / taken)
        self.stride = max(1, min(fits, 8 * self.stride))
        return now


def _generation(chain: Chain, at: Checkpoint) -> Generation:
    pool = pool_of(at.pool) if at.pool else (chain.original if at.generation == 0 else None)
    return Generation(at.generation, pool, chain.load(at.generation, at.state))


def take(
    measures: tuple[Measure, ...], generation: Generation, context: Context
) -> tuple[dict[str, Reading], dict[str, NDArray[Any]]]:
    """Take measures: readings by quantity, arrays by name. A number that is not finite carries a reason."""
    readings: dict[str, Reading] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for measure in measures:
        if measure.needs not in (context.reference.items, "any"):
            continue
        for name, value in _tried(measure, generation, context).items():
            if isinstance(value, np.ndarray):
                arrays[name] = value
            else:
                readings[name] = _reading(value)
    return readings, arrays


def _tried(measure: Measure, generation: Generation, context: Context) -> Readings:
    try:
        return measure.take(generation, context)
    except (np.linalg.LinAlgError, FloatingPointError, FitDegenerate) as e:
        return {name: Reading(np.nan, why=str(e)) for name in measure.quantities}


def _reading(value: float | Reading) -> Reading:
    reading = value if isinstance(value, Reading) else Reading(float(value))
    if np.isfinite(reading.value) or reading.why:
        return reading
    return Reading(np.nan, why="not finite")


def floor_of(cell: Cell, seed: int) -> str:
    """What decides the floor of a cell: cells that are alike in it differ in what comes after generation 0 alone."""
    chain = build(cell, source_of(cell)[0], seed, 0)
    kind = None if chain.kept_as is None else chain.kept_as.__name__
    return json.dumps([cell.source, cell.learner, chain.samples.at(0), kind], sort_keys=True)


def floor(task: FloorTask) -> dict[str, Reading]:
    """Measure a model fitted on real rows that no chain has seen: what the measures read when nothing recurs."""
    source, reference = source_of(task.cell)
    chain = build(task.cell, source, task.seed, task.replicate)
    s = chain.streams.stream
    try:
        rows = chain.real(chain.samples.at(0), s(0, Purpose.FLOOR))
        model = chain.fitted(rows, s(0, Purpose.FLOOR_FIT))
    except FitDegenerate as e:
        return {"fit": Reading(np.nan, why=e.reason)}
    context = Context(reference, model, model, chain.streams._replace(key=chain.streams.key ^ 1), 0)
    readings, _ = take(plugins.measures(task.measures), Generation(0, rows, model), context)
    return {name: r for name, r in readings.items() if name != "l2_to_first"}
