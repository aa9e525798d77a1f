"""Progress on standard error: a live display in a terminal, lines with --verbose, nothing when piped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from outcross.runs.runner import Status, Watcher

_SPARKS = "▁▂▃▄▅▆▇█"


def console(stderr: bool = True) -> Console:
    """A console that keeps its hands off when the output is not a terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


@contextmanager
def watcher(quiet: bool, verbose: bool) -> Iterator[Watcher]:
    """The watcher that fits where standard error goes."""
    from outcross.runs.runner import Silent

    if quiet:
        yield Silent()
    elif verbose or not sys.stderr.isatty():
        yield Lines(every=2.0 if verbose else None)
    else:
        with Live() as live:
            yield live


class Lines:
    """Progress as lines, at most one in `every` seconds; None prints the messages alone."""

    def __init__(self, every: float | None) -> None:
        self.every, self.last = every, 0.0

    def say(self, text: str) -> None:
        """Print a message."""
        print(text, file=sys.stderr, flush=True)

    def update(self, status: Status) -> None:
        """Print how far it is, now and then."""
        if self.every is not None and status.seconds - self.last >= self.every:
            self.last = status.seconds
            share = 100.0 * status.done / max(1, status.total)
            print(
                f"{share:5.1f} %  {status.chains_done}/{status.chains} chains  {status.seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )


_DISTANCES = ("w2_gaussian", "total_variation")  # from the truth, of numbers and of categories


class Live:
    """A bar with generations, chains, time left, and the distance of the finished chains as a sparkline."""

    def __enter__(self) -> Live:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.values: list[float] = []
        self.progress: Any = Progress(
            TextColumn("{task.percentage:3.0f} %"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[chains]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[spark]}"),
            console=console(),
            transient=True,
        )
        self.task = self.progress.add_task("", total=None, chains="", spark="")
        self.progress.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        self.progress.__exit__(*problem)

    def say(self, text: str) -> None:
        """Print a message above the bar."""
        self.progress.console.print(text, markup=False)

    def update(self, status: Status) -> None:
        """Move the bar."""
        if status.latest is not None:
            for readings in status.latest.readings.values():
                self.values += [readings[name].value for name in _DISTANCES if name in readings]
        self.progress.update(
            self.task,
            total=status.total,
            completed=status.done,
            chains=f"{status.chains_done}/{status.chains} chains",
            spark=f"distance {sparkline(self.values[-24:])}" if self.values else "",
        )


def sparkline(values: list[float]) -> str:
    """Numbers as a line of block characters."""
    finite = [v for v in values if v == v and abs(v) != float("inf")]
    if not finite:
        return ""
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join(_SPARKS[int((v - low) / span * (len(_SPARKS) - 1))] for v in finite)
