"""The wheel, installed into an empty folder, is whole: it runs, experiments and templates inside."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the builder is not installed; `make setup` does it")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if ".dist-info/" not in n}
    source = ROOT / "src"
    files = [p for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts and p.name[0] != "."]
    wanted = {p.relative_to(source).as_posix() for p in files}
    assert names == wanted
    assert "outcross/experiments/gmm.yaml" in names
    assert any(n.startswith("outcross/report/templates/") for n in names)


def test_the_installed_wheel_runs_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    target, work = tmp_path / "target", tmp_path / "work"
    work.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, "--root-user-action=ignore", "--target", str(target), str(wheel)], check=True)
    # the dependencies come from this environment; the package itself must come from the wheel
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(target), sysconfig.get_path("purelib")]),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    python = [sys.executable, "-S", "-m", "outcross"]
    where = subprocess.run(
        [sys.executable, "-S", "-c", "import outcross; print(outcross.__file__)"],
        env=env, cwd=work, capture_output=True, check=True,
    )  # fmt: skip
    assert where.stdout.decode().startswith(str(target))
    done = subprocess.run(
        [*python, "run", "gmm", "chains=2", "generations=20"], env=env, cwd=work, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert [p.name for p in work.iterdir()] == ["runs"]
    (directory,) = (work / "runs").iterdir()
    assert (directory / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
