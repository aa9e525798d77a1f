"""The runner: what is still to do in a run, done over an engine, committed in groups, resumable at any moment."""

from __future__ import annotations

import json
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from outcross.core.errors import CorruptStore, InputError, OutcrossError, ResourceError, one_line
from outcross.core.loop import Chain
from outcross.runs import plugins, preflight, upkeep, worker
from outcross.runs.cells import Cell, build
from outcross.runs.disk import REMEDY, io_error, write_atomically
from outcross.runs.engines.local import (
    RETRIES,
    Job,
    Outcome,
    WorkerDied,
    available_cores,
    run_here,
    run_over,
    torch_threads,
)
from outcross.runs.records import Checkpoint, Key, Progress
from outcross.runs.spec import Experiment, digest
from outcross.runs.store import Reader, Writer
from outcross.runs.surroundings import environment

COMMIT_SECONDS = 1.0  # one transaction for all chains at most this often
GRACE = 5.0  # seconds that work under way has to end after a signal
_MERGED = ("generations", "chains")  # a run that is extended never shrinks


@dataclass(frozen=True)
class Options:
    """How to run, none of which changes a number.

    memory: bytes for all pools together, None for 80 % of what is there.
    """

    workers: int = 0  # 0: as many as there are cores
    threads: int = 1
    memory: int | None = None
    commit_seconds: float = COMMIT_SECONDS
    slice_seconds: float = worker.SLICE

    @property
    def cores(self) -> int:
        """How many workers there may be."""
        return self.workers or available_cores()


class Status(NamedTuple):
    """How far a run is, for whoever watches."""

    done: int  # generations acknowledged, over all chains
    total: int
    chains_done: int
    chains: int
    seconds: float
    latest: Progress | None


class Watcher(Protocol):
    """Something that is told how a run goes (a progress display, a tracker)."""

    def say(self, text: str) -> None:
        """One line worth reading."""

    def update(self, status: Status) -> None:
        """New numbers, some times a second."""


class Silent:
    """A watcher that says nothing."""

    def say(self, text: str) -> None:
        """Ignore."""

    def update(self, status: Status) -> None:
        """Ignore."""


class Interrupted(OutcrossError):
    """A signal ended the run; everything acknowledged is in the store."""

    def __init__(self, number: int, directory: Path) -> None:
        super().__init__(f"interrupted; run the same command again to go on ({directory})")
        self.exit_code = 128 + number


def directory_of(experiment: Experiment, root: Path) -> tuple[Path, str]:
    """The run's directory under root, and its whole digest. Reads the sources."""
    prints = [worker.source_of(cell)[0].fingerprint() for cell in experiment.settled]
    nodes = [cell.learner for cell in experiment.settled]
    nodes += [cell.teacher["learner"] for cell in experiment.settled if cell.teacher is not None]
    learners = (plugins.make("families", node, "learner") for node in nodes)
    prints += [told for one in learners if (told := getattr(one, "fingerprint", str)())]
    whole = digest(experiment, prints)
    return root / f"{experiment.name.replace('/', '-')}-{whole[:10]}", whole


def run(experiment: Experiment, root: Path, options: Options | None = None, watcher: Watcher | None = None) -> Path:
    """Run or resume or extend an experiment; returns its directory.

    Raises InputError, Locked, CorruptStore, ResourceError, or Interrupted after a signal. Chains that fail or
    degenerate are recorded and do not raise.
    """
    options, watcher = options or Options(), watcher or Silent()
    with torch_threads(options.threads):  # a source may be a model, whose threads would wait for each other
        return _run(experiment, root, options, watcher)


def _run(experiment: Experiment, root: Path, options: Options, watcher: Watcher) -> Path:
    directory, whole = directory_of(experiment, root)
    chains = [build(cell, worker.source_of(cell)[0], experiment.seed, 0) for cell in experiment.settled]
    preflight.check_memory(chains, experiment, options.cores, options.memory)  # before a row is drawn
    for cell, chain in zip(experiment.settled, chains, strict=True):
        preflight.check_rows(cell, chain, experiment)
    preflight.compile_kernels(experiment.settled, chains, watcher.say)
    if not directory.exists():
        preflight.say_if_long(experiment, chains, options.cores, watcher.say)
    seen = preflight.look_at_rows(experiment, watcher.say)
    if not directory.exists():
        for cell, chain in zip(experiment.settled, chains, strict=True):
            preflight.try_statistics(cell, chain)
            preflight.try_stages(cell, chain)
    store = Writer(directory, whole)
    caught: list[int] = []
    try:
        _check_whole(store)
        experiment = _merge(store, experiment, watcher)
        _describe(store, experiment, chains, options.threads)
        if seen:
            store.set_meta(**{chains[0].items: json.dumps(seen)})
        groups = [_groups(chain.source) for chain in chains]
        if any(groups):
            store.set_meta(groups=json.dumps(groups))
        _note_environment(store, watcher, options.threads)
        with _signals(caught):
            _Run(store, experiment, options, watcher, caught).go()
    except KeyboardInterrupt:
        if caught:
            raise Interrupted(caught[0], directory) from None
        raise
    finally:
        store.close()
    return directory


def _check_whole(store: Writer) -> None:
    """Refuse to build on a run that is damaged."""
    if store.meta("experiment") is None and not store.chains():
        return
    damage = upkeep.check(store.directory).damage
    if damage:
        more = f" (and {len(damage) - 1} more, see `outcross fsck`)" if len(damage) > 1 else ""
        raise CorruptStore(f"{store.directory}: {damage[0]}{more}; {REMEDY}")


def _merge(store: Writer, experiment: Experiment, watcher: Watcher) -> Experiment:
    """The experiment as it stands after this command: generations and chains only grow."""
    told = store.meta("experiment")
    if told is None:
        return experiment
    past = Experiment.parse(json.loads(told), str(store.directory))
    for name in _MERGED:
        if getattr(past, name) > getattr(experiment, name):
            watcher.say(f"this run already has {getattr(past, name):,} {name}: it is kept and shown whole")
    return experiment.model_copy(update={name: max(getattr(past, name), getattr(experiment, name)) for name in _MERGED})


def _describe(store: Writer, experiment: Experiment, chains: list[Chain], threads: int) -> None:
    """Write down what is run, where, and with what."""
    text = json.dumps(experiment.canonical())  # in the order given: it numbers the cells
    if store.meta("experiment") != text:
        cells = [c._asdict() for c in experiment.settled]
        try:
            write_atomically(store.directory / "experiment.yaml", experiment.yaml().encode())
            write_atomically(store.directory / "environment.json", json.dumps(environment(threads), indent=1).encode())
        except OSError as e:
            raise io_error(e, store.directory) from e
        rows = [chain.samples.at(0) for chain in chains]
        store.set_meta(experiment=text, cells=json.dumps(cells), rows=json.dumps(rows))


def _groups(source: Any) -> list[str]:
    """Names of the groups of a source's rows: of their labels, or of the components of its truth."""
    named = list(getattr(source, "classes", ())) if getattr(source, "items", "numbers") == "numbers" else []
    law = getattr(source, "law", None)
    return named or [f"component {k + 1}" for k in range(0 if law is None else len(law.weights))]


def _note_environment(store: Writer, watcher: Watcher, threads: int) -> None:
    """Say, and write into the run's diary, when it goes on under other versions or another machine than it began."""
    here, told = environment(threads), store.meta("environment")
    if told is None:
        store.set_meta(environment=json.dumps(here))
        return
    past = json.loads(told)
    flat = {**past, **past["packages"]}, {**here, **here["packages"]}
    both = flat[0].keys() & flat[1].keys() - {"packages"}  # what was not recorded then tells nothing now
    changed = [f"{k} {flat[0][k]} -> {flat[1][k]}" for k in flat[1] if k in both and flat[0][k] != flat[1][k]]
    if changed:
        text = f"environment changed since this run began ({'; '.join(changed)}): equal in law, not in every bit"
        watcher.say(text)
        store.event("environment", text)
        store.set_meta(environment=json.dumps(here))


@contextmanager
def _signals(caught: list[int]) -> Iterator[None]:
    """Collect SIGINT, SIGTERM and SIGHUP; a second one, or the end of the grace, drops what is under way."""

    def note(number: int, frame: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        signal.setitimer(signal.ITIMER_REAL, GRACE)

    try:
        before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)}
    except ValueError:  # not the main thread: whoever called us handles signals
        yield
        return
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for s, handler in before.items():
            signal.signal(s, handler)


class _Due(NamedTuple):
    """What is left to do of a chain: which measures at which generations, which states to keep, how far to go."""

    key: Key
    cell: Cell
    wanted: dict[int, tuple[str, ...]]
    kept: frozenset[int]
    until: int
    reached: int


class _Run:
    """One run under way."""

    def __init__(self, store: Writer, experiment: Experiment, options: Options, watcher: Watcher, caught: list[int]):
        self.store, self.experiment, self.options, self.watcher, self.caught = (
            store,
            experiment,
            options,
            watcher,
            caught,
        )
        self.records = experiment.records()
        self.snapshots = set(experiment.snapshot_generations())
        self.names = plugins.measures(experiment.measures)
        self.news: dict[Key, list[Progress]] = {}
        self.floor_news: list[tuple[worker.FloorTask, Any]] = []
        self.failures: dict[Key, int] = {}
        self.began = self.committed = time.monotonic()
        self.past = store.chains()
        self.taken = store.taken()
        self.reached = {key: max(0, g) for key, (g, _, _) in self.past.items()}
        self.over = 0

    def go(self) -> None:
        """Do everything that is still to do."""
        self.queue: deque[Job | _Due] = deque(self._floor_jobs())
        self.queue.extend(self._chains_due())
        if self.queue:
            self._work()
        if self.store.meta("finished") != self.store.meta("experiment"):
            self.store.compact()
            self.store.set_meta(finished=self.store.meta("experiment") or "")

    def _work(self) -> None:
        workers = min(self.options.cores, len(self.queue))
        self.watcher.say(_line(self.experiment, workers))
        self.over = sum(1 for s in self.past.values() if s[1] in ("done", "degenerate"))
        outcomes = (
            run_here(self._pull, self.options.threads)
            if workers == 1
            else run_over(self._pull, workers, self.options.threads)
        )
        for outcome in outcomes:
            self._receive(outcome)
            if time.monotonic() - self.committed >= self.options.commit_seconds or self.caught:
                self._commit()
            if self.caught:
                break
        self._commit()
        if self.caught:
            raise Interrupted(self.caught[0], self.store.directory)

    def _pull(self) -> Job | None:
        """The next job. A chain's pool is read from disk only now: those of all chains may not fit into memory."""
        if not self.queue or self.caught:
            return None
        first = self.queue.popleft()
        return Job(worker.advance, self._task(first)) if isinstance(first, _Due) else first

    def _floor_jobs(self) -> Iterator[Job]:
        """The replicates of the noise floor that are not in the store, once for all cells that have the same."""
        there, seed = self.store.floor_taken(), self.experiment.seed
        alike: dict[str, list[int]] = {}
        for number, cell in enumerate(self.experiment.settled if self.experiment.floor else ()):
            alike.setdefault(worker.floor_of(cell, seed), []).append(number)
        for numbers in alike.values():
            cell = self.experiment.settled[numbers[0]]
            for replicate in range(self.experiment.floor):
                heavy = replicate < self.experiment.snapshots.chains
                names = tuple(
                    m.name
                    for m in self.names
                    if (heavy or not m.heavy) and any((k, replicate, m.name) not in there for k in numbers)
                )
                if names:
                    yield Job(worker.floor, worker.FloorTask(tuple(numbers), cell, seed, replicate, names))

    def _chains_due(self) -> Iterator[_Due]:
        """What is left to do of each chain that is not finished, or lacks a measure.

        The first chain of every arm comes before the second of any: a run cut short compares all arms.
        """
        for chain in range(self.experiment.chains):
            for number, cell in enumerate(self.experiment.settled):
                due = self._due((number, chain), cell)
                if due is not None:
                    yield due

    def _due(self, key: Key, cell: Cell) -> _Due | None:
        reached, status, reason = self.past.get(key, (-1, "running", None))
        last = self.experiment.generations
        until = max(reached, 0) if status == "degenerate" else last
        kept = frozenset(g for g in self.records if self.experiment.kept(g))
        missing = kept - self.store.kept(key) if kept else kept
        wanted = {g: names for g in self.records if g <= until and ((names := self._lacking(key, g)) or g in missing)}
        if status == "degenerate" and reached < 0:
            return None
        return None if reached >= until and not wanted else _Due(key, cell, wanted, kept, until, reached)

    def _task(self, due: _Due) -> worker.Task:
        first, stored = min([due.reached, *due.wanted]), self._stored(due)
        start = stored.get(first) or self._start(due.key, due.reached, first)
        return worker.Task(
            due.key,
            due.cell,
            self.experiment.seed,
            start,
            due.wanted,
            due.kept,
            due.until,
            due.reached,
            self.options.slice_seconds,
            stored,
        )

    def _stored(self, due: _Due) -> dict[int, Checkpoint]:
        """Where a chain stood at generations to be measured again, if its fits are dear: no fit is made twice then."""
        past = {g for g in due.wanted if g <= due.reached}
        if not past or not hasattr(plugins.make("families", due.cell.learner, "learner"), "trial"):
            return {}
        there = set(self.store.states(due.key))
        if self._grows(due.key) and not past <= there:  # a state that is kept has no pool to go on from
            return {}
        goes_on = due.reached < due.until  # else its pool, which may be large, is of no use
        return {g: self.store.checkpoint(due.key, g, goes_on) for g in sorted((past | {due.reached}) & there)}

    def _lacking(self, key: Key, generation: int) -> tuple[str, ...]:
        """Measures to take at a record: the heavy ones at snapshots of the first chains only."""
        heavy = generation in self.snapshots and key[1] < self.experiment.snapshots.chains
        there = self.taken.get(key, {}).get(generation, set())
        return tuple(m.name for m in self.names if (heavy or not m.heavy) and m.name not in there)

    def _start(self, key: Key, reached: int, first: int) -> Checkpoint | None:
        """The latest state at or before the first generation that lacks anything."""
        if reached < 0:
            return None
        able = [g for g in self.store.states(key) if g <= first]
        at = max(able, default=None)
        if at is None or (at not in (0, reached) and self._grows(key)):
            return None
        return self.store.checkpoint(key, at)

    def _grows(self, key: Key) -> bool:
        """Whether a chain needs its pool to go on, which is stored with the checkpoint alone."""
        cell = self.experiment.settled[key[0]]
        return build(cell, worker.source_of(cell)[0], self.experiment.seed, key[1]).needs_pool

    def _receive(self, outcome: Outcome) -> None:
        if isinstance(outcome.task, worker.FloorTask):
            if outcome.error is not None:
                self._floor_failed(outcome.task, outcome.error)
                return
            self.floor_news.append((outcome.task, outcome.result))
            return
        task: worker.Task = outcome.task
        if outcome.error is not None:
            self._failed(task, outcome.error)
            return
        result: worker.Slice = outcome.result
        self.news.setdefault(task.key, []).append(result.news)
        if result.at is not None:
            self.reached[task.key] = max(self.reached.get(task.key, 0), result.at.generation)
        if result.news.status == "running":
            self.queue.appendleft(Job(worker.advance, self._rest(task, result)))
        else:
            self.over += 1
        self._tell(result.news)

    def _rest(self, task: worker.Task, result: worker.Slice) -> worker.Task:
        """What is left of a task after a slice."""
        wanted = {g: names for g, names in task.wanted.items() if g not in result.news.taken}
        reached = task.acknowledged if result.at is None else max(task.acknowledged, result.at.generation)
        return task._replace(start=result.at, wanted=wanted, acknowledged=reached)

    def _floor_failed(self, task: worker.FloorTask, error: BaseException) -> None:
        """Try again, then go on without this replicate; the same command tries it anew."""
        if self._again(Job(worker.floor, task), (task.numbers[0], -1 - task.replicate), error):
            return
        label = task.cell.label
        text = f"noise floor of {label}, replicate {task.replicate}, failed: {one_line(str(error))}"
        self.watcher.say(text)
        self.store.event("floor", text)

    def _again(self, job: Job, key: Key, error: BaseException) -> bool:
        """Put a failed job back into the queue, unless it has failed too often; bad input ends the run."""
        if isinstance(error, InputError | ResourceError):
            raise error
        self.failures[key] = self.failures.get(key, 0) + 1
        if self.failures[key] >= RETRIES or isinstance(error, WorkerDied):
            return False
        self.queue.append(job)
        return True

    def _failed(self, task: worker.Task, error: BaseException) -> None:
        """Try again, then record the chain as failed; bad input ends the run."""
        if self._again(Job(worker.advance, task), task.key, error):
            return
        reason = one_line(str(error))
        self.watcher.say(f"chain {task.key[1]} of {self.experiment.settled[task.key[0]].label} failed: {reason}")
        self.over += 1
        self.news.setdefault(task.key, []).append(Progress(task.key, "failed", reason, None, {}, {}, {}, {}))

    def _tell(self, latest: Progress | None) -> None:
        last, cells = self.experiment.generations, len(self.experiment.settled)
        total = last * cells * self.experiment.chains
        done = sum(self.reached.values())
        self.watcher.update(
            Status(done, total, self.over, cells * self.experiment.chains, time.monotonic() - self.began, latest)
        )

    def _commit(self) -> None:
        for task, readings in self.floor_news:
            for number in task.numbers:
                self.store.commit_floor(number, task.replicate, task.measures, readings)
        self.store.commit(_joined(parts) for parts in self.news.values())
        self.floor_news, self.news = [], {}
        self.committed = time.monotonic()


def _joined(parts: list[Progress]) -> Progress:
    """Several slices of one chain as one piece of news; the last checkpoint stands."""
    joined = parts[-1]
    points = [p.checkpoint for p in parts if p.checkpoint is not None]
    return joined._replace(
        checkpoint=points[-1] if points else None,
        kept={g: v for p in parts for g, v in p.kept.items()},
        taken={g: v for p in parts for g, v in p.taken.items()},
        readings={g: v for p in parts for g, v in p.readings.items()},
        arrays={g: v for p in parts for g, v in p.arrays.items()},
    )


def _line(experiment: Experiment, workers: int) -> str:
    cells = len(experiment.settled)
    arms = f"{cells} arms" if cells > 1 else "1 arm"
    return (
        f"{experiment.name}: {arms} x {experiment.chains} chains x {experiment.generations:,} generations "
        f"on {workers} worker{'s' if workers > 1 else ''}"
    )


def open_run(directory: Path) -> tuple[Reader, Experiment]:
    """A run on disk and its experiment."""
    reader = Reader(directory)
    told = reader.meta("experiment")
    if told is None:
        raise InputError(f"{directory}: nothing has been run here yet")
    return reader, Experiment.parse(json.loads(told), str(directory))
