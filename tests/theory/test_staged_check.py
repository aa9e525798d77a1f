"""The live check of chains whose rows pass a stage: sound runs agree, and every wrong form is rejected."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from evidence import right, wrong

import outcross
from outcross.core.errors import InputError
from outcross.report.frames import Frame
from outcross.report.theory import _observed, setting_of
from outcross.runs.spec import Experiment
from outcross.sources.normal import Source as Normal
from outcross.theory import covered, poisoning
from outcross.theory.live import threshold
from outcross.theory.poisoning import Moments
from outcross.theory.staged import Cut, Outliers

# ---- one fit of so many rows ----


@pytest.mark.parametrize(("n", "dropped", "estimator"), [(100, 1, "ml"), (100, 1, "unbiased"), (60, 12, "ml")])
def test_p5_one_fit_of_few_rows(n, dropped, estimator):
    rows = np.sort(np.random.default_rng(n).standard_normal((40_000, n)), axis=1)[:, : n - dropped]
    variance, law = rows.var(axis=1, ddof=int(estimator == "unbiased")), poisoning.trimmed_fit(n, dropped, estimator)
    logs = np.log(variance)
    right(logs, law.log_mean, of=f"P5 {dropped} of {n} dropped, {estimator}, E ln F")
    right(np.sqrt(variance), law.root, of=f"P5 {dropped} of {n} dropped, {estimator}, E sqrt F")
    right(rows.mean(axis=1), law.shift, of=f"P5 {dropped} of {n} dropped, {estimator}, shift")
    assert logs.var() == pytest.approx(law.log_variance, rel=0.03)
    if estimator == "ml":  # the unbiased one is the nearer to it
        wrong(
            logs, np.log(poisoning.trimmed(dropped / n, 2).variance), of=f"P5 {dropped} of {n}, of infinitely many rows"
        )


def test_p5_many_rows_have_the_limit():
    law, limit = poisoning.trimmed_fit(10**7, 10**4), poisoning.trimmed(0.001, 2)
    assert law.log_mean == pytest.approx(np.log(limit.variance), abs=1e-6)
    assert law.shift == pytest.approx(limit.mean, rel=1e-4)


@pytest.mark.parametrize(("n", "dropped"), [(31, 2), (10, 0), (10, 10)])
def test_p5_refuses_too_few_rows(n, dropped):
    with pytest.raises(InputError):
        poisoning.trimmed_fit(n, dropped)


@pytest.mark.parametrize("estimator", ["ml", "unbiased"])
def test_p2_one_fit_of_few_rows(estimator):
    """20 rows of which 4 real and 2 at 3 sd, from a model that is off."""
    n, real, poison, a, before = 20, 4, 2, 3.0, Moments(0.7, 2.0)
    chance, chains = np.random.default_rng(3), 100_000
    made = before.mean + before.variance**0.5 * chance.standard_normal((chains, n - real - poison))
    placed = np.full((chains, poison), before.mean + a * before.variance**0.5)
    rows = np.concatenate([chance.standard_normal((chains, real)), made, placed], axis=1)
    due = poisoning.poisoned_fit(n, real, poison, a, before, estimator)
    variance = rows.var(axis=1, ddof=int(estimator == "unbiased"))
    right(variance, due.variance, of=f"P2 one fit, n = 20, {estimator}, variance")
    right(rows.mean(axis=1), due.mean, of=f"P2 one fit, n = 20, {estimator}, mean")
    wrong(variance, poisoning.poisoned_fit(10**9, 2 * 10**8, 10**8, a, before).variance, of="P2 one fit, n infinite")


# ---- runs ----

DROP = {"share": 0.01, "score": {"kind": "column", "column": 0}}
TREE = {
    "name": "staged",
    "source": {"kind": "normal"},
    "learner": {"kind": "gaussian", "estimator": "ml"},
    "arms": {
        "top": {"policy": {"kind": "replace"}, "stages": {"drop": DROP}},
        "bottom": {"policy": {"kind": "replace"}, "stages": {"drop": {**DROP, "end": "bottom", "on": "fitted"}}},
        "poison": {"policy": {"kind": "mix", "real": 0.3, "anchor": "fresh"}, "stages": {"poison": {"share": 0.02}}},
        "runaway": {"policy": {"kind": "replace"}, "stages": {"poison": {"share": 0.02}}},
    },
    "samples": 200,
    "generations": 20,
    "chains": 24,
    "floor": 0,
    "record": "all",
    "measures": ["moments", "column"],
}


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    found = outcross.run(Experiment.parse(TREE), out=tmp_path_factory.mktemp("runs"), workers=1, report=False)
    return Frame(found.directory)


ARMS = list(TREE["arms"])
ORACLE = {"top": "P5", "bottom": "P5", "poison": "P2", "runaway": "P3"}


def worst(predictions):
    return max(abs(p.z) for p in predictions)


@pytest.mark.parametrize("arm", ARMS)
def test_a_sound_run_agrees(frame, arm):
    found = frame.theory.cells[ARMS.index(arm)].predictions
    assert {p.oracle for p in found} == {ORACLE[arm]}
    assert len(found) >= 40
    assert worst(found) < 4


def test_the_page_and_show_have_it(frame):
    told = [p for p in frame.theory.json(frame) if p["cell"]["arm"] == "top"]
    assert {p["quantity"] for p in told} == {"log variance", "bias of log variance a fit", "first_mean"}
    page = outcross.Result(frame.directory).report().read_text(encoding="utf-8")
    assert "P5" in page
    assert frame.theory.sentence.removeprefix("theory: ") in page


WRONG = {
    "top": [{"stage": Cut(1)}, {"stage": Cut(2, top=False)}, {"stage": None}],
    "bottom": [{"stage": Cut(4, top=False)}, {"stage": Cut(2)}],
    "poison": [{"stage": Outliers(2, 6.0)}, {"stage": Outliers(4, 5.0)}, {"real": 40}, {"stage": None}],
    "runaway": [{"stage": Outliers(3, 6.0)}, {"stage": None}],
}


@pytest.mark.parametrize(("arm", "other"), [(arm, other) for arm, others in WRONG.items() for other in others])
def test_a_wrong_form_is_rejected(frame, arm, other):
    cell = ARMS.index(arm)
    setting = replace(setting_of(frame, frame.cells[cell]), **other)
    found = covered.check(setting, _observed(frame, cell, covered.QUANTITIES["gaussian"])).predictions
    assert worst(found) > threshold(len(found))


def settings(source=TREE["source"], **arm):
    tree = TREE | {"source": source, "arms": {"one": {"policy": {"kind": "replace"}, **arm}}}
    experiment = Experiment.parse(tree)
    return setting_of(SimpleNamespace(experiment=experiment, rows_of=lambda cell: 200), experiment.settled[0])


PLANE = {"kind": "normal", "mean": [0.0, 0.0]}


@pytest.mark.parametrize(
    "stages",
    [
        {"cut": {"distance": 3.0}},
        {"drop": {**DROP, "score": {"kind": "nearness"}}},
        {"drop": {**DROP, "score": {"kind": "column", "column": 1}}},
        {"poison": {"share": 0.02, "when": "once"}},
        {"poison": {"share": 0.02, "attack": {"kind": "outlier", "adaptive": False}}},
        {"poison": {"share": 0.02, "attack": {"kind": "outlier", "column": 1}}},
        {"poison": {"share": 0.02, "attack": {"kind": "flood"}}},
        {"poison": {"share": 0.02}, "drop": DROP},
    ],
)
def test_stages_that_theory_does_not_know_are_not_covered(stages):
    assert settings(PLANE, stages=stages) is None


def test_the_first_column_is_a_chain_of_its_own_by_number_or_name():
    name = Normal((0.0, 0.0)).columns[0]
    for column in (0, name):
        score = {"kind": "column", "column": column}
        assert settings(PLANE, stages={"drop": {**DROP, "score": score}}).stage == Cut(2)
        attack = {"kind": "outlier", "column": column}
        assert settings(PLANE, stages={"poison": {"share": 0.02, "attack": attack}}).stage == Outliers(4, 6.0)


def test_a_stage_that_takes_no_row_leaves_the_oracle_of_the_policy():
    assert settings(stages={"drop": {**DROP, "share": 0.001}}).stage is None  # a fifth of a row
    assert settings(stages={"poison": {"share": 0}, "drop": DROP}).stage == Cut(2)


@pytest.mark.parametrize(
    ("policy", "stage"),
    [
        ({"kind": "mix", "real": 0.1, "anchor": "fresh"}, {"drop": DROP}),
        ({"kind": "accumulate"}, {"drop": DROP}),
        ({"kind": "mix", "real": 0.1, "anchor": "redrawn"}, {"poison": {"share": 0.02}}),
    ],
)
def test_policies_for_which_the_law_of_a_stage_is_not_known_are_not_covered(policy, stage):
    assert not covered.covers(settings(policy=policy, stages=stage))
