"""The local engine: tasks in this process, or over worker processes that may die without taking the run along."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager
from typing import Any, NamedTuple

from outcross.core.errors import LearnerError, OutcrossError

_THREADS = "OMP_NUM_THREADS"
RETRIES = 3  # how often a task is tried before its chain counts as failed


class WorkerDied(LearnerError):
    """A job that killed its worker every time: memory, a crash in a library."""


class Job(NamedTuple):
    """A function and its one argument; both must travel to another process."""

    work: Callable[[Any], Any]
    task: Any


class Outcome(NamedTuple):
    """A job that is over: its result, or the exception that ended it."""

    task: Any
    result: Any = None
    error: BaseException | None = None


Pull = Callable[[], Job | None]


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def run_here(pull: Pull, threads: int) -> Iterator[Outcome]:
    """Carry out jobs one after the other in this process, as long as `pull` gives any."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads), torch_threads(threads):
        while (job := pull()) is not None:
            yield attempt(job)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Torch's threads, also where it is imported only later: it then reads the environment."""
    before, there = os.environ.get(_THREADS), sys.modules.get("torch")
    count = None if there is None else there.get_num_threads()
    os.environ[_THREADS] = str(threads)
    if there is not None:
        there.set_num_threads(threads)
    try:
        yield
    finally:
        os.environ.pop(_THREADS) if before is None else os.environ.update({_THREADS: before})
        if there is not None:
            there.set_num_threads(count)


def attempt(job: Job) -> Outcome:
    """Carry out a job; whatever it raises becomes its outcome, in a form that travels between processes."""
    try:
        return Outcome(job.task, job.work(job.task))
    except OutcrossError as e:
        return Outcome(job.task, error=e)
    except (Exception, SystemExit) as e:  # a user's learner may raise anything: that chain failed, the others go on
        return Outcome(job.task, error=LearnerError(f"{type(e).__name__}: {e}"))


def run_over(pull: Pull, workers: int, threads: int) -> Iterator[Outcome]:
    """Carry out jobs over worker processes. A worker's death costs only time: its jobs are done again."""
    pool = _start(workers, threads)
    flying: dict[Future[Outcome], Job] = {}
    suspects: deque[Job] = deque()  # in flight when a worker died: each goes again alone, to take no other along
    deaths = 0  # of workers under the first suspect
    try:
        while True:
            while len(flying) < (1 if suspects else 2 * workers) and (job := suspects[0] if suspects else pull()):
                flying[_submit(pool, job)] = job
            if not flying:
                return
            done, _ = wait(flying, timeout=0.2, return_when=FIRST_COMPLETED)
            broken = [e for f in done if (e := f.exception()) is not None]
            for future in done:
                if future.exception() is None:
                    if suspects and flying[future] is suspects[0]:
                        suspects.popleft()
                        deaths = 0
                    del flying[future]
                    yield future.result()
            if not broken:
                continue
            pool.shutdown(wait=False, kill_workers=True)
            pool = _start(workers, threads)
            if not suspects:
                suspects.extend(flying.values())
            elif (deaths := deaths + 1) == RETRIES:
                yield Outcome(
                    suspects.popleft().task,
                    error=WorkerDied(f"its worker died {deaths} times: {_first_line(broken[0])}"),
                )
                deaths = 0
            flying.clear()
    finally:
        pool.shutdown(wait=False, kill_workers=True)


def _submit(pool: Any, job: Job) -> Future[Outcome]:
    """The job in a worker; a pool that is broken already breaks the job.

    Workers that start here inherit the mask, so that Ctrl-C, which goes to all, never meets one before `_prepare`.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(attempt, job)  # type: ignore[no-any-return]
    except BrokenExecutor as e:
        broken: Future[Outcome] = Future()
        broken.set_exception(e)
        return broken
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _start(workers: int, threads: int) -> Any:
    from multiprocessing import resource_tracker

    from joblib.externals.loky import ProcessPoolExecutor

    resource_tracker.ensure_running()  # unblocks signals when it starts: before `_submit` blocks them, not after
    return ProcessPoolExecutor(max_workers=workers, initializer=_prepare, initargs=(threads, os.getpid()))


def _prepare(threads: int, parent: int) -> None:
    """Give a worker its threads, leave Ctrl-C to the process that started it, and never outlive that."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ[_THREADS] = str(threads)  # for torch, which is imported later if at all
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    threadpool_limits(threads)


def _end_with(parent: int) -> None:
    """End this process soon after its parent has: a killed run leaves no workers behind."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
