"""The local engine: tasks in this process, or over worker processes that may die without taking the run along."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, NamedTuple

from outcross.core.errors import LearnerError

RETRIES = 3  # how often a task is tried before its chain counts as failed


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

    with threadpool_limits(threads):
        while (job := pull()) is not None:
            yield attempt(job)


def attempt(job: Job) -> Outcome:
    """Carry out a job; whatever it raises becomes its outcome."""
    try:
        return Outcome(job.task, job.work(job.task))
    except Exception as e:  # a user's learner may raise anything: that chain failed, the others go on
        return Outcome(job.task, error=e)


def run_over(pull: Pull, workers: int, threads: int) -> Iterator[Outcome]:
    """Carry out jobs over worker processes. A worker's death costs only time: its jobs are done again."""
    pool = _start(workers, threads)
    flying: dict[Future[Outcome], tuple[Job, int]] = {}
    try:
        while True:
            while len(flying) < 2 * workers and (job := pull()) is not None:
                flying[pool.submit(attempt, job)] = (job, 1)
            if not flying:
                return
            done, _ = wait(flying, timeout=0.2, return_when=FIRST_COMPLETED)
            whole = [f for f in done if f.exception() is None]
            for future in whole:
                del flying[future]
                yield future.result()
            if len(whole) < len(done):  # a worker died, and with it the pool: everything in flight goes again
                lost = list(flying.values())
                flying.clear()
                pool.shutdown(wait=False, kill_workers=True)
                pool = _start(workers, threads)
                for job, tries in lost:
                    if tries < RETRIES:
                        flying[pool.submit(attempt, job)] = (job, tries + 1)
                    else:
                        yield Outcome(job.task, error=LearnerError(f"its worker died {tries} times: out of memory?"))
    finally:
        pool.shutdown(wait=False, kill_workers=True)


def _start(workers: int, threads: int) -> Any:
    from joblib.externals.loky import ProcessPoolExecutor

    return ProcessPoolExecutor(max_workers=workers, initializer=_prepare, initargs=(threads,))


def _prepare(threads: int) -> None:
    """Give a worker its threads, and leave Ctrl-C to the process that started it."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(threads)
