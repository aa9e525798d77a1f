"""Interruptions: what was acknowledged stays, the same command goes on, and the numbers are those of one go."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from harness import OPTIONS, facts, outcome

from commands import Said, argv, is_one_line, outcross
from outcross.runs import runner, upkeep
from outcross.runs.spec import load

# a few seconds of work: time enough to be interrupted
LONG = ["chains=8", "generations=24000", "samples=200", "floor=2", "measures=[moments]", "snapshots.chains=0"]
_HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The long run in one go, in this process."""
    return runner.run(load("gmm", LONG), tmp_path_factory.mktemp("whole"), OPTIONS)


def _started(folder: Path, *words: str, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv("run", *words, "-o", "runs", "--no-report", "-q"),
        cwd=folder,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )


def _under_way(process: subprocess.Popen[bytes], directory: Path, least: int = 1) -> None:
    while process.poll() is None and facts(directory).generations < least:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()


def _ended(process: subprocess.Popen[bytes]) -> tuple[Said, float]:
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    return Said(process.returncode, out.decode(), err.decode()), time.monotonic() - began


def _children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_worker(pid: int) -> bool:
    try:
        return b"popen_loky" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _workers(pid: int) -> list[int]:
    """Worker processes of a run, which run Python in the manner of loky."""
    return [c for c in _children(pid) if _is_worker(c)]


def _awaited_workers(process: subprocess.Popen[bytes], least: int = 1) -> list[int]:
    """Its workers, once there are so many: a pool that lost one is replaced as a whole."""
    while process.poll() is None and len(found := _workers(process.pid)) < least:
        time.sleep(0.005)
    assert process.poll() is None, process.communicate()
    return found


def _lives(pid: int) -> bool:
    """Whether a process runs: one that has ended, but waits for an adopter to collect it, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("number", "code", "workers"), [(signal.SIGINT, 130, 1), (signal.SIGTERM, 143, 2), (signal.SIGHUP, 129, 1)]
)
def test_an_interrupted_run_ends_in_time_and_resumes_to_the_same_bits(
    number: int, code: int, workers: int, whole: Path, tmp_path: Path
) -> None:
    process = _started(tmp_path, "gmm", *LONG, "--workers", str(workers))
    directory = tmp_path / "runs" / whole.name
    _under_way(process, directory)
    before = facts(directory)
    process.send_signal(number)
    said, seconds = _ended(process)
    assert (said.code, seconds < 10.0) == (code, True), said
    assert is_one_line(said)
    assert "same command" in said.err
    assert upkeep.check(directory) == ([], [])
    assert before.within(facts(directory))
    again = outcross("run", "gmm", *LONG, "--workers", str(workers), "--no-report", "-q", cwd=tmp_path)
    assert again.code == 0, again
    assert outcome(directory) == outcome(whole)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_before_the_first_job_does_not_leave_a_run_called_finished(workers: int, tmp_path: Path) -> None:
    class Impatient(runner.Silent):
        def say(self, text: str) -> None:
            if "generations on" in text:
                os.kill(os.getpid(), signal.SIGINT)

    settings = ["chains=2", "generations=5", "floor=0", "measures=[moments]"]
    with pytest.raises(runner.Interrupted):
        runner.run(load("gmm", settings), tmp_path, replace(OPTIONS, workers=workers), Impatient())
    assert [r.state for r in upkeep.listing(tmp_path)] != ["finished"]


def test_ctrl_c_while_workers_start_is_one_line(tmp_path: Path) -> None:
    process = subprocess.Popen(
        argv("run", "gmm", *LONG, "--workers", "2", "-o", "runs", "--no-report", "-q"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _awaited_workers(process)
    time.sleep(0.1)  # they import
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all
    said, _ = _ended(process)
    assert said.code == 130, said
    assert is_one_line(said)


def test_a_signal_does_not_wait_for_a_fit_that_takes_long_and_a_second_one_acts_at_once(tmp_path: Path) -> None:
    slow = [
        "learner={kind: 'learners:Slow', seconds: 60.0}",
        "source.kind=normal",
        "chains=2",
        "generations=2",
        "floor=0",
        "arms={a: {policy: {kind: replace}}}",
    ]
    once, twice = (
        _started(tmp_path, "gmm", f"seed={seed}", *slow, "--workers", "1", PYTHONPATH=_HERE) for seed in (0, 1)
    )
    time.sleep(5.0)
    once.send_signal(signal.SIGTERM)
    twice.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert twice.poll() is None
    twice.send_signal(signal.SIGTERM)
    said, seconds = _ended(twice)
    assert (said.code, seconds < 2.0) == (143, True), said
    said, seconds = _ended(once)
    assert (said.code, seconds < 10.0) == (143, True), said


def test_the_death_of_workers_leaves_no_trace_in_the_result(whole: Path, tmp_path: Path) -> None:
    process = _started(tmp_path, "gmm", *LONG, "--workers", "2")
    directory = tmp_path / "runs" / whole.name
    for share in (0.0, 0.4):
        _under_way(process, directory, 1 + int(share * 2 * 8 * 24000))
        os.kill(_awaited_workers(process)[0], signal.SIGKILL)
    said, _ = _ended(process)
    assert said.code == 0, said
    assert outcome(directory) == outcome(whole)


def test_a_killed_run_leaves_neither_lock_nor_workers_behind(whole: Path, tmp_path: Path) -> None:
    process = _started(tmp_path, "gmm", *LONG, "--workers", "2")
    directory = tmp_path / "runs" / whole.name
    _under_way(process, directory)
    workers = _awaited_workers(process, 2)
    process.kill()
    process.wait()
    before = facts(directory)
    runner.run(load("gmm", LONG), tmp_path / "runs", OPTIONS)
    assert before.within(facts(directory))
    assert outcome(directory) == outcome(whole)
    process.communicate(timeout=5)  # nobody holds its output any more
    deadline = time.monotonic() + 5.0
    while any(map(_lives, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_lives, workers))


@pytest.mark.parametrize(("workers", "hashes"), [(1, "random"), (2, "1")])
def test_neither_workers_nor_hash_seeds_change_a_bit(workers: int, hashes: str, whole: Path, tmp_path: Path) -> None:
    env = {"PYTHONHASHSEED": hashes}
    said = outcross("run", "gmm", *LONG, "--workers", workers, "--no-report", "-q", cwd=tmp_path, env=env)
    assert said.code == 0, said
    assert outcome(tmp_path / "runs" / whole.name) == outcome(whole)
