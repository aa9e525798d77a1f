"""The power that is stated is the power that is had: planted effects, thousands of experiments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from outcross import run
from outcross.core.errors import InputError
from outcross.core.stats import paired_difference
from outcross.plan.power import chains_needed, need, sign_power
from outcross.report.frames import Frame
from outcross.report.power import power

TRIALS = 1500


def achieved(differences, chains, sign, rng):
    """Share of experiments of so many chains whose interval leaves out 0 on the right side."""
    shown = 0
    for _ in range(TRIALS):
        some = rng.choice(differences, chains)
        found = paired_difference(np.zeros(chains), some)
        shown += (found.low > 0.0) if sign > 0 else (found.high < 0.0)
    return shown / TRIALS


@pytest.mark.parametrize(("effect", "wanted"), [(0.4, 0.8), (-0.25, 0.9)])
def test_a_planted_shift_is_shown_as_often_as_stated(effect, wanted):
    rng = np.random.default_rng(1)
    chains = int(chains_needed(float(norm.cdf(abs(effect))), wanted))
    had = achieved(rng.normal(effect, 1.0, 400_000), chains, np.sign(effect), rng)
    assert abs(had - wanted) < 0.05
    assert achieved(rng.normal(effect, 1.0, 400_000), chains // 2, np.sign(effect), rng) < wanted - 0.1


WORLDS = {
    "variance": (["source.kind=normal", "learner.kind=gaussian", "samples=200"], "first_variance", "column", 0.3),
    "tail": (["source.kind=normal", "learner.kind=gaussian", "samples=200"], "tail_95", "tails", 0.5),
    "diversity": (
        ["source={kind: zipf, exponent: 1.0, categories: 60}", "learner.kind=categorical", "samples=100"],
        "heterozygosity_ratio",
        "categories",
        0.05,
    ),
}


@pytest.mark.parametrize("world", WORLDS)
def test_arms_that_differ_are_told_apart_as_often_as_a_pilot_says(world, tmp_path):
    """A pilot of 200 chains; then experiments of the 1,500 others, judged as `compare` judges."""
    settings, measure, name, share = WORLDS[world]
    mix = f"{{policy: {{kind: mix, real: {share}, anchor: fresh}}}}"
    arms = f"arms={{replace: {{policy: {{kind: replace}}}}, mix: {mix}}}"
    size = ["generations=6", "floor=0", "snapshots.chains=0", f"measures=[{name}]", "record=[0, 6]"]
    pilot = run("gmm", [arms, *settings, *size, "chains=200", "seed=5"], out=tmp_path, report=False)
    found = power(Frame(pilot.directory), measure, None, None, None, 0.8)
    last = found.needs[-1]
    assert last.generation == 6
    assert 6 < last.chains.value < 1000
    whole = run("gmm", [arms, *settings, *size, "chains=1500", "seed=6"], out=tmp_path, report=False)
    values = [
        np.array([r.value for r in whole.frame.rows if r.cell == c and r.measure == measure and r.generation == 6])
        for c in (0, 1)
    ]
    differences = values[1] - values[0]
    true = need(differences, None, 0.8, 6)  # of all 1,500 chains
    had = achieved(differences, int(true.chains.value), np.sign(true.effect), np.random.default_rng(2))
    assert abs(had - true.power) < 0.05
    assert 0.8 <= true.power < 0.95
    assert last.side.low <= true.side.value <= last.side.high
    assert last.chains.low <= true.chains.value <= last.chains.high


def test_the_power_of_few_chains_is_that_all_lie_on_one_side():
    chains = np.array([5, 6, 8])
    np.testing.assert_allclose(sign_power(chains, 0.9), [0.0, 0.9**6, 0.9**8])


def test_what_no_pilot_can_tell_is_refused():
    with pytest.raises(InputError, match="a pilot of 2 chains"):
        need(np.array([0.1, 0.2]), None, 0.8, 1)
    with pytest.raises(InputError, match="power is 0.5"):
        need(np.ones(5), None, 1.0, 1)
    assert need(np.array([-1.0, 1.0, 0.5, -0.4]), 1e-6, 0.8, 1).chains.value == np.inf  # half of them on either side


SMALL = ("chains=8", "generations=4", "samples=60", "floor=0", "snapshots.chains=0", "record=all")


def test_power_is_told_to_people_and_to_programs(shell):
    ran = shell("run", "gmm", *SMALL, "--json", "--no-report").json["run"]
    said = shell("power", ran, "-m", "variance_ratio", "--effect", -0.1)
    assert (said.code, said.err) == (0, "")
    assert "show mix10 against replace in variance_ratio at generation" in said.out
    told = shell("power", ran, "-m", "variance_ratio", "--against", "start", "--json").json
    assert (told["arm"], told["against"]) == ("replace", "start")
    assert [n["generation"] for n in told["generations"]] == [1, 2, 3, 4]
    for one in told["generations"]:
        assert one["side"]["low"] <= one["side"]["value"] <= one["side"]["high"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-m", "varianse"], "no measure 'varianse' was taken"),
        (["-m", "variance_ratio", "--arm", "mix01"], "no arm 'mix01'; did you mean 'mix10'"),
        (["-m", "variance_ratio", "--arm", "mix10", "--against", "mix10"], "against itself"),
        (["-m", "variance_ratio", "--power", 1], "power is 0.5 to 0.999"),
        (["-m", "variance_ratio", "--effect", 0], "no generation"),
    ],
)
def test_a_wrong_question_of_power_is_one_line(shell, words, says):
    ran = shell("run", "gmm", *SMALL, "--json", "--no-report").json["run"]
    said = shell("power", ran, *words)
    assert said.code == 2
    assert says in said.err
    assert len(said.err.splitlines()) == 1
