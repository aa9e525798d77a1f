"""Real runs in forked, warm processes, watched and killed from outside."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

from outcross.core.errors import InputError, OutcrossError
from outcross.runs import runner, upkeep
from outcross.runs.spec import Experiment, load
from outcross.runs.store import Reader

# one process, commits and slices as short as can be: a kill can fall between any two of them
OPTIONS = runner.Options(workers=1, commit_seconds=0.0, slice_seconds=0.005)


def experiment(name: str, *overrides: str, shipped: str = "gmm") -> Experiment:
    """A shipped experiment with small settings laid over it."""
    return load(shipped, [f"name={name}", "floor=2", "snapshots.chains=1", "snapshots.at=[0]", *overrides])


class Facts(NamedTuple):
    """What a store acknowledges."""

    chains: dict[tuple[int, int], int]
    rows: frozenset[tuple[object, ...]]

    @property
    def generations(self) -> int:
        return sum(max(0, g) for g in self.chains.values())

    def within(self, later: Facts) -> bool:
        """Whether nothing of this is lost or changed in a later state."""
        return self.rows <= later.rows and all(later.chains.get(k, -1) >= g for k, g in self.chains.items())


NOTHING = Facts({}, frozenset())


def facts(directory: Path) -> Facts:
    """Everything acknowledged now; nothing while the store is being made."""
    try:
        reader = Reader(directory)
    except InputError:
        return NOTHING
    rows = [("metric", *r) for r in reader.rows("SELECT * FROM metrics")]
    rows += [("record", *r) for r in reader.rows("SELECT * FROM records")]
    rows += [("floor", *r) for r in reader.rows("SELECT * FROM floor")]
    # a kept state never goes; checkpoints and pools give way to later ones, and blobs are gathered at the end
    rows += [
        ("state", *r)
        for r in reader.rows(
            "SELECT cell, chain, generation, name, entry FROM arrays WHERE name LIKE 'state/%' OR name LIKE 'measure/%'"
        )
    ]
    found = Facts({k: g for k, (g, _, _) in reader.chains().items()}, frozenset(rows))
    reader.close()
    return found


def outcome(directory: Path) -> tuple[str, frozenset[str], frozenset[str]]:
    """Content digest, names of the blobs told of, and of the blob files, once leftovers are collected."""
    upkeep.collect(directory)
    reader = Reader(directory)
    told = frozenset(d for (d,) in reader.rows("SELECT digest FROM blobs"))
    files = frozenset(p.name for p in (directory / "blobs").rglob("*") if p.is_file())
    digest = reader.content_digest()
    reader.close()
    return digest, told, files


def fork(work: object, *arguments: object) -> int:
    """Call work in a forked child, which never returns here; its process id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads; those here hold no lock
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        work(*arguments)  # type: ignore[operator]
        code = 0
    except OutcrossError as e:
        print(e, file=sys.stderr)
        code = e.exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    """Wait for a child: its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_when(pid: int, directory: Path, least: int, delay: float, timeout: float = 60.0) -> Facts:
    """Kill -9 a run once that many generations are acknowledged, and a little later; what was acknowledged before."""
    deadline = time.monotonic() + timeout
    seen = NOTHING
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return seen  # it came to its end first
        seen = facts(directory)
        if seen.generations >= least:
            break
        time.sleep(0.001)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return seen


def campaign(wanted: Experiment, folder: Path, kills: int, seed: int, per_run: int = 4) -> str:
    """Kill a run at random moments, resume it, and so on; every promise is checked after every kill."""
    chance = random.Random(seed)
    whole = runner.run(wanted, folder / "whole", OPTIONS)
    expected, total = outcome(whole), wanted.generations * wanted.chains * len(wanted.settled)
    assert facts(whole).generations == total
    done = late = 0
    while done < kills:
        root = folder / "killed"
        directory = root / whole.name
        before = NOTHING
        for share in sorted(chance.uniform(0.0, 0.95) for _ in range(min(per_run, kills - done))):
            least = max(1, int(share * total))
            if before.generations >= least:
                continue
            pid = fork(runner.run, wanted, root, OPTIONS)
            seen = kill_when(pid, directory, least, chance.uniform(0.0, 0.02))
            after = facts(directory)
            if not 0 < after.generations < total:
                late += 1
                break
            done += 1
            assert upkeep.check(directory).damage == []
            assert before.within(seen)
            assert seen.within(after)
            before = after
        runner.run(wanted, root, OPTIONS)
        assert upkeep.check(directory).damage == []
        assert before.within(facts(directory))
        assert outcome(directory) == expected
        shutil.rmtree(root)
    return f"{wanted.name}: {done} kills with part of the run acknowledged, {late} came after the end"
