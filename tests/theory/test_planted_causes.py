"""Causes of known size are recovered, the statistical part is the closed form, and without any cause nothing is left.

All through the public call. Seeds are fixed; the intervals are 95 % ones, so each is asked of at few generations, and
what must be refused is refused by a wide margin.
"""

from __future__ import annotations

import numpy as np
import pytest

from outcross import decompose
from outcross.theory import gaussian, mixing, regression

PLANTED = "planted:Learner"
QUIET = ("floor=0", "snapshots.chains=0")
OFF, PINNED, STRETCH, LAST = 0.05, 0.2, 0.97, 5
CAUSES = {
    "approximation": ("off", OFF, 0.0),
    "expressivity": ("pinned", PINNED, None),
    "sampler": ("stretch", STRETCH, 1.0),
}


def within(interval, value, slack=1.0):
    """Whether a value lies in an interval stretched by a factor about its middle."""
    return abs(interval.value - value) <= slack * max(interval.high - interval.value, interval.value - interval.low)


def planted(folder, *settings, causes=tuple(CAUSES), chains=40, both=0.0):
    """The decomposition of the planted learner by the squared W2 distance, exact pools, 100,000 rows."""
    given = [f"learner.{key}={value}" for cause, (key, value, _) in CAUSES.items() if cause in causes]
    removed = [
        f"causes.{cause}={{{key}: {'null' if none is None else none}}}" if cause in causes else f"causes.{cause}=absent"
        for cause, (key, _, none) in CAUSES.items()
    ]
    source = ["source.kind=normal", "source.mean=[0, 0]", f"learner.kind={PLANTED}", "learner.estimator=unbiased"]
    size = [f"generations={LAST}", f"chains={chains}", "measures=[distance]", "samples=100000", f"learner.both={both}"]
    overrides = [*source, *given, *removed, *size, *QUIET, *settings]
    return decompose("gmm", overrides, measure="w2_gaussian", out=folder, workers=1, report=False)


@pytest.fixture(scope="module")
def additive(tmp_path_factory):
    """Each cause in a coordinate of its own: squared distances add up, but for what chance makes of them."""
    return planted(tmp_path_factory.mktemp("additive"))


def test_planted_causes_are_recovered_at_their_size(additive):
    """With so many rows chance hardly meets the planted errors: what they do together with it is below a hundredth."""
    found = {p.cause: p.value for p in additive.at().parts}
    fits = LAST + 1
    shrunk = (1.0 - STRETCH**LAST) ** 2  # of both columns; a distance is a mean over the two
    sizes = {"approximation": (OFF * fits) ** 2 / 2.0, "expressivity": PINNED**2 / 2.0, "sampler": shrunk}
    for cause, size in sizes.items():
        assert found[cause].value == pytest.approx(size, rel=0.01)
        assert found[cause].low < size * 1.01
        assert found[cause].high > size * 0.99
    assert found["approximation"].low > 1.2 * (OFF * LAST) ** 2 / 2.0  # one fit too few


def test_chance_in_a_mean_that_the_family_pins_is_shared_between_both(tmp_path):
    """The pinned mean does not wander: - E mu^2 / 2 is the interaction, and half of it in either part (G2)."""
    at = planted(tmp_path, "samples=100", causes=("expressivity",), chains=1000).at(LAST)
    wander = gaussian.mean_square_of_mean(100, LAST + 1, "unbiased") / 2.0
    (met,) = at.joint
    assert within(met.value, -wander, 1.5)
    found = {p.cause: p.value for p in at.parts}
    assert within(found["expressivity"], PINNED**2 / 2.0 - wander / 2.0, 1.5)
    assert not within(found["expressivity"], PINNED**2 / 2.0, 1.5)


def test_a_combination_left_out_is_foretold_from_the_others(additive):
    """The interaction of all four causes is what that prediction is off by: none, where the causes do not meet."""
    error = additive.at().additivity
    assert error.low <= 0.0 <= error.high
    assert abs(error.value) < 0.01 * additive.at().total.value


def test_causes_that_work_only_together_are_not_foretold(tmp_path):
    both = 0.1
    at = planted(tmp_path, both=both).at()
    met = next(j for j in at.joint if set(j.causes) == set(CAUSES))
    fits = LAST + 1
    meant = (((OFF + both) * fits) ** 2 - (OFF * fits) ** 2) / 2.0
    assert met.value.value == pytest.approx(meant, rel=0.1)
    assert met.value.low > 0.5 * meant


def test_without_any_cause_no_drift_is_left(additive):
    left, total = additive.at().left, additive.at().total
    assert left.high < 1e-4 * total.value
    assert abs(left.value) < 1e-5 * total.value


def test_parts_and_what_is_left_add_up_to_the_drift(additive):
    for g in additive.generations:
        at = additive.at(g)
        assert sum(p.value.value for p in at.parts) + at.left.value == pytest.approx(at.total.value, abs=1e-12)


@pytest.mark.parametrize("estimator", ["ml", "unbiased"])
def test_the_statistical_part_of_a_gaussian_is_the_closed_form(tmp_path, estimator):
    """G5: all of the W2 risk of a chain that can hold the truth and is fitted exactly is finite samples."""
    settings = ["source.kind=normal", "learner.kind=gaussian", f"learner.estimator={estimator}", "samples=100"]
    size = ["generations=10", "chains=1500", "measures=[distance]", *QUIET]
    found = decompose("gmm", settings + size, measure="w2_gaussian", out=tmp_path, workers=1, report=False)
    for g in (0, 3, 10):
        (part,) = found.at(g).parts
        assert part.cause == "statistical"
        assert within(part.value, gaussian.mean_risk(100, g + 1, estimator), 1.5)
    assert not within(found.at(3).parts[0].value, gaussian.mean_risk(100, 3, estimator), 1.5)  # one fit too few


def test_the_statistical_part_of_regression_is_the_closed_form(tmp_path):
    """R1: E error = fits x noise^2 d / (T - d - 1)."""
    settings = ["source={kind: linear, coefficients: [1, 1, 1], noise: 1.0}", "learner.kind=regression", "samples=50"]
    size = ["generations=5", "chains=1000", "measures=[coefficients]", *QUIET]
    found = decompose("theory/regression", [ONE, *settings, *size], out=tmp_path, workers=1, report=False)
    assert found.drift.measure == "coefficient_error"
    for g in (0, 5):
        assert within(found.at(g).parts[0].value, regression.replaced_error(50, 3, 1.0, g + 1), 1.5)


ONE = "arms={replace: {policy: {kind: replace}}}"


def test_the_extrapolated_limit_of_a_mixture_that_can_hold_the_truth_is_the_truth(tmp_path):
    """EM on rows at n, 4n and 16n: nothing is left at infinitely many, and what is left with a wrong family stays."""
    size = [ONE, "generations=3", "chains=12", "samples=400", "measures=[likelihood]", *QUIET]
    sound = decompose("causes/gmm", [*size, "causes.expressivity=absent"], out=tmp_path, workers=1, report=False)
    at = sound.at()
    assert {p.cause for p in at.parts} == {"statistical", "approximation"}
    assert at.left.low <= 0.0 <= at.left.high
    assert at.left.high < 0.1 * at.total.value
    wrong = decompose(
        "causes/gmm-too-few", [*size, "causes.expressivity=confounded"], out=tmp_path, workers=1, report=False
    )
    assert wrong.confounded == ["expressivity"]
    assert wrong.at().left.low > 0.5 * wrong.at().total.value
    assert "no arm isolates the family" in " ".join(wrong.notes())


def test_a_mix_with_real_rows_is_taken_apart_too(tmp_path):
    """M1: the loss of variance under a mix with fresh real rows is finite samples, in closed form."""
    arm = "arms={mix: {policy: {kind: mix, real: 0.1, anchor: fresh}}}"
    settings = ["source.kind=normal", "learner.kind=gaussian", "samples=50", "generations=20", "chains=600"]
    measured = ["measures=[column]", *QUIET]
    found = decompose(
        "gmm", [arm, *settings, *measured], measure="first_variance", out=tmp_path, workers=1, report=False
    )
    lost = 1.0 - mixing.recursion(50, 0.1, 21).S
    for g in (1, 20):
        assert within(found.at(g).parts[0].value, float(lost[g]), 1.5)
    assert np.isfinite(found.at().total.value)
