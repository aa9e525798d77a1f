"""The alarm is calibrated: it stays quiet where nothing is lost, and sounds where everything is."""

import pytest

from outcross import run
from outcross.report.verdict import courses

CHAINS = 64


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    """Whole runs of 2,000 generations at n = 1,000: collapse, the paper's tenth kept, and real against real."""
    arms = (
        "arms={replace: {policy: {kind: replace}}, mix10: {policy: {kind: mix, real: 0.1}}, "
        "real: {policy: {kind: blend, synthetic: 0, fresh: 1}}}"
    )
    settings = [arms, f"chains={CHAINS}", "seed=11", "snapshots.chains=0"]
    return run("gmm", settings, out=tmp_path_factory.mktemp("runs"), report=False).frame


@pytest.mark.parametrize("arm", [1, 2])
def test_a_tenth_kept_and_real_against_real_alarm_in_at_most_one_chain_in_twenty(frame, arm):
    alarmed = sum(c.alarmed is not None for c in courses(frame, arm))
    assert alarmed <= 0.05 * CHAINS


def test_replace_alarms_in_every_chain(frame):
    found = courses(frame, 0)
    assert sum(c.alarmed is not None for c in found) == CHAINS
    assert {c.final for c in found} == {"late"}


def test_the_worst_tail_goes_before_the_variance(frame):
    found = courses(frame, 0)
    first = sum(c.tail_halved < c.variance_halved for c in found)
    assert first >= 0.85 * CHAINS


def categories(law, samples, out):
    """Collapse, and real against real, of categories."""
    settings = [
        f"source={law}",
        "learner={kind: categorical}",
        "arms={replace: {policy: {kind: replace}}, real: {policy: {kind: blend, synthetic: 0, fresh: 1}}}",
        *(f"samples={samples}", f"chains={CHAINS}", "generations=500", "seed=11", "measures=[categories]"),
    ]
    return run("gmm", settings, out=out, report=False).frame


@pytest.mark.parametrize(
    ("law", "samples", "replaced"),
    [
        ("{kind: categorical, probabilities: [0.9, 0.09, 0.01]}", 100, 0.75),  # the tail: one expected copy
        ("{kind: categorical, probabilities: [0.99999, 0.00001]}", 100, 0.0),  # no sample holds the second
        ("{kind: zipf, categories: 1000, exponent: 1.0}", 100, 0.75),
        ("{kind: zipf, categories: 1000, exponent: 1.0}", 10_000, 1.0),
    ],
)
def test_of_categories_a_loss_alarms_where_a_sample_could_hold_it_and_real_against_real_does_not(
    law, samples, replaced, tmp_path
):
    frame = categories(law, samples, tmp_path)
    lost, null = (sum(c.alarmed is not None for c in courses(frame, arm)) for arm in (0, 1))
    assert null <= 0.05 * CHAINS
    assert lost >= replaced * CHAINS


@pytest.mark.slow
@pytest.mark.parametrize("samples", [200, 1000])  # of 200 images the family learns next to nothing
def test_of_images_collapse_alarms_and_real_against_real_does_not(samples, tmp_path):
    """The example `vae`: 24 chains of ten generations, and of models that are trained on real images only."""
    arms = "arms={replace: {policy: {kind: replace}}, real: {policy: {kind: mix, real: 1.0, anchor: redrawn}}}"
    frame = run("vae", [arms, f"samples={samples}", "chains=24"], out=tmp_path, report=False).frame
    lost, null = (sum(c.alarmed is not None for c in courses(frame, arm)) for arm in (0, 1))
    assert null <= 1
    assert lost == 24


@pytest.mark.parametrize("samples", [200, 800])
def test_of_text_collapse_alarms_and_real_against_real_does_not(samples, tmp_path):
    """Trigrams on Python's reference: 24 chains of six generations, and of models of real text only."""
    arms = "arms={replace: {policy: {kind: replace}}, real: {policy: {kind: blend, synthetic: 0, fresh: 1}}}"
    settings = [arms, f"samples={samples}", "chains=24", "generations=6", "seed=11", "snapshots.chains=0"]
    frame = run("lm", settings, out=tmp_path, report=False).frame
    lost, null = (sum(c.alarmed is not None for c in courses(frame, arm)) for arm in (0, 1))
    assert null <= 1
    assert lost == 24
