"""A web that fills with generated rows: what is published in a period, and what models lose by it."""

import math
from itertools import islice

import numpy as np
import pytest

import outcross
from outcross.core.contracts import Rows
from outcross.core.errors import InputError
from outcross.core.loop import Chain, generations
from outcross.core.policies import POLICIES, Blend, accumulate
from outcross.core.schedules import Logistic, Samples
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.kde import Learner as Kde
from outcross.plan import web as plan
from outcross.report import labels
from outcross.report.frames import Frame
from outcross.report.theory import _blend
from outcross.runs import plugins
from outcross.runs.spec import Experiment
from outcross.sources.finite import Finite
from outcross.sources.mixture import Source as Mixture
from outcross.sources.normal import Source as Normal

web = POLICIES["web"]
CURVE = {"curve": "logistic", "start": 0.1, "end": 0.9, "middle": 6, "width": 2}


def made(share):
    """A policy by way of an experiment's node."""
    return plugins.make("policies", plugins.settle("policies", {"kind": "web", "share": share}, "policy"), "policy")


def test_what_is_published_stays_and_a_share_of_it_is_generated():
    assert web(0.3).rows(1, 100, 100) == Rows(30, 100, 0, 70)
    assert web(0.3).rows(2, 100, 200) == Rows(30, 200, 0, 70)
    assert web(0.3).budget_rows(2, 100) is None
    assert web(0.3, budget=2.0).budget_rows(7, 100) == 200


def test_an_observed_list_holds_its_last_share():
    policy = made([0, 0.1, 0.3])
    assert [policy.rows(t, 100, 0).synthetic for t in (1, 2, 3, 4, 50)] == [0, 10, 30, 30, 30]


def test_a_logistic_curve_is_the_closed_form_and_its_complement_is_real():
    policy = made(CURVE)
    for t in range(1, 80):
        share = 0.1 + 0.8 / (1.0 + math.exp(-(t - 6) / 2))
        rows = policy.rows(t, 10**6, 0)
        assert abs(rows.synthetic - 10**6 * share) <= 1.5
        assert rows.synthetic + rows.fresh == 10**6
    assert made(CURVE).rows(6, 1000, 0).synthetic == 500  # half way
    assert Logistic(start=0.8, end=0.2, middle=3.0).at(3) == pytest.approx(0.5)


def test_a_curve_takes_4_4_widths_from_a_tenth_to_nine_tenths_of_the_way():
    curve = Logistic(middle=50.0, width=10.0)
    shares = np.array([curve.at(t) for t in range(100)])
    assert 43 <= np.searchsorted(shares, 0.9) - np.searchsorted(shares, 0.1) <= 45


def test_a_web_of_real_rows_alone_and_of_generated_ones_alone_are_known_policies():
    assert web(1.0).rows(3, 100, 300) == accumulate().rows(3, 100, 300)
    assert web(0.0).rows(3, 100, 300) == Rows(0, 300, 0, 100)


@pytest.mark.parametrize(
    ("share", "says"),
    [
        (1.2, r"policy: share is a share in \[0, 1\], got 1.2"),
        ([0.1, -0.2], "policy: share is a share in .* got -0.2"),
        ([], "policy: share: a schedule needs at least one value"),
        ({**CURVE, "end": 1.1}, r"policy: share.end is a share in \[0, 1\], got 1.1"),
        ({**CURVE, "curve": "cubic"}, "policy: share.curve is logistic, got 'cubic'"),
        ({**CURVE, "width": 0}, "policy: share.width is positive generations"),
        ({**CURVE, "middle": 1e9}, "policy: share.middle is a generation"),
        ({**CURVE, "from": 0.1}, "policy: unknown key 'share.from'; known: curve, start, end, middle, width"),
        ({**CURVE, "start": "much"}, "policy: share: start, end, middle and width of a curve are numbers"),
    ],
)
def test_a_share_out_of_range_is_refused_by_the_name_of_its_key(share, says):
    with pytest.raises(InputError, match=says):
        made(share)


def test_a_curve_in_an_experiment_is_the_same_after_it_was_written_and_read():
    arms = {"a": {"policy": {"kind": "web", "share": CURVE}}}
    first = Experiment.parse({"arms": arms})
    assert Experiment.parse(first.canonical()).core == first.core


def test_every_row_ever_published_is_in_the_pool_with_its_origin():
    at = list(islice(generations(Gaussian(), web(0.25), Mixture(), 40, pools="rows"), 5))
    for t, generation in enumerate(at):
        assert len(generation.pool) == 40 * (t + 1)
        assert np.bincount(generation.pool.born, minlength=t + 1).tolist() == [40 + 30 * t, *[10] * t]
    assert np.array_equal(at[4].pool.items[10:170], at[3].pool.items)  # in the order in which they came
    real = at[4].pool.items[at[4].pool.born == 0]
    assert len({row.tobytes() for row in real}) == len(real)  # rows that no pool has seen before


def test_a_crawl_of_part_of_the_web_is_drawn_anew_in_every_period():
    chain = Chain(Kde(), web(0.5, budget=1.0), Mixture(), Samples(40))
    at = chain.step(chain.step(chain.start()))
    again = chain.step(at)
    assert (len(at.pool), len(at.model.rows)) == (120, 40)
    assert np.isin(at.model.rows, at.pool.items).all()
    assert not np.isin(again.model.rows, at.model.rows).all()


def test_a_finite_source_gives_rows_drawn_anew_from_what_it_has():
    """A data set has no row that was never seen, sooner or later: its fresh rows come back."""
    table = Finite("table", np.random.default_rng(0).standard_normal((100, 2)), ("x", "y"))
    pool = list(islice(generations(Gaussian(), web(0.0), table, table.rows, pools="rows"), 2))[1].pool
    assert len(pool) == 2 * table.rows
    assert len({row.tobytes() for row in pool.items}) == table.rows


# ---- against plans of expected losses (plan/web.py), whose law is derived and simulated on its own ----

CHAINS, ROWS, PERIODS = 3000, 40, 12


def losses(policy, periods=PERIODS):
    """1 - variance of the Gaussian after so many periods, chain by chain; the truth has variance 1."""
    found = np.empty(CHAINS)
    for number in range(CHAINS):
        chain = Chain(Gaussian(), policy, Normal(), Samples(ROWS), 5, number)
        at = chain.start()
        for _ in range(periods):
            at = chain.step(at)
        found[number] = 1.0 - at.model.law.covariances[0, 0, 0]
    return found


def expected(shares, periods=PERIODS):
    made = [round(s * ROWS) for s in shares]
    tree = {"pool": ROWS, "periods": periods, "real": [ROWS - m for m in made], "models": {"ours": {"rows": made}}}
    return plan.periods(plan.parse(tree, "test"))[periods].loss["ours"]


def z(found, predicted):
    return (found.mean() - predicted) / (found.std(ddof=1) / math.sqrt(len(found)))


@pytest.fixture(scope="module")
def constant():
    return losses(web(0.75))


def test_a_gaussian_on_the_web_loses_what_the_plan_expects(constant):
    assert abs(z(constant, expected([0.75]))) < 4.0


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_a_plan_of_another_share_is_rejected(constant, share):
    assert abs(z(constant, expected([share]))) > 4.0


def test_a_curve_loses_what_the_plan_of_its_shares_expects():
    curve = Logistic(start=0.0, end=1.0, middle=4.0, width=0.5)
    policy = web({"curve": "logistic", "middle": 4.0, "width": 0.5})
    shares = [policy.rows(t, ROWS, 0).synthetic / ROWS for t in range(1, 13)]
    found = losses(policy)
    assert shares == pytest.approx([curve.at(t) for t in range(1, 13)], abs=0.5 / ROWS + 1e-9)
    assert abs(z(found, expected(shares))) < 4.0
    assert abs(z(found, expected(shares[::-1]))) > 4.0  # as many generated rows, in another order


# ---- theory claims no more than it covers ----


@pytest.mark.parametrize(
    ("policy", "rows", "said"),
    [
        (web(0.5), [100, 100], None),
        (web([0.0, 0.5]), [100, 100], None),
        (made(CURVE), [100, 100], None),
        (web(0.9999), [100, 100], {"policy": "accumulate"}),  # not one real row in a hundred
        (web(0.9999), [100, 10_000], None),
        (web(1.0), [100, 10_000], {"policy": "accumulate"}),
        (web(1.0, budget=1.0), [100, 100], {"policy": "accumulate_subsample"}),
        (web(1.0, budget=0.5), [100, 100], None),
        (Blend(), [100, 10_000], {"policy": "replace"}),
        (Blend(synthetic=0.9999, fresh=0.0001), [100, 10_000], {"policy": "mix", "real": 0, "anchor": "redrawn"}),
    ],
)
def test_an_oracle_is_claimed_only_where_it_covers_the_web(policy, rows, said):
    assert _blend(policy, np.array(rows)) == said


def test_what_labels_are_worth_is_drawn_for_a_run_that_sweeps_over_recall(tmp_path):
    tree = {
        "source": {"kind": "normal"},
        "learner": {"kind": "gaussian"},
        "arms": {"web": {"policy": {"kind": "web", "share": 0.9}}},
        "stages": {"label": {"kind": "label"}},
        "sweep": {"stages.label.recall": [0, 0.5, 1], "stages.label.precision": [0.6, 1]},
        "samples": 40,
        "generations": 12,
        "chains": 8,
        "floor": 2,
        "measures": ["likelihood", "moments", "distance"],
    }
    result = outcross.run(Experiment.parse(tree), out=tmp_path, workers=1)
    worth = labels.Worth(Frame(result.directory))
    assert [line.recalls for line in worth.lines] == [[0.0, 0.5, 1.0]] * 2
    right = next(line for line in worth.lines if "precision=1" in line.name)
    assert right.read[-1].value < right.read[0].value
    assert worth.sentence() in result.report().read_text(encoding="utf-8")
    assert (result.directory / "figures" / "labels.png").is_file()
    plain = outcross.run(
        Experiment.parse({**tree, "sweep": {}, "generations": 1}), out=tmp_path, workers=1, report=False
    )
    assert labels.plate(Frame(plain.directory)) is None
