"""Every test runs on one thread, so that last bits and timings do not depend on how many cores there are."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Shell

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"


# what the package keeps in the user's cache is made anew: a test must not live on what an earlier run left there
_home = tempfile.mkdtemp(prefix="outcross-cache-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))  # but not the list of fonts
os.environ["XDG_CACHE_HOME"] = _home


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    """`shell("run", "gmm")`: the command line inside this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys, tmp_path)
