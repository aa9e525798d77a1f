"""`outcross plan` calibrated: on a run, on snapshots of data, and its back-test; what it says and what it refuses."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outcross.core import policies
from outcross.core.schedules import Samples
from outcross.plan.calibrated import Series
from outcross.plan.effective import Setup
from outcross.plan.outlook import Outlook
from outcross.plan.snapshots import snapshots

SIZE = ("chains=8", "generations=12", "samples=100", "floor=4", "record=all", "snapshots.chains=0")
GAUSSIAN = ("source.kind=normal", "learner.kind=gaussian", "measures=[moments, tails]")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of two runs: of a Gaussian, and of categories."""
    from outcross import run

    folder = tmp_path_factory.mktemp("runs")
    words = ("source={kind: zipf, categories: 30, exponent: 1.0}", "learner.kind=categorical", "measures=[categories]")
    for settings in (GAUSSIAN, words):
        run("gmm", [*SIZE, *settings], out=folder, report=False)
    return folder


def name(runs, learner):
    from outcross.runs.trees import read_plain
    from outcross.runs.upkeep import listing

    for r in listing(runs):
        if read_plain(r.directory / "experiment.yaml")["learner"]["kind"] == learner:
            return str(r.directory)
    raise AssertionError(learner)


def test_a_run_is_carried_on(shell, runs):
    ran = name(runs, "gaussian")
    told = shell("plan", "--from", ran, "-g", 60, "--tolerance", 0.2, "--json")
    tree = told.json
    assert told.code == {"kept": 0, "lost": 0, "inconclusive": 6}[tree["verdict"]]
    assert tree["setting"]["measured"] == list(range(13))
    answers = {a["key"]: a for a in tree["answers"]}
    assert answers.keys() >= {
        "effective_rows", "bias", "loss", "loss_cohort", "loss_one_chain", "generations_one_chain", "loss_without",
        "share", "share_fixed", "share_fresh", "accumulate", "accumulate_subsample", "rows", "sampler",
    }  # fmt: skip
    for a in tree["answers"]:
        if a["value"] is not None and a["low"] is not None and a["high"] is not None:
            assert a["low"] <= a["value"] <= a["high"], a
    assert answers["loss"]["low"] < 1.0 - 0.99**60 < answers["loss"]["high"]  # G3
    assert answers["accumulate"]["value"] < answers["loss"]["value"]
    losses = [p["loss"] for p in tree["curve"]]
    assert losses[0] > losses[-1]
    people = shell("plan", "--from", ran, "--arm", "mix10", "-m", "tail", "--first", 5, "--curve")
    assert people.code in (0, 6)
    assert people.err == ""
    assert people.out.startswith("By generation 20 the loss of tail in mix10 is ")
    assert "Calibrated on generations 0 to 5 of 8 chains" in people.out
    assert "real rows" in people.out


def test_what_cannot_be_told_says_what_would(shell, runs):
    said = shell("plan", "--from", name(runs, "gaussian"), "--first", 2, "-g", 100, "--tolerance", 0.5, "--json")
    assert (said.code, said.json["verdict"]) == (6, "inconclusive")
    assert "cannot be told yet" in said.json["sentence"]
    assert said.json["further_generations"] is None or said.json["further_generations"] >= 1


def test_recorded_runs_are_forecast(shell, runs):
    said = shell("plan", "--backtest", runs, "--tolerance", 0.1)
    assert (said.code, said.err) == (0, "")
    for word in ("forecasts on 2 runs", "categorical", "gaussian", "mix redrawn", "replace", "never"):
        assert word in said.out
    told = shell("plan", "--backtest", runs, "--json").json
    whole = told["groups"]["all"][0]
    assert whole["forecasts"] == sum(g["forecasts"] for g in told["groups"]["family"])
    assert 0.0 <= whole["cohort"]["80"][0] <= whole["cohort"]["95"][0] <= 1.0
    assert {g["group"] for g in told["groups"]["measure"]} == {"variance", "tail", "diversity"}


def test_a_back_test_names_what_it_left_out(shell, runs):
    said = shell("plan", "--backtest", runs, "-m", "tail")
    assert said.code == 0
    assert "left out: " in said.err
    assert "measure 'tail' is not one of these rows: it is one of diversity, variance" in said.err


@pytest.fixture
def files(shell):
    """Real rows and five generations of a model that narrows by 4 %, and categories."""
    rng = np.random.default_rng(3)
    rows, p = rng.normal(size=(1000, 2)) * [1.0, 3.0] + 5.0, np.full(20, 0.05)
    for g in range(6):
        pq.write_table(pa.table({"a": rows[:, 0], "b": rows[:, 1]}), shell.folder / f"{g}.parquet")
        codes = rng.choice(20, 500, p=p)
        (shell.folder / f"{g}.csv").write_text("word\n" + "".join(f"w{c}\n" for c in codes))
        rows = rng.normal(size=(1000, 2)) * rows.std(axis=0) * 0.96 + rows.mean(axis=0)
        p = np.bincount(codes, minlength=20) / 500
    return shell.folder


def test_snapshots_of_rows_are_carried_on(shell, files):
    told = shell("plan", "--snapshots", *(f"{g}.parquet" for g in range(6)), "--json").json
    answers = {a["key"]: a for a in told["answers"]}
    assert answers["bias"]["low"] < 0.96**2 - 1.0 < answers["bias"]["high"] < 0.0
    assert answers["loss"]["low"] < 1.0 - 0.96**40 < answers["loss"]["high"]
    assert told["verdict"] == "lost"
    assert told["setting"]["rows"] == 1000
    assert "loss_cohort" not in answers  # one chain is no cohort
    shell(
        "plan", "--snapshots", "0.parquet", "1.parquet", "2.parquet", "-m", "tail", "--real", 0.1, "--anchor", "fixed"
    )


def test_snapshots_of_categories_are_carried_on(shell, files):
    said = shell("plan", "--snapshots", *(f"{g}.csv" for g in range(4)), "--column", "word", "--tolerance", 0.2)
    assert said.err == ""
    assert "the loss of diversity is" in said.out
    from pathlib import Path

    series = snapshots([Path(files) / f"{g}.csv" for g in range(4)], "diversity", "word")
    assert series.readings[0, 0] == 1.0
    assert series.setup.samples.at(0) == 500


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["0.parquet"], "say what it is: --from RUN, --snapshots or --backtest"),
        (["--snapshots", "0.parquet", "1.parquet"], "2 files: give the real rows and two snapshots"),
        (["--snapshots", "0.parquet", "1.parquet", "none.parquet"], "none.parquet: No such file"),
        (["--snapshots", "0.parquet", "1.parquet", "2.csv"], "name one with --column"),
        (["--snapshots", "0.parquet", "1.parquet", "2.parquet", "-m", "perplexity"], "a variance and a tail"),
        (["--snapshots", "0.csv", "1.csv", "2.csv", "-c", "word", "-m", "tail"], "categories have a diversity"),
        (["--snapshots", "0.parquet", "1.parquet", "2.parquet", "-g", 2], "generations is 3 (the last measured is 2)"),
        (["--snapshots", "0.parquet", "1.parquet", "2.parquet", "-g", 9999], "to 2,000, got 9,999"),
        (["--snapshots", "0.parquet", "1.parquet", "2.parquet", "--anchor", "x"], "anchor is one of"),
        (["--snapshots", "0.parquet", "1.parquet", "2.parquet", "--real", 2], "real is a share from 0 to 1"),
        (["--snapshots", "0.parquet", "1.parquet", "2.parquet", "--rows", 1], "rows is 2 to 1e12"),
        (["--snapshots", "0.parquet", "1.parquet", "2.parquet", "--tolerance", 1], "tolerance is a loss between"),
        (["--from", "nothing"], "no run 'nothing'"),
        (["--backtest", "nothing"], "nothing: no run, and no folder that holds runs"),
        (["--backtest", "--from", "x"], "--from and --backtest: give one of them"),
    ],
)
def test_a_wrong_question_is_one_line(shell, files, words, says):
    said = shell("plan", *words)
    assert said.code == 2
    assert says in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--arm", "mix01"], "no arm 'mix01'; did you mean 'mix10'"),
        (["-m", "diversity"], "it is one of variance, tail, perplexity"),
        (["-m", "perplexity"], "the run has not recorded log_loss"),
        (["--first", 1], "two measured generations after 0"),
        (["-g", 5], "generations is 13"),
    ],
)
def test_what_a_run_does_not_have_is_one_line(shell, runs, words, says):
    said = shell("plan", "--from", name(runs, "gaussian"), *words)
    assert said.code == 2
    assert says in said.err
    assert len(said.err.splitlines()) == 1


def test_a_run_that_ran_off_is_one_line():
    """A chain that has no number at the last generation is left out; with none left, the plan says so."""
    readings = np.vstack([np.ones((3, 2)), np.full((1, 2), np.nan)])
    series = Series(Setup(policies.replace(), Samples(50)), (0, 1, 2, 3), readings, 10)
    assert series.until(2).readings.shape == (3, 2)
    assert series.until(3).readings.shape == (4, 0)


def test_tables_that_differ_are_not_compared(shell, files):
    pq.write_table(pa.table({"a": np.zeros(5), "c": np.ones(5)}), files / "other.parquet")
    said = shell("plan", "--snapshots", "0.parquet", "1.parquet", "other.parquet")
    assert said.code == 2
    assert "do not have the same columns: b, c" in said.err
    pq.write_table(pa.table({"a": np.zeros(50), "b": np.ones(50)}), files / "flat.parquet")
    said = shell("plan", "--snapshots", "flat.parquet", "1.parquet", "2.parquet")
    assert said.code == 2
    assert "flat.parquet: column 0 of the reference is constant" in said.err


def test_ranges_narrow_as_more_is_measured(runs):
    from pathlib import Path

    from outcross.report.frames import Frame
    from outcross.report.series import readable, series

    frame = Frame(Path(name(runs, "gaussian")))
    whole = series(frame, 0, readable(frame, "variance")[1])
    widths = [np.ptp(Outlook(whole.until(k), "it", 0.1, 60).used[1:]) for k in (2, 12)]
    assert widths[1] < widths[0]
