"""A failure at each system call that writes, and a kill around each: the old state or the new, never a third."""

from __future__ import annotations

import builtins
import errno
import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import NOTHING, exit_code, experiment, facts, fork, outcome

from outcross.core.errors import ResourceError
from outcross.runs import disk, runner, upkeep

_SETTINGS = ("source.kind=normal", "learner.kind=gaussian", "samples=20", "measures=[moments]", "chains=1")
_ARM = "arms={a: {policy: {kind: accumulate}}}"
WANTED = experiment("calls", *_SETTINGS, _ARM, "keep=all", "record=[0,2,4]", "floor=1", "generations=4")
SHORT = WANTED.model_copy(update={"generations": 2})
OPTIONS = runner.Options(workers=1, commit_seconds=0.0, slice_seconds=60.0)  # the same calls every time


class Calls:
    """Counts the calls that write, and does something at the k-th of them."""

    def __init__(self, act: Callable[[bool], None], at: int, database_alone: bool = False) -> None:
        self.act, self.at, self.count, self.database_alone = act, at, 0, database_alone

    def through(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            if self.count == self.at:
                self.act(True)
            result = call(*arguments, **named)
            if self.count == self.at:
                self.act(False)
            return result

        return counted

    def install(self, patch: pytest.MonkeyPatch) -> None:
        calls = self

        class Connection(sqlite3.Connection):
            def execute(self, query: str, *rest: Any) -> Any:
                writes = query.startswith(("BEGIN", "COMMIT", "INSERT", "DELETE", "UPDATE"))
                run = super().execute
                return (calls.through(run) if writes else run)(query, *rest)

            def executemany(self, *rest: Any) -> Any:
                return calls.through(super().executemany)(*rest)

        connect = sqlite3.connect
        patch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Connection, **k))
        if self.database_alone:
            return
        for name in ("fsync", "replace", "pwrite", "ftruncate"):
            patch.setattr(disk.os, name, self.through(getattr(os, name)))
        patch.setattr(disk, "open", self.through(builtins.open), raising=False)
        patch.setattr(Path, "mkdir", self.through(Path.mkdir))


def _run(folder: Path, act: Callable[[bool], None], at: int, database_alone: bool = False) -> int:
    """A run, then its extension, in which something happens at the k-th call; how many calls there were."""
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(act, at, database_alone)
        calls.install(patch)
        for wanted in (SHORT, WANTED):
            runner.run(wanted, folder, OPTIONS)
        return calls.count


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder, in memory where there is one: syncing then costs nothing."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="outcross-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runner.run(WANTED, tmp_path_factory.mktemp("whole"), OPTIONS)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    count = _run(tmp_path_factory.mktemp("counted"), lambda before: None, 0)
    assert count > 80
    return count


def _sound(directory: Path, whole: Path) -> None:
    """What is there is right, and the same command ends as if nothing had happened."""
    if (directory / "run.db").exists():
        assert upkeep.check(directory).damage == []
        seen = facts(directory)
        assert seen == NOTHING or seen.within(facts(whole))
    runner.run(WANTED, directory.parent, OPTIONS)
    assert outcome(directory) == outcome(whole)
    assert (directory / "experiment.yaml").read_text() == (whole / "experiment.yaml").read_text()
    shutil.rmtree(directory)


def _error_everywhere(
    raised: Callable[[int], Exception], calls: int, whole: Path, folder: Path, database_alone: bool = False
) -> None:
    """Every odd call meets a broken disk, every even one a full one."""
    for at in range(1, calls + 1):

        def fail(before: bool, at: int = at) -> None:
            if before:
                raise raised(at)

        with pytest.raises(ResourceError) as caught:
            _run(folder, fail, at, database_alone)
        message = str(caught.value)
        assert message.isprintable()
        assert str(folder) in message
        assert ("choose another place" if at % 2 else "free some") in message
        _sound(folder / whole.name, whole)


def _os_error(at: int) -> Exception:
    number = errno.EIO if at % 2 else errno.ENOSPC
    return OSError(number, os.strerror(number))


def _database_error(at: int) -> Exception:
    error = sqlite3.OperationalError("disk I/O error" if at % 2 else "database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC if at % 2 else sqlite3.SQLITE_FULL
    return error


def test_an_error_of_any_write_ends_the_run_with_one_line_and_loses_nothing(
    whole: Path, calls: int, folder: Path
) -> None:
    _error_everywhere(_os_error, calls, whole, folder)


def test_an_error_of_the_database_ends_the_run_with_one_line_and_loses_nothing(
    whole: Path, folder: Path, tmp_path: Path
) -> None:
    calls = _run(tmp_path, lambda before: None, 0, database_alone=True)
    _error_everywhere(_database_error, calls, whole, folder, database_alone=True)


def _kill_everywhere(places: list[tuple[int, bool]], whole: Path, folder: Path) -> None:
    for at, when in places:

        def kill(before: bool, when: bool = when) -> None:
            if before == when:
                os.kill(os.getpid(), signal.SIGKILL)

        assert exit_code(fork(_run, folder, kill, at)) == -signal.SIGKILL
        directory = folder / whole.name
        _sound(directory, whole)
    print(f"{len(places)} kills")


def test_a_kill_between_any_two_writes_loses_nothing(whole: Path, calls: int, folder: Path) -> None:
    _kill_everywhere([(at, True) for at in range(1, calls + 1)], whole, folder)


@pytest.mark.slow
def test_a_kill_after_any_write_loses_nothing(whole: Path, calls: int, folder: Path) -> None:
    _kill_everywhere([(at, False) for at in range(1, calls + 1)], whole, folder)


def test_a_transaction_cut_in_its_midst_is_undone_by_whoever_reads_next(whole: Path, folder: Path) -> None:
    def spill(directory: Path) -> None:
        db = sqlite3.connect(directory / "run.db", isolation_level=None)
        db.execute("PRAGMA cache_size = 1")  # pages of the open transaction reach the file
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE metrics SET value = 0.0")
        db.executemany("INSERT INTO events (seconds, kind, text) VALUES (0, 'x', ?)", [("y" * 4000,)] * 100)
        os.kill(os.getpid(), signal.SIGKILL)

    directory = Path(shutil.copytree(whole, folder / whole.name))
    assert exit_code(fork(spill, directory)) == -signal.SIGKILL
    assert (directory / "run.db-journal").stat().st_size > 0
    assert facts(directory) == facts(whole)
    assert upkeep.check(directory) == ([], [])
    assert not (directory / "run.db-journal").exists()
