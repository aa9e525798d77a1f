"""What goes wrong in one chain stays in that chain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from harness import OPTIONS

from commands import Shell, outcross
from outcross.runs import runner
from outcross.runs.spec import load
from outcross.runs.store import Writer

HERE = str(Path(__file__).parent)
SETTINGS = ("source.kind=normal", "arms={a: {policy: {kind: replace}}}", "chains=5", "generations=4", "samples=30",
            "floor=1", "measures=[moments]", "snapshots.chains=0", "--no-report")  # fmt: skip


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", HERE)
    monkeypatch.setenv("OUTCROSS_TEST_TRIES", str(tmp_path / "tries"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fit_without_an_answer_is_a_result_of_its_chain(workers: int, shell: Shell) -> None:
    said = shell("run", "gmm", "learner.kind=learners:Degenerates", *SETTINGS, "--json", "--workers", workers)
    assert said.code == 0, said
    assert said.json["chains"] == {"done": 4, "degenerate": 1, "failed": 0}
    assert "chain 3: degenerate: generation 2: planted" in shell("show", said.json["run"]).out
    assert shell("fsck").code == 0
    again = shell("run", "gmm", "learner.kind=learners:Degenerates", *SETTINGS, "--json")
    assert again.json["chains"] == said.json["chains"]


def test_rows_that_are_not_finite_are_a_result_of_their_chain(shell: Shell) -> None:
    said = shell("run", "gmm", "learner.kind=learners:NotANumber", *SETTINGS, "--json", "--workers", "1")
    assert said.code == 0, said
    assert said.json["chains"]["degenerate"] == 5
    assert "not finite" in shell("show", said.json["run"]).out


@pytest.mark.parametrize(("workers", "error"), [(1, "RuntimeError"), (1, "SystemExit"), (2, "RuntimeError")])
def test_a_learner_that_raises_fails_its_chain_after_three_tries(workers: int, error: str, shell: Shell) -> None:
    kind = f"learner={{kind: 'learners:Raises', error: {error}}}"
    said = shell("run", "gmm", kind, *SETTINGS, "--json", "--workers", workers)
    assert said.code == 1, said
    assert said.json["chains"] == {"done": 4, "degenerate": 0, "failed": 1}
    assert said.json["status"] == "failed"
    assert (shell.folder / "tries").read_text() == "xxx"
    shown = shell("show", said.json["run"])
    assert f"chain 1: failed: {'_Awkward: planted' if error == 'RuntimeError' else 'SystemExit'}" in shown.out
    assert "\x1b[2J" not in shown.out + said.err
    assert shell("fsck").code == 0


def test_a_chain_that_kills_its_worker_takes_no_other_along(shell: Shell) -> None:
    kind = "learner={kind: 'learners:Raises', error: kill}"
    said = outcross("run", "gmm", kind, *SETTINGS, "--json", "--workers", 2, cwd=shell.folder)
    assert said.code == 1, said
    assert said.json["chains"] == {"done": 4, "degenerate": 0, "failed": 1}
    assert "chain 1: failed: its worker died 3 times" in shell("show", said.json["run"]).out


def test_what_the_first_generation_would_refuse_is_refused_before_a_run_is_on_disk(shell: Shell) -> None:
    words = ("source.kind=categorical", "learner.kind=categorical", "samples=1e12", "chains=2", "generations=3")
    said = shell("run", "gmm", *words)
    assert said.code == 2, said
    assert "arms.mix10: a random part of 1,000,000,000,000 items" in said.err
    assert not Path("runs").exists()


def test_a_finished_run_holds_one_blob_whatever_its_checkpoints_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["source={kind: zipf, categories: 20000}", "learner.kind=categorical", "samples=1e9", "generations=300",
             "arms={a: {policy: {kind: replace}}}", "chains=8", "floor=0", "measures=[categories]"]  # fmt: skip
    monkeypatch.setattr(Writer.compact, "__defaults__", (6_000_000,))  # 5 MB stay; with old checkpoints it is 9
    directory = runner.run(load("gmm", words), tmp_path, replace(OPTIONS, commit_seconds=0.05))
    assert len([f for f in (directory / "blobs").rglob("*") if f.is_file()]) == 1


def test_the_first_chains_of_all_arms_come_before_the_second_of_any(tmp_path: Path) -> None:
    begun: list[tuple[int, int]] = []

    class Watcher(runner.Silent):
        def update(self, status: runner.Status) -> None:
            if status.latest is not None and status.latest.key not in begun:
                begun.append(status.latest.key)

    arms = "arms={a: {policy: {kind: replace}}, b: {policy: {kind: accumulate}}}"
    wanted = load("gmm", [*SETTINGS[:-1], arms, "chains=2"])
    runner.run(wanted, tmp_path, OPTIONS, Watcher())
    assert begun == [(0, 0), (1, 0), (0, 1), (1, 1)]
