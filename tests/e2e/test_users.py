"""The four users: their own CSV, scikit-learn, any program, and Python."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import outcross as package
from commands import Shell, outcross
from outcross import Corpus, Experiment, generations, load, run

sys.path.append(str(Path(__file__).parents[1] / "reliability"))
from scripts import shell_learner  # noqa: E402


def test_a_csv_of_the_users_own(tmp_path: Path) -> None:
    rows = np.random.Generator(np.random.Philox(1)).standard_normal((500, 2)) + [0.0, 3.0]
    lines = ["name,a,b", *(f"row{i},{a!r},{b!r}" for i, (a, b) in enumerate(rows.tolist()))]
    (tmp_path / "my.csv").write_text("\n".join(lines))
    words = ("source.kind=file", "source.path=my.csv", "source.columns=[a,b]", "chains=4", "generations=30")
    said = outcross("run", "gmm", *words, "--json", cwd=tmp_path)
    assert (said.code, said.err) == (0, "")
    assert said.json["chains"]["done"] == 8
    assert (tmp_path / said.json["report"]).stat().st_size > 10_000
    other = outcross("run", "gmm", *words, "source.columns=[b,a]", "--dry-run", cwd=tmp_path)
    assert other.code == 0
    (tmp_path / "my.csv").write_text("\n".join(lines[:-1]))
    again = outcross("run", "gmm", *words, "--json", "--no-report", cwd=tmp_path)
    assert again.json["run"] != said.json["run"], "other data, other run"


def test_scikit_learn_by_dotted_path(shell: Shell) -> None:
    learner = "learner={kind: 'sklearn.mixture:GaussianMixture', n_components: 2, init_params: k-means++}"
    small = ("chains=2", "generations=3", "samples=100", "floor=1", "snapshots.chains=0", "--workers", "1")
    said = shell("run", "gmm", learner, *small, "measures=[moments]", "--no-report", "--json")
    assert said.code == 0, said
    assert said.json["chains"] == {"done": 4, "degenerate": 0, "failed": 0}


def test_any_program_gets_the_whole_run_and_its_report(tmp_path: Path) -> None:
    small = ("chains=2", "generations=3", "samples=60", "record=[0,3]", "floor=2", "snapshots.chains=1")
    said = outcross("run", "gmm", *shell_learner(tmp_path), *small, "--json", cwd=tmp_path)
    assert (said.code, said.err) == (0, "")
    assert said.json["chains"] == {"done": 2, "degenerate": 0, "failed": 0}
    assert (tmp_path / said.json["report"]).read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_a_program_without_an_answer_and_one_that_fails_say_so(shell: Shell) -> None:
    small = ("source.kind=normal", "chains=1", "generations=1", "samples=20", "floor=0", "measures=[moments]",
             "arms={a: {policy: {kind: replace}}}", "--no-report", "--workers", "1", "--json")  # fmt: skip
    for code, ended, status, words in (
        (65, "degenerate", 0, "too few"),
        (3, "failed", 1, "code 3 (too few)"),
    ):
        fit = f'/bin/sh -c "echo too few >&2; exit {code}" {{pool}} {{model}}'
        learner = f"learner={{kind: command, format: csv, fit: '{fit}', sample: 'x {{model}} {{n}} {{out}}'}}"
        said = shell("run", "gmm", learner, *small)
        assert (said.code, said.json["chains"][ended]) == (status, 1), said
        assert words in shell("show", said.json["run"]).out


def test_the_python_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["chains=3", "generations=4", "samples=50", "floor=1", "measures=[moments]", "snapshots.chains=0"]
    result = run("gmm", small, workers=1, report=False)
    assert isinstance(result.experiment, Experiment)
    assert result.failed == 0
    assert {v.cell for v in result.verdicts} == {0, 1}
    assert result.table().num_rows == len(list(result.frame.tidy())) > 0
    again = load(result.directory.name)
    assert again.json() == result.json()
    assert "gmm" in repr(again)
    assert "<table>" in again._repr_html_()
    with pytest.raises(package.core.errors.InputError, match="no run"):
        load("nothing")


def test_a_chain_can_be_stepped_by_hand() -> None:
    from itertools import islice

    from outcross.core.policies import replace
    from outcross.core.schedules import Samples
    from outcross.core.statistics import Moments
    from outcross.families.gaussian import Learner
    from outcross.sources.normal import Source

    for pools, kind in (("rows", Corpus), ("auto", Moments)):
        seen = list(islice(generations(Learner(), replace(), Source(), Samples(40), pools=pools), 4))
        assert [g.t for g in seen] == [0, 1, 2, 3]
        assert all(isinstance(g.pool, kind) and len(g.pool) == 40 for g in seen)


def test_a_file_that_changed_is_read_again_in_the_same_process(tmp_path: Path) -> None:
    import numpy as np

    path, runs = tmp_path / "rows.csv", []
    for shift in (0.0, 5.0):
        rows = np.random.default_rng(0).standard_normal((60, 1)) + shift
        np.savetxt(path, rows, header="x", comments="")
        settings = ["source.kind=file", f"source.path={path}", "learner.kind=gaussian", "chains=2", "generations=1"]
        runs.append(run("gmm", [*settings, "floor=0"], out=tmp_path, workers=1, report=False))
    assert runs[0].directory != runs[1].directory
