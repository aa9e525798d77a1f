"""A verdict names the groups that are lost, which no average over all rows sees."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

import outcross
from outcross.core.contracts import Reading
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.rng import Purpose, Streams
from outcross.core.stats import Interval
from outcross.measures.phase import Margins
from outcross.report import findings, groups
from outcross.report.verdict import Verdict
from outcross.runs.spec import Experiment

S = Streams.of(7, 0)


@dataclass(frozen=True)
class Alike:
    """Two groups of the same Gaussian, so that nothing but the labels tells that one of them is gone."""

    share: float = 0.0016
    columns: ClassVar[tuple[str, ...]] = ("x",)
    classes: ClassVar[tuple[str, ...]] = ("many", "few")
    rows: ClassVar[int | None] = None

    def draw(self, n, rng):
        chance = rng.generator()
        label = (chance.random(n) < self.share).astype(np.int32)
        return Corpus.of(chance.standard_normal((n, 1)), 0, label)

    def validation(self, n):
        return self.draw(min(n, 5000), S.stream(0, Purpose.VALIDATION))

    def reference(self, n):
        return self.draw(min(n, 50_000), S.stream(0, Purpose.REFERENCE))

    def fingerprint(self):
        return f"alike {self.share}"


TREE = {
    "name": "alike",
    "source": {"kind": f"{__name__}:Alike"},
    "learner": {"kind": "by_label", "learner": {"kind": "gaussian"}},
    "arms": {
        "replace": {"policy": {"kind": "replace"}},
        "accumulate": {"policy": {"kind": "accumulate"}},
        "floor": {"policy": {"kind": "replace"}, "stages": {"floor": {"kind": "groups"}}},
    },
    "samples": 3000,
    "generations": 70,
    "chains": 12,
    "floor": 4,
    "record": [0, 60, 65, 70],
    "measures": ["moments", "tails", "distance", "groups"],
}


def run(folder, **other):
    return outcross.run(Experiment.parse(TREE | other), out=folder, workers=1, report=False)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def decided(result):
    return {result.frame.cells[v.cell].arm: v for v in result.verdicts}


def test_a_minority_that_dies_is_early_collapse_and_named_with_what_is_left(result, decided):
    verdict = decided["replace"]
    assert verdict.ended == "none"  # of all rows nothing is lost
    assert verdict.phase == "early"
    assert [left.group for left in verdict.lost] == ["few"]
    assert verdict.lost[0].share.high < 0.45
    assert f"groups lost, worst first: few ({verdict.lost[0].share.value:.2g} of its share left, " in verdict.why
    told = next(v for v in result.json()["verdict"] if v["cell"]["arm"] == "replace")
    assert told["phase"] == "early"
    assert told["groups_lost"] == [{"group": "few", **told["groups_lost"][0]}]


@pytest.mark.parametrize("arm", ["accumulate", "floor"])
def test_a_minority_that_is_kept_is_not_lost(decided, arm):
    assert decided[arm].phase == "none"
    assert decided[arm].lost == ()
    assert "groups lost" not in decided[arm].why


def test_of_too_few_chains_nothing_is_claimed(tmp_path):
    found = run(tmp_path, chains=5, arms={"replace": TREE["arms"]["replace"]}).verdicts[0]
    assert found.lost == ()
    assert found.phase == "none"


def test_the_page_says_which_are_lost_and_by_what_rule(result):
    page = result.report().read_text(encoding="utf-8")
    assert "groups lost, worst first: few" in page
    assert "a group is lost when" in page
    assert "below 0.45 of that at generation 0" in page
    assert "groups lost: 1 under replace" in findings.phases(result.frame, result.verdicts)


# ---- by hand ----


def frame(first, last, names=(), margin=0.45):
    """One cell whose chains have shares (chains, groups) at generations 0 and 9."""
    shares = {0: np.asarray(first, float), 9: np.asarray(last, float)}
    reader = SimpleNamespace(arrays=lambda key, g, prefix: {"": shares[g][key[1]]})
    at = {g: {groups.MEASURED: Reading(1.0)} for g in shares}
    return SimpleNamespace(
        reader=reader,
        by_chain={(0, c): at for c in range(len(shares[0]))},
        experiment=SimpleNamespace(margin=Margins(group=margin)),
        groups=lambda cell: list(names),
    )


def named(made):
    return [left.group for left in groups.lost(made, 0)]


START = np.tile([0.9, 0.06, 0.04], (10, 1))


def test_the_worst_comes_first_and_groups_without_names_have_numbers():
    made = frame(START, np.tile([0.99, 0.01, 0.0], (10, 1)))
    assert named(made) == ["group 2", "group 1"]
    assert groups.lost(made, 0)[1].share.value == pytest.approx(1 / 6)
    assert named(frame(START, np.tile([0.99, 0.01, 0.0], (10, 1)), ["a", "b", "c"])) == ["c", "b"]


def test_an_interval_that_reaches_the_margin_is_no_loss():
    last = np.tile([0.94, 0.02, 0.04], (10, 1))
    assert named(frame(START, last)) == ["group 1"]
    assert named(frame(START, last, margin=0.3)) == []
    last[:4, 1] = 0.06  # six of ten chains lost it: its median may be one that kept it
    assert named(frame(START, last)) == []


def test_a_group_that_the_family_never_fitted_is_no_loss():
    assert named(frame(np.tile([1.0, 0.0], (10, 1)), np.tile([1.0, 0.0], (10, 1)))) == []


def test_chains_fitted_on_fresh_real_rows_lose_nothing():
    """Groups of 4 to 8 rows among 1,000, in 12 chains: 500 runs, of which none may claim a loss."""
    chance, truth = np.random.default_rng(0), [0.98, 0.008, 0.008, 0.004]
    runs = (chance.multinomial(1000, truth, (2, 12)) / 1000 for _ in range(500))
    assert not any(named(frame(first, last)) for first, last in runs)


@pytest.mark.parametrize(
    ("ended", "phase"), [("late", "late"), ("early", "early"), ("none", "early"), ("inconclusive", "early")]
)
def test_a_lost_group_is_early_collapse_at_least_and_hides_no_late_one(ended, phase):
    nothing = Interval(0.0, 0.0, 0.0)
    lost = (groups.Left("few", nothing),)
    assert Verdict(0, ended, lost, "", {}, nothing, nothing, nothing, nothing, 8, 9).phase == phase
    assert Verdict(0, ended, (), "", {}, nothing, nothing, nothing, nothing, 8, 9).phase == ended


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1])
def test_a_margin_that_decides_nothing_is_refused(wrong):
    with pytest.raises(InputError, match=r"margins\.group is a ratio in \(0, 1\)"):
        Margins(group=wrong)
