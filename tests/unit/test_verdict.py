"""Verdicts across chains, on frames made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from outcross.core.contracts import Reading
from outcross.measures.phase import DISTANCE, SHAPE, TAIL, VARIANCE, Floor, Margins
from outcross.report.verdict import courses, verdicts

NONE = {TAIL: 1.0, "tail_worst_99": 1.0, VARIANCE: 1.0, DISTANCE: 0.0, SHAPE: 0.0}
EARLY = NONE | {TAIL: 0.2, "tail_worst_99": 0.1}
LATE = EARLY | {VARIANCE: 0.1, DISTANCE: 0.8}
LACKING = NONE | {VARIANCE: np.nan}
STATES = {"n": NONE, "e": EARLY, "l": LATE, "i": LACKING}


def frame(*chains, persistence=3, floors=None, statuses=None):
    """Chains spelled by their records: n(one), e(arly), l(ate), i(nconclusive), at generations 0, 10, 20, ..."""
    readings = {
        (0, c): {10 * i: {k: Reading(v) for k, v in STATES[s].items()} for i, s in enumerate(spelled)}
        for c, spelled in enumerate(chains)
    }
    return SimpleNamespace(
        experiment=SimpleNamespace(margin=Margins(persistence=persistence)),
        by_chain=readings,
        cells=[SimpleNamespace(arm="replace", axes={"samples": 100})],
        summaries=[],
        theory=SimpleNamespace(fault=lambda cell: ""),
        floors=floors or {},
        floor_of=lambda cell: {name: Floor.of(v) for (c, name), v in (floors or {}).items() if c == cell},
        chains={(0, c): (10, s, None) for c, s in enumerate(statuses or ["done"] * len(chains))},
    )


def decided(*chains, **options):
    return verdicts(frame(*chains, **options))[0]


@pytest.mark.parametrize(
    ("chains", "phase"),
    [
        (["nnnn"] * 8, "none"),
        (["neee"] * 8, "early"),
        (["nlll"] * 8, "late"),
        (["nlll"] * 3, "inconclusive"),  # 3 of 3 still leave one half possible
        (["nlll"] * 4, "late"),
        (["neee"] * 4 + ["nlll"] * 4, "early"),  # collapsed for certain, late not
        (["nnnn"] * 4 + ["nlll"] * 4, "inconclusive"),
        (["niii"] * 8, "inconclusive"),
        (["nlll"] * 16 + ["nnnn"], "late"),
        ([], "inconclusive"),
    ],
)
def test_a_phase_needs_more_than_half_of_the_chains_for_certain(chains, phase):
    assert decided(*chains).phase == phase


@pytest.mark.parametrize(
    ("spelled", "final"),
    [
        ("nnlll", "late"),
        ("lllne", "inconclusive"),
        ("nnell", "early"),
        ("nneel", "early"),
        ("lllnn", "inconclusive"),
        ("llnnn", "none"),
        ("nnill", "inconclusive"),
        ("l", "late"),
    ],
)
def test_a_chain_ends_in_what_its_last_records_agree_on(spelled, final):
    assert courses(frame(spelled), 0)[0].final == final


def test_an_alarm_is_raised_by_records_in_a_row_and_stays_raised():
    found = courses(frame("nneeen", "nnenen", "nlllnn"), 0)
    assert [c.alarmed for c in found] == [20, None, 10]
    assert decided("nneeen", "nnenen").alarmed.value == 0.5


def test_persistence_is_a_setting():
    assert courses(frame("nenn", persistence=1), 0)[0].alarmed == 10


def test_the_order_of_losses_is_told():
    verdict = decided(*["nneell"] * 6, *["nnllll"] * 2, "nnnnnn")
    assert verdict.tail_halved.value == 20
    assert verdict.variance_halved.value == 40
    assert verdict.tail_first.value == pytest.approx(6 / 8)  # of the chains that lost anything
    assert verdict.chains == 9
    assert verdict.generation == 50


def test_a_floor_that_reads_like_collapse_is_no_collapse():
    """A family that cannot fit the truth loses the same tail when fitted on real rows."""
    floors = {(0, TAIL): np.array([0.2] * 5), (0, "tail_worst_99"): np.array([0.1] * 5)}
    assert decided(*["eeee"] * 8).phase == "early"
    verdict = decided(*["eeee"] * 8, floors=floors)
    assert verdict.phase == "none"
    assert np.isnan(verdict.tail_halved.value)


def test_the_floor_of_another_cell_does_not_count():
    assert decided(*["eeee"] * 8, floors={(1, TAIL): np.array([0.2])}).phase == "early"


def test_shares_of_the_phases_are_wilsons_and_the_sentence_counts_chains():
    verdict = decided(*["nlll"] * 7, "nnnn", statuses=["done"] * 6 + ["degenerate", "done"])
    assert verdict.shares["late"].value == 7 / 8
    assert verdict.shares["late"].low == pytest.approx(0.5291, abs=1e-4)
    assert "7 of 8 chains end in late collapse" in verdict.why
    assert "1 degenerate" in verdict.why
    assert "fewer than 4 chains" in decided("nlll", "nlll").why
    assert "no chain" in decided().why


def test_the_machine_readable_form_names_the_cell():
    made = frame(*["nlll"] * 8)
    found = verdicts(made)[0].json(made)
    assert found["cell"] == {"arm": "replace", "samples": 100}
    assert found["phase"] == "late"
