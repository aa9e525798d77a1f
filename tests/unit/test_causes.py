"""The factorial of a decomposition: which arms it has, what it refuses, and what it says."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import outcross
from outcross.core.errors import InputError
from outcross.core.stats import ratio_interval
from outcross.plan.decomposition import decompose, fitted_power, interactions, limit, shapley
from outcross.runs import causes, plugins, spec

SMALL = ("chains=3", "generations=2", "samples=60", "floor=0", "snapshots.chains=0", "causes.rows=[1,2,4]")


def made(*overrides, name="gmm", arm=None):
    return causes.factorial(spec.load(name, overrides), arm)


def test_arms_are_every_combination_and_the_first_is_the_learner_in_use():
    found = made("learner.iterations=2", "causes.rows=[1,4]", "causes.sampler=confounded")
    assert list(found.arms) == [
        "n", "n richer", "n better", "n richer better", "4n", "4n richer", "4n better", "4n richer better",
    ]  # fmt: skip
    cells = {c.arm: c for c in found.settled}
    assert cells["n"].learner["iterations"] == 2
    assert cells["4n richer"].samples["start"] == 4000
    assert cells["4n richer"].learner["components"] == 4
    assert cells["4n richer"].learner["iterations"] == 2
    assert cells["n better"].learner["iterations"] == 1000
    assert found.causes.sampler == "confounded"


def test_a_factorial_of_a_factorial_is_itself():
    found = made()
    assert causes.factorial(found) is found
    assert found.name == "gmm-causes"


def test_another_arm_keeps_its_policy_and_learner():
    arms = "arms={a: {policy: {kind: replace}}, b: {policy: {kind: mix, real: 0.5}, learner: {iterations: 3}}}"
    found = made(arms, arm="b").settled
    assert {c.policy["real"] for c in found} == {0.5}
    assert found[0].learner["iterations"] == 3


def test_settings_that_are_in_use_already_remove_nothing():
    assert made("causes.approximation={iterations: 100}").causes.approximation == "absent"
    assert made().causes.sampler == "absent"  # a mixture draws from its own law


def test_exact_pools_go_to_a_million_times_the_rows_and_rows_to_what_there_is():
    exact = made("source.kind=normal", "learner.kind=gaussian")
    assert exact.causes.rows == (1, 1_000_000)
    table = made("source.kind=tabular", "source.name=breast_cancer", "samples=100")
    assert table.causes.rows == (1, 4)
    few = made("source.kind=tabular", "source.name=breast_cancer", "samples=300")
    assert few.causes.rows == (1,)


@pytest.mark.parametrize(
    ("overrides", "arm", "says"),
    [
        (["samples=[10, 20]"], None, "a decomposition is of one point"),
        (["sweep={learner.components: [1, 2]}"], None, "a decomposition is of one point"),
        ([], "mix20", "did you mean 'mix10'"),
        (["causes.sampler.temprature=1"], None, "unknown key 'causes.sampler.temprature'"),
        (
            ["causes.sampler=never"],
            None,
            "causes.sampler: settings of the learner, `absent` or `confounded`, got 'never'",
        ),
        (["chains=1"], None, "takes 2 chains or more, got 1"),
        (["causes.smapler=absent"], None, "did you mean 'sampler'"),
        (["causes.rows=[4, 1]"], None, "multiples of `samples` begin with 1 and rise"),
        (["causes.rows=[1, 1.5]"], None, "causes.rows"),
        (["source.kind=tabular", "causes.rows=[1,1000]", "samples=100"], None, "the source has"),
        (
            ["source.kind=normal", "learner.kind=gaussian", "causes.rows=[1]"],
            None,
            "no cause can be told apart",
        ),
    ],
)
def test_what_cannot_be_taken_apart_is_refused_in_a_line(overrides, arm, says):
    with pytest.raises(InputError, match="^[^\n]*$") as told:
        made(*overrides, arm=arm)
    assert says in str(told.value)


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A decomposition that has been run."""
    return outcross.decompose("gmm", SMALL, out=tmp_path_factory.mktemp("runs"), report=False).frame.directory


def test_what_a_family_says_removes_a_cause_are_settings_that_it_has():
    offered = {}
    for kind in plugins.names("families"):
        try:
            learner = plugins.factory("families", kind)()
        except (InputError, TypeError):  # has no default
            continue
        for cause, settings in getattr(learner, "remedies", {}).items():
            assert cause in causes.LEARNED
            plugins.settle("families", {"kind": kind, **settings}, cause)
            offered.setdefault(cause, set()).add(kind)
    assert {"gmm", "ngram", "vae"} <= offered["expressivity"]
    assert {"gmm", "vae", "causal_lm"} <= offered["approximation"]
    assert {"ngram", "vae", "causal_lm"} <= offered["sampler"]


def test_decomposing_says_what_it_found_to_people_and_to_programs(shell):
    said = shell("decompose", "gmm", *SMALL, "learner.iterations=1", "--quiet")
    assert (said.code, said.err) == (0, "")
    assert "of the drift (kl_divergence) by generation 2 is" in said.out
    assert "removed" in said.out
    assert all(len(line) <= 200 for line in said.out.splitlines())
    again = shell("decompose", "gmm", *SMALL, "learner.iterations=1", "--json")
    told = again.json
    assert told["causes"]["sampler"] == "absent"
    assert [g["generation"] for g in told["generations"]] == [0, 1, 2]
    last = told["generations"][-1]
    assert sum(p["value"]["value"] for p in last["parts"]) + last["left"]["value"]["value"] == pytest.approx(
        last["total"]["value"]
    )
    page = (shell.folder / told["run"] / "report.html").read_text()
    assert 'id="causes"' in page
    assert (shell.folder / told["run"] / "figures" / "causes.png").stat().st_size > 5000
    by_run = shell("decompose", told["run"], "-m", "variance_ratio", "--log", "--json", "--no-report")
    assert by_run.json["drift"] == "log variance_ratio"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-m", "nothing"], "no measure 'nothing' was taken"),
        (["-m", "weight_largest"], "no direction of collapse"),
        (["-m", "w2_gaussian", "--log"], "0 at the truth"),
        (["-g", "7"], "generation 7"),
    ],
)
def test_a_question_that_has_no_answer_is_one_line(shell, there, words, says):
    said = shell("decompose", there, "--no-report", *words)
    assert said.code == 2
    assert says in said.err
    assert len(said.err.splitlines()) == 1


def test_a_run_that_is_no_factorial_is_refused(shell):
    ran = shell("run", "gmm", *SMALL, "--json", "--no-report")
    said = shell("decompose", ran.json["run"], "--no-report")
    assert said.code == 2
    assert "not a decomposition" in said.err


# ---- the arithmetic ----


def game(k, chains=4, seed=0):
    return np.random.default_rng(seed).normal(size=(2,) * k + (chains,))


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_shapley_values_are_the_mean_over_all_orders_of_arrival(k):
    """The definition (Shapley 1953), against the sum of interactions that is computed."""
    drift = game(k)
    found = shapley(drift, k)
    for cause in range(k):
        gains = []
        for order in permutations(range(k)):
            at = [0] * k
            for other in order[: order.index(cause)]:
                at[other] = 1
            before = drift[tuple(at)]
            at[cause] = 1
            gains.append(drift[tuple(at)] - before)
        np.testing.assert_allclose(found[cause], np.mean(gains, axis=0), atol=1e-12)


def test_interactions_of_independent_causes_are_zero():
    a, b, c = (np.array([0.0, size])[:, None] for size in (1.0, 2.0, 3.0))
    drift = a[:, None, None] + b[None, :, None] + c[None, None]
    every = interactions(drift, 3)
    assert every[1, 1, 1].item() == every[1, 1, 0].item() == 0.0
    assert every[0, 1, 0].item() == 2.0


def test_a_limit_is_exact_for_errors_of_its_own_power_and_tells_of_others():
    n = np.array([1.0, 4.0, 16.0])
    line, curve = limit((0.3 + 2.0 / n)[:, None], (1, 4, 16))
    assert line.item() == pytest.approx(0.3)
    assert curve.item() == pytest.approx(0.3)
    line, curve = limit((0.3 + 2.0 / n + 1.0 / n**2)[:, None], (1, 4, 16))
    assert curve.item() == pytest.approx(0.3)
    assert abs(line.item() - 0.3) == pytest.approx(abs(line.item() - curve.item()))
    with pytest.raises(InputError, match="two numbers of rows"):
        limit(np.ones((1, 3)), (1,))


@pytest.mark.parametrize("power", [0.1, 0.5, 1.0])
def test_a_power_is_recovered_from_three_levels(power):
    levels = 0.7 + 3.0 * np.array([1.0, 4.0, 16.0]) ** -power
    assert fitted_power(levels, (1, 4, 16)) == pytest.approx(power)
    assert fitted_power(levels[::-1], (1, 4, 16)) is None
    assert fitted_power(levels, (1, 4, 17)) is None


def test_the_interval_of_a_share_covers_as_often_as_it_says():
    """95 % of 2,000 experiments with ten chains, within a binomial bound; ratio 0.3, parts and wholes correlated."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(2000):
        whole = rng.gamma(20.0, size=10)
        part = 0.3 * whole + rng.normal(0.0, 1.0, 10)
        found = ratio_interval(part, whole)
        held += found.low <= 0.3 <= found.high
    assert 0.93 < held / 2000 < 0.97


def test_a_drift_that_cannot_be_told_from_none_has_no_shares():
    at = decompose(game(2), game(2), ["statistical", "sampler"])
    assert np.isnan(at.parts[0].share.value)
