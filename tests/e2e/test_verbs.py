"""Every verb of the real command line, as a user types it, in an empty folder."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from commands import SMALL, argv, outcross
from outcross import __version__

VERBS = {
    "run",
    "ls",
    "show",
    "report",
    "compare",
    "decompose",
    "tails",
    "fsck",
    "rm",
    "gc",
    "export",
    "schema",
    "plugins",
    "doctor",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verbs")


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, object]:
    """What `run --json` printed last, of a small run with its report."""
    said = outcross("run", "gmm", *SMALL, "--json", cwd=folder)
    assert (said.code, said.err) == (0, "")
    return said.json  # type: ignore[no-any-return]


def test_help_and_version_are_quick_and_name_every_verb(tmp_path: Path) -> None:
    said = outcross("--version", cwd=tmp_path)
    assert said == (0, f"outcross {__version__}\n", "")
    said = outcross("--help", cwd=tmp_path, env={"COLUMNS": "200"})
    assert (said.code, said.err) == (0, "")
    assert all(f" {verb} " in said.out for verb in VERBS)
    loaded = "import sys; from outcross.cli.app import app; print({'numpy', 'scipy', 'numba'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True)
    assert done.stdout == b"set()\n"


def test_run_prints_one_json_object_with_what_is_promised(told: dict[str, object], folder: Path) -> None:
    assert set(told) == {"run", "digest", "status", "chains", "generations", "verdict", "report", "seconds"}
    assert told["status"] == "done"
    assert told["chains"] == {"done": 8, "degenerate": 0, "failed": 0}
    assert told["generations"] == 6
    assert [v["cell"] for v in told["verdict"]] == [{"arm": "replace"}, {"arm": "mix10"}]  # type: ignore[attr-defined]
    for v in told["verdict"]:  # type: ignore[attr-defined]
        assert set(v) == {"cell", "phase", "why"}
        assert v["phase"] in ("none", "early", "late", "inconclusive")
    assert str(told["run"]).endswith(str(told["digest"])[:10])
    assert {p.name for p in (folder / str(told["run"])).iterdir()} == {
        "LOCK", "blobs", "environment.json", "experiment.yaml", "report.html", "run.db",
    }  # fmt: skip


def test_the_same_command_again_recomputes_nothing(told: dict[str, object], folder: Path) -> None:
    again = outcross("run", "gmm", *SMALL, "--json", cwd=folder).json
    assert {k: v for k, v in again.items() if k != "seconds"} == {k: v for k, v in told.items() if k != "seconds"}
    said = outcross("run", str(told["run"]) + "/experiment.yaml", "--json", cwd=folder)
    assert said.json["run"] == told["run"], "the experiment that is kept runs as itself"


def test_ls_show_and_compare_say_what_was_found(told: dict[str, object], folder: Path) -> None:
    name = Path(str(told["run"])).name
    said = outcross("ls", cwd=folder)
    assert (said.code, said.err) == (0, "")
    assert name in said.out
    assert "finished" in said.out
    assert outcross("ls", "--json", cwd=folder).json[0]["run"] == told["run"]
    said = outcross("show", "gmm", cwd=folder)
    assert (said.code, said.err) == (0, "")
    assert "replace" in said.out
    assert "mix10" in said.out
    shown = outcross("show", name, "--json", cwd=folder).json
    assert shown["verdict"] == told["verdict"]
    assert shown["digest"] == told["digest"]
    wanted = {"cell", "generation", "measure", "unit", "value", "low", "high", "floor", "chains"}
    assert all(wanted <= set(m) for m in shown["measures"])
    said = outcross("compare", "gmm", cwd=folder)
    assert (said.code, said.err) == (0, "")
    assert "mix10" in said.out
    assert len(outcross("compare", "gmm", "--json", cwd=folder).json) > 0


def test_report_is_one_whole_page_and_can_be_written_anew(told: dict[str, object], folder: Path) -> None:
    page = folder / str(told["report"])
    first = page.read_text(encoding="utf-8")
    assert first.rstrip().endswith("</html>")
    page.unlink()
    said = outcross("report", "gmm", cwd=folder)
    assert (said.code, said.err) == (0, "")
    assert Path(said.out.strip()) == Path(str(told["report"]))
    assert page.read_text(encoding="utf-8") == first


def test_export_gives_the_same_rows_in_every_format(told: dict[str, object], folder: Path) -> None:
    for suffix in ("parquet", "csv", "json"):
        said = outcross("export", "gmm", f"numbers.{suffix}", cwd=folder)
        assert (said.code, said.err) == (0, "")
    table = pq.read_table(folder / "numbers.parquet").to_pylist()
    with open(folder / "numbers.csv", newline="") as f:
        lines = list(csv.DictReader(f))
    objects = json.loads((folder / "numbers.json").read_text())
    assert len(table) == len(lines) == len(objects) > 100
    for row, line, object_ in zip(table, lines, objects, strict=True):
        assert set(row) == set(line) == set(object_)
        if row["value"] is not None and row["value"] == row["value"]:
            assert row["value"] == float(line["value"]) == object_["value"]
        else:
            assert object_["value"] is None
            assert object_["why"]


def test_upkeep_and_removal(told: dict[str, object], folder: Path) -> None:
    for words in (("fsck",), ("gc",), ("fsck", "gmm", "--json")):
        said = outcross(*words, cwd=folder)
        assert (said.code, said.err) == (0, ""), said
    other = outcross("run", "gmm", *SMALL, "seed=1", "--no-report", "--json", cwd=folder).json
    assert outcross("rm", "gmm", "-y", cwd=folder).code == 2, "a name that fits two runs removes neither"
    said = outcross("rm", other["run"], "-y", cwd=folder)
    assert (said.code, said.err) == (0, "")
    assert not (folder / other["run"]).exists()
    assert (folder / str(told["run"])).exists()
    assert outcross("rm", str(told["run"]), cwd=folder).code != 0, "without a yes from anybody nothing goes"
    assert (folder / str(told["run"])).exists()


def test_about_verbs(tmp_path: Path) -> None:
    schema = json.loads(outcross("schema", cwd=tmp_path).out)
    assert {"source", "learner", "arms", "chains"} <= set(schema["properties"])
    known = outcross("plugins", "--json", cwd=tmp_path).json
    assert {"gmm", "gaussian", "kde", "command"} <= set(known["families"])
    assert {"replace", "mix", "accumulate"} <= set(known["policies"])
    assert "gmm" in known["experiments"]
    said = outcross("doctor", "--json", cwd=tmp_path)
    assert said.code == 0, said
    assert all(f["ok"] for f in said.json)
    assert os.listdir(tmp_path) == []


def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(tmp_path: Path) -> None:
    said = outcross("run", "gmm", *SMALL, "--dry-run", cwd=tmp_path)
    assert (said.code, said.err) == (0, "")
    assert "disk about" in said.out
    told = outcross("run", "gmm", *SMALL, "--dry-run", "--json", cwd=tmp_path).json
    assert set(told) == {"seconds", "disk_bytes", "memory_bytes", "generations"}
    assert told["generations"] == 6 * 4 * 2
    assert os.listdir(tmp_path) == []


def test_the_installed_script_is_the_module(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("outcross")
    if not script.exists():
        pytest.skip(f"no {script}: the package is not installed; `make setup` does it")
    done = subprocess.run([script, "--version"], capture_output=True, cwd=tmp_path, check=True)
    assert done.stdout.decode() == outcross("--version", cwd=tmp_path).out


@pytest.mark.parametrize("words", [("schema",), ("show", "gmm"), ("plugins",)])
def test_a_reader_that_leaves_early_gets_no_traceback(
    words: tuple[str, ...], told: dict[str, object], folder: Path
) -> None:
    process = subprocess.Popen(
        argv(*words), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "COLUMNS": "80"}
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert err == b""
    assert process.returncode in (0, 1)


def test_standard_output_that_is_full_is_no_crash(told: dict[str, object], folder: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(argv("show", "gmm"), cwd=folder, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 5
    assert b"Traceback" not in done.stderr
