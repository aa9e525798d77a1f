"""Damage of every kind is found, named, and never built upon."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import OPTIONS

from commands import SMALL, Said, Shell, is_one_line, outcross
from outcross.runs import runner, upkeep
from outcross.runs.spec import load

SETTINGS = (*SMALL, "keep=all", "measures=[moments]")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runner.run(load("gmm", SETTINGS), tmp_path_factory.mktemp("finished"), OPTIONS)


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "runs" / finished.name))


def _content(directory: Path) -> dict[str, str]:
    """Every file but the lock, by digest."""
    files = [p for p in directory.rglob("*") if p.is_file() and p.name != "LOCK"]
    return {str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _refused(shell: Shell, directory: Path, named: str) -> None:
    """Fsck, running and extending end with code 3 and change nothing."""
    before = _content(directory)
    found = shell("fsck", directory)
    assert found.code == 3, found
    assert named in found.out
    for more in ((), ("generations=8",), ("measures=default",)):
        said = shell("run", "gmm", *SETTINGS, *more, "--workers", "1", "--no-report", "-q")
        assert (said.code, is_one_line(said)) == (3, True), said
        assert "restore it from a copy" in said.err
    assert _content(directory) == before


def _blob(directory: Path) -> Path:
    return next(p for p in (directory / "blobs").rglob("*") if p.is_file())


def _alter(directory: Path, query: str) -> None:
    db = sqlite3.connect(directory / "run.db")
    assert db.execute(query).rowcount > 0
    db.commit()
    db.close()


_FIRST = "WHERE rowid = 1"
ROWS = {
    "metrics-deleted": "DELETE FROM metrics WHERE generation = 3 AND chain = 2",
    "metrics-changed": "UPDATE metrics SET value = value + 1e-12 WHERE generation = 3 AND chain = 2",
    "metrics-of-another-type": "UPDATE metrics SET value = 'x' WHERE generation = 3 AND chain = 2",
    "metrics-reason": "UPDATE metrics SET why = 'x' WHERE generation = 3 AND chain = 2",
    "metrics-invented": "INSERT INTO metrics VALUES (0, 77, 0, 'x', 0, 0, 0, '')",
    "records-deleted": "DELETE FROM records WHERE generation = 3 AND chain = 2",
    "chains-deleted": "DELETE FROM chains WHERE cell = 1 AND chain = 2",
    "chains-generation": "UPDATE chains SET generation = 5 WHERE cell = 1 AND chain = 2",
    "chains-status": "UPDATE chains SET status = 'degenerate' WHERE cell = 1 AND chain = 2",
    "chains-reason": "UPDATE chains SET reason = 'x' WHERE cell = 1 AND chain = 2",
    "arrays-deleted": "DELETE FROM arrays WHERE generation = 3 AND chain = 2",
    "arrays-entry": "UPDATE arrays SET entry = entry || 'x' WHERE generation = 3 AND chain = 2",
    "arrays-blob": "UPDATE arrays SET blob = 'ab' WHERE generation = 3 AND chain = 2",
    "floor-deleted": "DELETE FROM floor WHERE replicate = 1",
    "floor-changed": "UPDATE floor SET value = value * 1.0001 WHERE replicate = 1",
    "floor-seal": "DELETE FROM meta WHERE key = 'floor_seal'",
    "blobs-deleted": "DELETE FROM blobs",
    "experiment-deleted": "DELETE FROM meta WHERE key = 'experiment'",
    "experiment-changed": "UPDATE meta SET value = '{' WHERE key = 'experiment'",
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_lost_or_changed_is_found(name: str, copy: Path, shell: Shell) -> None:
    _alter(copy, ROWS[name])
    _refused(shell, copy, "run.db" if name != "arrays-blob" else "missing")


@pytest.mark.parametrize("where", [0.0, 0.1, 0.3, 0.5, 0.7, 0.999])
def test_a_bit_flipped_in_a_blob_is_found(where: float, copy: Path, shell: Shell) -> None:
    blob = _blob(copy)
    content = bytearray(blob.read_bytes())
    content[int(where * len(content))] ^= 1 << random.Random(where).randrange(8)
    blob.write_bytes(content)
    _refused(shell, copy, blob.name)


@pytest.mark.parametrize("keep", [0, 7, 500])
def test_a_blob_cut_short_is_found(keep: int, copy: Path, shell: Shell) -> None:
    blob = _blob(copy)
    os.truncate(blob, keep)
    _refused(shell, copy, blob.name)


def test_a_blob_that_is_gone_is_found(copy: Path, shell: Shell) -> None:
    blob = _blob(copy)
    blob.unlink()
    _refused(shell, copy, blob.name)


@pytest.mark.parametrize("content", [b"", b"rubbish" * 1000, None], ids=["empty", "rubbish", "truncated"])
def test_a_broken_database_is_found(content: bytes | None, copy: Path, shell: Shell) -> None:
    db = copy / "run.db"
    db.write_bytes(db.read_bytes()[:6000] if content is None else content)
    before = _content(copy)
    for said in (
        shell("run", "gmm", *SETTINGS, "--workers", "1", "--no-report", "-q"),
        shell("show", copy),
        shell("gc", copy),
        shell("export", copy, "numbers.csv"),
    ):
        assert (said.code, is_one_line(said)) == (3, True), said
        assert "run.db" in said.err
    found = shell("fsck", copy)
    assert (found.code, "run.db" in found.out) == (3, True)
    assert "unreadable" in shell("ls").out
    assert _content(copy) == before


def test_any_page_of_the_database_overwritten_is_found(copy: Path, shell: Shell) -> None:
    whole = (copy / "run.db").read_bytes()
    for page in range(0, len(whole), 4096):
        (copy / "run.db").write_bytes(whole[:page] + bytes(random.Random(page).randbytes(4096)) + whole[page + 4096 :])
        said = shell("fsck", copy)
        assert said.code == 3, (page, said)
    (copy / "run.db").write_bytes(whole)
    assert shell("fsck", copy).code == 0


def test_a_store_of_a_newer_version_is_refused(copy: Path, shell: Shell) -> None:
    _alter(copy, "UPDATE meta SET value = '99' WHERE key = 'format'")
    for verb in (("run", "gmm", *SETTINGS, "--no-report", "-q"), ("show", copy)):
        said = shell(*verb)
        assert (said.code, is_one_line(said)) == (3, True), said
        assert "format 99" in said.err


def test_a_whole_store_raises_no_alarm_and_is_not_touched_by_looking(copy: Path, shell: Shell) -> None:
    before = _content(copy)
    for words in (("fsck",), ("ls",), ("show", copy), ("fsck", copy, "--json"), ("gc",), ("compare", copy)):
        said = shell(*words)
        assert said.code == 0, said
    assert _content(copy) == before


def test_leftovers_of_a_kill_are_named_and_collected(copy: Path, shell: Shell) -> None:
    (copy / "blobs" / "00").mkdir(exist_ok=True)
    stray = copy / "blobs" / "00" / ("0" * 64)
    stray.write_bytes(b"x")
    (copy / ".experiment.yaml.123.tmp").write_bytes(b"x")
    said = shell("fsck", copy)
    assert said.code == 0
    assert said.out.count("left over") == 2
    assert shell("gc", copy).code == 0
    assert upkeep.check(copy) == ([], [])


def _held(directory: Path) -> Callable[[], None]:
    """Hold the lock of a run in this process; returns how to let go."""
    from outcross.runs.disk import Lock

    directory.mkdir(parents=True, exist_ok=True)
    lock = Lock(directory)
    return lock.release


def test_a_second_process_on_a_run_is_refused_at_once_and_told_who_holds_it(
    copy: Path, shell: Shell, tmp_path: Path
) -> None:
    release = _held(copy)
    said = outcross("run", "gmm", *SETTINGS, "--workers", 1, "--no-report", "-q", cwd=tmp_path)
    assert (said.code, is_one_line(said)) == (4, True), said
    assert f"process {os.getpid()} on " in said.err
    for verb in (("run", "gmm", *SETTINGS, "--no-report", "-q"), ("gc", copy), ("rm", "-y", copy)):
        began = time.monotonic()
        assert shell(*verb).code == 4
        assert time.monotonic() - began < 1.0
    assert shell("fsck", copy).code == 0
    release()
    assert shell("gc", copy).code == 0


def test_rubbish_in_the_lock_file_is_not_fatal(copy: Path, shell: Shell) -> None:
    (copy / "LOCK").write_bytes(b"\x00\xff\x1b[2J\n\n" * 100)
    assert shell("run", "gmm", *SETTINGS, "--workers", "1", "--no-report", "-q").code == 0


def _unwritable(said: Said, path: str) -> None:
    assert (said.code, is_one_line(said)) == (5, True), said
    assert path in said.err
    assert "choose another place" in said.err


@pytest.mark.parametrize("place", ["/proc/outcross", "file", "file/inside"])
def test_a_place_that_cannot_be_written_is_a_resource_error(place: str, shell: Shell) -> None:
    (shell.folder / "file").write_text("x")
    _unwritable(shell("run", "gmm", *SETTINGS, "--no-report", "-q", "-o", place), place)
    assert (shell.folder / "file").read_text() == "x"


def test_a_file_size_limit_ends_the_run_cleanly_and_it_resumes(finished: Path, tmp_path: Path) -> None:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    command = ("run", "gmm", *SETTINGS, "--workers", "1", "--no-report", "-q")
    said = outcross(*command, cwd=tmp_path, preexec_fn=limit, env={"PYTHONDONTWRITEBYTECODE": "1"})
    _full(said, tmp_path, command, finished)


def test_a_full_disk_ends_the_run_cleanly_and_it_resumes(finished: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=128k none {disk} 2>/dev/null"):
        pytest.skip("a small disk needs root and the right to mount; the file size limit is tested all the same")
    try:
        command = ("run", "gmm", *SETTINGS, "--workers", "1", "--no-report", "-q")
        said = outcross(*command, cwd=disk)
        assert os.system(f"mount -o remount,size=64m {disk}") == 0
        _full(said, disk, command, finished)
    finally:
        os.system(f"umount -l {disk}")


def _full(said: Said, folder: Path, command: tuple[str, ...], finished: Path) -> None:
    from harness import facts, outcome

    assert (said.code, is_one_line(said)) == (5, True), said
    assert "free some" in said.err or "choose another place" in said.err
    directory = folder / "runs" / finished.name
    if (directory / "run.db").exists():
        assert upkeep.check(directory).damage == []
        assert facts(directory).within(facts(finished))
    assert outcross(*command, cwd=folder).code == 0
    assert outcome(directory) == outcome(finished)
