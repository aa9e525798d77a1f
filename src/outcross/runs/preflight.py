"""What is looked at before a run starts: whether rows and memory are enough, the kernels, and what it would cost."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Generation, State, Trial
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError, LearnerError, OutcrossError, ResourceError, one_line
from outcross.core.loop import Chain
from outcross.core.rng import Purpose, Stream
from outcross.runs import plugins, worker
from outcross.runs.cells import Cell, build
from outcross.runs.engines.local import torch_threads
from outcross.runs.spec import Experiment

_LONG = 1800.0  # seconds of training that are worth a word before they begin
_LOOKED_AT = 10_000  # generations whose row counts are looked at before the start


@dataclass
class Outlook:
    """What a run would cost: rows of the estimate, and the totals."""

    seconds: float
    disk_bytes: int
    memory_bytes: int
    generations: int
    notes: list[str] = field(default_factory=list)


def check_rows(cell: Cell, chain: Chain, experiment: Experiment) -> None:
    """Draw the real rows of chain 0; see that they are enough for a fit, and for all that the policy asks for."""
    there = len(chain.original)
    least = getattr(chain.learner, "least", lambda columns: 1)(len(chain.source.columns))
    if there < least:
        raise InputError(f"samples: {there} rows, the family {cell.learner['kind']} needs at least {least} here")
    if chain.teacher is not None:
        due = getattr(chain.teacher.learner, "least", lambda columns: 1)(len(chain.source.columns))
        if chain.teacher.samples < due:
            told = f"{chain.teacher.samples} rows, its family needs at least {due} here"
            raise InputError(f"arms.{cell.arm}: teacher.samples: {told}")
    if chain.samples.at(experiment.generations) * (experiment.generations + 1) >= 1 << 62:
        raise InputError("samples grow to more rows than can be counted: use fewer, fewer generations or less growth")
    for t in sorted({*range(1, min(experiment.generations, _LOOKED_AT) + 1), experiment.generations} - {0}):
        wanted = chain.policy.rows(t, chain.samples.at(t), 0).original
        if wanted > there:
            raise InputError(
                f"arms.{cell.arm}: the policy asks for {wanted:,} original rows in generation {t:,}, generation 0 has "
                f"{there:,}: lower the real share, or start with more samples"
            )


def try_statistics(cell: Cell, chain: Chain) -> None:
    """Run a generation of a chain whose pools are statistics: for next to nothing it refuses what the run would."""
    if chain.kept_as is not None:
        _one_generation(cell, chain)


def try_stages(cell: Cell, chain: Chain) -> None:
    """Send real rows through the stages of a chain, as if a model had made them: what cannot act on them is refused."""
    if not chain.stages:
        return
    rows = chain.original
    assert isinstance(rows, Corpus)
    stand_in = _Drawn(rows)

    def drawn(n: int, call: int) -> Corpus:
        return rows.take(np.resize(np.arange(len(rows)), n))

    due = chain.policy.rows(1, chain.samples.at(1), 0).synthetic
    try:
        with suppress(FitDegenerate):
            if due:
                chain.line("made", 1, stand_in, drawn).made(due)
            chain.line("fitted", 1, stand_in).over(rows)
    except InputError as e:
        raise InputError(f"arms.{cell.arm}: {e}") from e


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What stands for a model before there is one: it gives real rows."""

    rows: Corpus

    def sample(self, n: int, rng: Stream, given: Corpus | None = None) -> NDArray[Any]:
        """N of the rows, again from the first when they end."""
        return np.resize(self.rows.items, (n, *self.rows.shape))

    def state(self) -> State:
        """Nothing: it is never stored."""
        return {}


def pool_bytes(chain: Chain, generations: int) -> int:
    """Bytes of the largest pool of a chain."""
    if chain.kept_as is not None:
        return 2 * chain.original.nbytes  # of counts or moments, however many rows they stand for
    pool = max(chain.samples.at(0), 0 if chain.teacher is None else chain.teacher.samples)
    rows = [chain.samples.at(t) for t in (0, generations)]
    if chain.policy.rows(1, 1, 1).previous > 1 or getattr(chain.policy, "keep_all", False):
        pool += sum(chain.samples.at(t) for t in range(1, generations + 1))
    return chain.row_bytes * max(pool, *rows)


def check_memory(chains: list[Chain], experiment: Experiment, workers: int, memory: int | None) -> None:
    """Refuse pools that memory (bytes, None for 80 % of what is there) cannot hold. Raises ResourceError."""
    limit = memory or int(0.8 * _physical_memory())
    largest = max(chains, key=lambda c: pool_bytes(c, experiment.generations))
    needed = 4 * workers * pool_bytes(largest, experiment.generations)
    if needed > limit:
        served = largest.pools == "rows" and replace(largest, pools="auto").kept_as is not None
        raise ResourceError(
            f"pools would take about {needed / 2**30:.1f} GiB, the limit is {limit / 2**30:.1f} GiB: use "
            f"{'pools=auto, ' if served else ''}fewer samples or generations, the policy accumulate_subsample, fewer "
            "--workers, or --memory"
        )


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def compile_kernels(cells: Sequence[Cell], chains: list[Chain], say: Callable[[str], None]) -> None:
    """Compile the kernels here, once, before every worker does it for itself; later runs find them on disk."""
    cold = [
        (cell, chain)
        for cell, chain in zip(cells, chains, strict=True)
        if (home := _kernels(chain)) and not any(home.parent.glob(f"__pycache__/{home.stem}*.nbi"))
    ]
    if not cold:
        return
    say("compiling kernels, the first time only: up to half a minute")
    for cell, chain in cold:
        _one_generation(cell, chain)


def _one_generation(cell: Cell, chain: Chain) -> None:
    try:
        with suppress(FitDegenerate):  # a result of its chain, recorded when the chain is run
            chain.leap(chain.start(), 1)
    except InputError as e:
        raise InputError(f"arms.{cell.arm}: {e}") from e


def _kernels(chain: Chain) -> Path | None:
    """The file of the compiled functions that a chain spends its time in, if there is one."""
    if chain.kept_as is not None:
        return Path(sys.modules[chain.kept_as.__module__].__file__ or "")
    if hasattr(chain.learner, "evolve"):
        return Path(sys.modules[type(chain.learner).__module__].__file__ or "")
    return None


class Seen(NamedTuple):
    """Through what the rows of a cell are seen, in one line, and the names of their classes."""

    told: str
    classes: tuple[str, ...]


def look_at_rows(experiment: Experiment, say: Callable[[str], None]) -> list[Seen]:
    """Tell how text is evaluated, and train the classifiers that measures of images need, once, before every worker
    does; tell how good each is.

    One answer a cell; none where rows are neither, or no image is looked at.
    """
    libraries = [worker.source_of(cell)[1].library for cell in experiment.settled]
    if None not in libraries:
        asked = [int(cell.learner.get("question", 0)) for cell in experiment.settled]
        return [Seen(library.told(q), ()) for library, q in zip(libraries, asked, strict=True)]
    galleries = [worker.source_of(cell)[1].gallery for cell in experiment.settled]
    if None in galleries or not any(m.sees for m in plugins.measures(experiment.measures)):
        return []
    found = {id(gallery): gallery for gallery in galleries}
    with torch_threads(1):  # the last bits of weights depend on how many there are
        for gallery in found.values():
            if not gallery.ready:
                say("training a classifier of the real images, the first time only: up to some minutes")
            say(gallery.told)
        return [Seen(gallery.told, gallery.names) for gallery in galleries]


def say_if_long(experiment: Experiment, chains: list[Chain], workers: int, say: Callable[[str], None]) -> None:
    """Before fits that take minutes each: about how long the whole would take on this machine."""
    seconds, device = 0.0, ""
    for chain in chains:
        with suppress(FitDegenerate):  # which ends its chain at once
            if _trains(chain):
                each = _training(chain, experiment)
                seconds, device = seconds + each.seconds, each.device
    if seconds / workers > _LONG:
        shorten = "a GPU shortens it; or " if device == "cpu" else ""
        say(
            f"training takes about {seconds / workers / 3600:.1f} h on {device} (measures not counted): {shorten}take "
            "fewer generations and chains first: the same command with more goes on from there, also after Ctrl-C"
        )


def _trains(chain: Chain) -> bool:
    """Whether a fit of the chain, its teacher's included, can take minutes."""
    return any(hasattr(chain.learner_at(t), "trial") for t in (0, 1))


def _training(chain: Chain, experiment: Experiment) -> Trial:
    """The trial of a chain, its seconds those of all fits of the cell, one after the other."""
    found = [_teaching(chain, experiment)] if chain.teacher and hasattr(chain.learner_at(0), "trial") else []
    found += [_learning(chain, experiment)] if hasattr(chain.learner, "trial") else []
    return found[-1]._replace(seconds=sum(trial.seconds for trial in found))


def _teaching(chain: Chain, experiment: Experiment) -> Trial:
    """The trial of a chain's teacher, its seconds those of all chains; at least as many rows as it makes."""
    pool = chain.first
    assert isinstance(pool, Corpus)
    trial = _trial(chain, 0, pool)
    return trial._replace(seconds=trial.seconds * experiment.chains * max(1.0, chain.samples.at(1) / len(pool)))


def _learning(chain: Chain, experiment: Experiment) -> Trial:
    """The same of its learner, generation 0 included where that has no teacher."""
    assert isinstance(chain.original, Corpus)
    trial = _trial(chain, 1, chain.original)
    rows = len(chain.original)
    total = 0 if chain.teacher else rows
    for t in range(1, experiment.generations + 1):
        n = chain.samples.at(t)
        rows = sum(chain.policy.rows(t, n, rows))
        total += min(rows, chain.policy.budget_rows(t, n) or rows)
    fits = experiment.chains * total + experiment.floor * len(chain.original)
    return trial._replace(seconds=trial.seconds * fits / len(chain.original))


def _trial(chain: Chain, t: int, pool: Corpus) -> Trial:
    """A fit of generation t cut short. Whatever a user's module raises becomes a LearnerError."""
    try:
        with torch_threads(1):
            learner: Any = chain.learner_at(t)
            return learner.trial(pool, chain.streams.stream(0, Purpose.FIT))  # type: ignore[no-any-return]
    except (OutcrossError, FitDegenerate):
        raise
    except (Exception, SystemExit) as e:
        raise LearnerError(f"the learner failed: {one_line(f'{type(e).__name__}: {e}')}") from e


def outlook(experiment: Experiment, workers: int, say: Callable[[str], None]) -> Outlook:
    """Time, disk and memory that a run would take, from a few generations of each cell really run."""
    with torch_threads(1):
        return _outlook(experiment, workers, say)


def _outlook(experiment: Experiment, workers: int, say: Callable[[str], None]) -> Outlook:
    seconds, disk, memory, notes = 0.0, 65536.0, 0, []
    per_row = 60.0  # bytes of a measured number in SQLite
    chains = [build(cell, worker.source_of(cell)[0], experiment.seed, 0) for cell in experiment.settled]
    for cell, chain in zip(experiment.settled, chains, strict=True):
        check_rows(cell, chain, experiment)
    look_at_rows(experiment, say)  # a classifier that has to be trained is no cost of a record
    for cell, chain in zip(experiment.settled, chains, strict=True):
        trains = _trains(chain)
        if trains:
            say(f"{cell.label}: trying a fit, writing and measuring")
        per_generation, per_record, state = (_tried if trains else _probe)(chain, cell, experiment)
        records = len(experiment.records())
        seconds += experiment.chains * (per_generation * experiment.generations + per_record * records)
        kept = sum(experiment.kept(g) for g in experiment.records()) + 2
        disk += experiment.chains * (kept * state + records * 24 * per_row)
        if chain.needs_pool:
            disk += experiment.chains * pool_bytes(chain, experiment.generations)
        memory = max(memory, 4 * workers * pool_bytes(chain, experiment.generations))
        pace = f"{1 / max(per_generation, 1e-9):,.0f} generations a second"
        pace = pace if per_generation < 1.0 else f"{per_generation:,.0f} seconds a generation"
        notes.append(f"{cell.label}: {pace} on one core")
    work = experiment.generations * experiment.chains * len(experiment.settled)
    return Outlook(seconds / workers, int(disk), memory, work, notes)


def _tried(chain: Chain, cell: Cell, experiment: Experiment) -> tuple[float, float, float]:
    """The same from fits cut short; of a fit without an answer, which ends its chain at once, nothing."""
    try:
        trial = _training(chain, experiment)
    except FitDegenerate:
        return 0.0, 0.0, 0.0
    per_generation = trial.seconds / experiment.chains / max(1, experiment.generations)
    return per_generation, *_measured(chain, cell, experiment, Generation(0, None, trial.model))


def _probe(chain: Chain, cell: Cell, experiment: Experiment) -> tuple[float, float, float]:
    """Seconds a generation, seconds a record, bytes of a state."""
    at = chain.leap(chain.start(), min(2, experiment.generations))  # compiles what there is to compile
    ahead = min(experiment.generations, at.t + 20)
    began = time.perf_counter()
    later = chain.leap(at, ahead)
    per_generation = (time.perf_counter() - began) / max(1, ahead - at.t)
    return per_generation, *_measured(chain, cell, experiment, later)


def _measured(chain: Chain, cell: Cell, experiment: Experiment, later: Generation) -> tuple[float, float]:
    """Seconds a record, bytes of a state."""
    from outcross.measures.context import Context

    cheap = tuple(m for m in plugins.measures(experiment.measures) if not m.heavy)
    for _ in range(2):  # the first time compiles, imports and reads the reference: the second is what a record costs
        context = Context(worker.source_of(cell)[1], later.model, later.model, chain.streams, later.t)
        began = time.perf_counter()
        worker.take(cheap, later, context)
        per_record = time.perf_counter() - began
    return per_record, float(sum(a.nbytes for a in later.model.state().values()))
