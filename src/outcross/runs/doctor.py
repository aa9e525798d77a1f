"""Doctor: what a machine must have for a run to succeed, tried out for real."""

from __future__ import annotations

import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from outcross.runs.disk import Lock, write_atomically
from outcross.runs.engines.local import available_cores
from outcross.runs.surroundings import REQUIRED, environment

_LEAST_DISK = 64 << 20


class Finding(NamedTuple):
    """One thing looked at."""

    what: str
    ok: bool
    found: str


def examine(out: Path) -> list[Finding]:
    """Look at everything; a check that raises is a finding too."""
    checks: dict[str, Callable[[], tuple[bool, str]]] = {
        "python": lambda: ((3, 11) <= sys.version_info < (3, 14), platform.python_version()),
        "packages": _packages,
        "cores": lambda: (True, str(available_cores())),
        "compiler": _compiler,
        "database": lambda: (True, f"SQLite {sqlite3.sqlite_version}, rollback journal"),
        "disk": lambda: _disk(out),
        "durable writes and locks": lambda: _writes(out),
    }
    return [_tried(what, check) for what, check in checks.items()]


def _tried(what: str, check: Callable[[], tuple[bool, str]]) -> Finding:
    try:
        return Finding(what, *check())
    except Exception as e:  # the doctor reports whatever it meets
        return Finding(what, False, f"{type(e).__name__}: {e}")


def _packages() -> tuple[bool, str]:
    versions = environment()["packages"]
    whole = all(versions[name] != "not installed" for name in REQUIRED)
    return whole, ", ".join(f"{k} {v}" for k, v in versions.items())


def _compiler() -> tuple[bool, str]:
    began = time.perf_counter()
    from outcross.core.corpus import Corpus
    from outcross.core.rng import Purpose, Streams
    from outcross.families.gmm import Learner

    stream = Streams.of(0, 0).stream(0, Purpose.SOURCE)
    Learner().fit(Corpus.of(stream.generator().standard_normal((50, 2))), stream)
    return True, f"the mixture kernel ran, {time.perf_counter() - began:.1f} s with compilation"


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.absolute().parent)


def _disk(out: Path) -> tuple[bool, str]:
    place = _existing(out)
    free = shutil.disk_usage(place).free
    return free >= _LEAST_DISK, f"{free / 2**30:.1f} GiB free at {place}"


def _writes(out: Path) -> tuple[bool, str]:
    with tempfile.TemporaryDirectory(dir=_existing(out), prefix=".outcross-doctor-") as folder:
        began = time.perf_counter()
        write_atomically(Path(folder, "file"), b"x" * 4096)
        Lock(Path(folder)).release()
        return True, f"{1000 * (time.perf_counter() - began):.1f} ms"
