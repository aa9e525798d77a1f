"""What a run swept over poison says: the critical share beside theory, harm, and the price of a defence."""

import math

import pytest

import outcross
from outcross.report import poison
from outcross.report.frames import Frame
from outcross.runs.spec import Experiment

TREE = {
    "name": "poisoned",
    "source": {"kind": "normal"},
    "learner": {"kind": "gaussian"},
    "arms": {
        "open": {"policy": {"kind": "mix", "real": 0.3, "anchor": "fresh"}},
        "cut": {"policy": {"kind": "mix", "real": 0.3, "anchor": "fresh"}, "stages": {"guard": {"kind": "cut"}}},
    },
    "stages": {"poison": {"attack": {"kind": "outlier", "distance": 6.0}}},
    "sweep": {"stages.poison.share": [0, 0.002, 0.01, 0.012, 0.014]},
    "samples": 2000,
    "generations": 120,
    "chains": 6,
    "floor": 2,
    "measures": ["moments", "tails", "stages"],
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return outcross.run(Experiment.parse(TREE), out=tmp_path_factory.mktemp("runs"), workers=1)


@pytest.fixture(scope="module")
def found(result):
    return poison.Poisoning(Frame(result.directory))


def test_the_critical_share_is_that_of_theory_within_its_interval_and_fifteen_percent(found):
    line = next(n for n in found.lines if n.arm == "open")
    assert line.oracle == pytest.approx(0.3 / 36)
    assert line.critical.value == pytest.approx(line.oracle, rel=0.15)
    assert line.critical.low <= line.critical.value <= line.critical.high
    assert not line.critical.low < 0.3 / 25 < line.critical.high  # of poison at 5 sd
    assert "theory's 0.833 %" in line.sentence()


def test_a_defence_that_holds_has_no_critical_share_and_keeps_the_tail(found):
    line = next(n for n in found.lines if n.arm == "cut")
    assert math.isnan(line.critical.value)
    assert line.oracle is None
    assert "no runaway up to 1.4 %" in line.sentence()
    assert all(0.9 < p.sd.value < 1.1 for p in line.points)
    assert line.points[-1].dropped > 0.01
    assert "1 of 2 lines hold" in found.sentence()


def test_harm_is_amplified_over_generations(found):
    line = next(n for n in found.lines if n.arm == "open")
    assert math.isnan(line.points[0].amplification.value)
    assert line.points[-1].amplification.value > 1e3


def test_the_page_shows_it_with_its_numbers_and_says_which_stages_there_are(result, found):
    page = result.report().read_text(encoding="utf-8")
    assert found.sentence() in page
    assert "attack outlier (distance 6.0, adaptive True)" in page
    assert (result.directory / "figures" / "poison.png").stat().st_size > 10_000


def test_a_run_that_does_not_sweep_over_poison_has_no_such_figure(tmp_path):
    tree = {**TREE, "sweep": {}, "generations": 2, "chains": 2, "samples": 100}
    frame = Frame(outcross.run(Experiment.parse(tree), out=tmp_path, workers=1, report=False).directory)
    assert poison.axis(frame) is None


def test_a_run_without_a_spread_has_no_figure_of_it(tmp_path):
    """Of images and text no standard deviation is measured: an empty figure would claim that nothing runs away."""
    tree = {**TREE, "chains": 1, "generations": 2, "floor": 0, "measures": ["stages"]}
    told = outcross.run(Experiment.parse(tree), out=tmp_path, workers=1)
    assert poison.axis(Frame(told.directory)) is None
    assert "runs away" not in told.report().read_text()
