"""Measures against other people's programs, at their null, under planted damage, and where there is no answer."""

from types import SimpleNamespace

import numpy as np
import ot
import pytest
from prdc import compute_prdc
from scipy import stats

from outcross.core.contracts import Generation, Reading
from outcross.core.mixture import Mixture
from outcross.core.rng import Streams
from outcross.families.exponential_family import OneParameterModel
from outcross.measures.context import LEVELS, Context, Reference
from outcross.runs import plugins
from outcross.sources.exponential_family import Source as OneParameter
from outcross.sources.finite import Finite
from outcross.sources.mixture import Source as MixtureSource
from outcross.sources.normal import Source as Normal

LINE, PLANE = Normal(), MixtureSource()
TABLE = Finite("table", np.random.default_rng(0).gamma(2.0, size=(4000, 3)), ("x", "y", "z"))


class Model:
    """A model that is given: as a law, or as rows that are all that is known of it."""

    def __init__(self, law=None, rows=None, info=None):
        self.info = info or {}
        if law is not None:
            self.law = law
        self._rows = rows

    def sample(self, n, rng):
        if self._rows is None:
            return self.law.sample(n, rng)
        return self._rows[:n]

    def state(self):
        return {}


def take(model, source=PLANE, first=None, names="default"):
    context = Context(Reference.of(source), model, first or model, Streams.of(0, 0), 3)
    found = {}
    for measure in plugins.measures(names):
        if measure.needs == context.reference.items:
            found |= measure.take(Generation(3, None, model), context)
    return found, context


def number(reading):
    return reading.value if isinstance(reading, Reading) else reading


def gaussian(mean, covariance):
    return Model(Mixture([1.0], [mean], [covariance]))


QUANTITIES = {
    name: q
    for m in plugins.measures()
    if m.needs == "numbers" and m.name not in ("coefficients", "groups")  # these need a regression, unequal groups
    for name, q in m.quantities.items()
}
INFO = {"em_iterations": 7.0, "em_converged": 1.0}


# ---- other people's programs ----


@pytest.fixture(scope="module")
def damaged():
    """Rows of a shifted, narrower plane: (readings, model rows, reference rows), as the sampled measures see them."""
    rows = 0.8 * np.random.default_rng(1).standard_normal((100_000, 2)) + [1.0, 0.5]
    found, context = take(Model(rows=rows))
    fake, real = (side / context.reference.sd for side in context.rows(1000))
    return found, fake, real, context


def test_coverage_is_that_of_prdc(damaged):
    found, fake, real, _ = damaged
    for name, value in compute_prdc(real, fake, nearest_k=5).items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_sliced_distance_is_that_of_pot(damaged):
    found, fake, real, context = damaged
    directions = context.generator(1).standard_normal((2, 64))
    directions /= np.linalg.norm(directions, axis=0)
    assert found["sliced_w2"] == pytest.approx(ot.sliced_wasserstein_distance(fake, real, projections=directions))


def test_sampled_distances_on_a_line_are_those_of_scipy_and_pot():
    found, context = take(gaussian([0.4], [[0.5]]), LINE)
    fake, real = (side / context.reference.sd for side in context.rows(1000))
    assert found["energy_distance"] == pytest.approx(stats.energy_distance(fake[:, 0], real[:, 0]), rel=1e-9)
    assert found["sliced_w2"] == pytest.approx(np.sqrt(ot.wasserstein_1d(fake[:, 0], real[:, 0], p=2)), rel=1e-9)


def test_gaussian_distance_is_the_formula_on_a_line():
    found, _ = take(gaussian([0.3], [[0.49]]), Normal((0.0,), 2.0))
    assert found["w2_gaussian"] == pytest.approx(np.sqrt(0.3**2 + (0.7 - 2.0) ** 2) / 2.0)


def test_gaussian_distance_is_that_of_pot_in_the_plane():
    covariance = np.array([[2.0, 0.7], [0.7, 0.5]])
    found, context = take(gaussian([1.0, -1.0], covariance))
    sd, truth = context.reference.sd, context.reference.moments
    theirs = ot.gaussian.bures_wasserstein_distance(
        np.array([1.0, -1.0]) / sd,
        truth.mean / sd,
        covariance / np.outer(sd, sd),
        truth.covariance / np.outer(sd, sd),
    )
    assert found["w2_gaussian"] == pytest.approx(theirs / np.sqrt(2.0), rel=1e-6)


def test_marginal_distance_of_a_shift_is_the_shift():
    found, _ = take(gaussian([0.5], [[1.0]]), LINE)
    assert found["w1_marginal"] == pytest.approx(0.5, abs=1e-6)


def test_marginal_distance_of_rows_is_that_of_scipy():
    rows = np.random.default_rng(2).standard_t(8, size=(100_000, 3)) + 2.0
    found, context = take(Model(rows=rows), TABLE)
    reference, sd = context.reference.rows, context.reference.sd
    theirs = np.mean([stats.wasserstein_distance(rows[:, a] / sd[a], reference[:, a] / sd[a]) for a in range(3)])
    assert found["w1_marginal"] == pytest.approx(theirs, rel=0.02)  # ours is read off 129 points over +-6 sd


def test_moments_are_the_formulas():
    covariance = np.array([[2.0, 0.7], [0.7, 0.5]])
    found, _ = take(gaussian([1.0, -1.0], covariance))
    truth = np.diag([5.0, 1.0])
    assert found["mean_shift"] == pytest.approx(np.sqrt(1 / 5 + 1))
    assert found["variance_ratio"] == pytest.approx((2.0 / 5.0 + 0.5) / 2)
    assert found["log_det_ratio"] == pytest.approx(np.log(np.linalg.det(covariance) / np.linalg.det(truth)))
    assert found["generalised_variance_ratio"] == pytest.approx(np.exp(found["log_det_ratio"]))


@pytest.mark.parametrize("sd", [0.5, 0.9, 1.1])
def test_tails_of_a_gaussian_are_the_normal_integral(sd):
    found, _ = take(gaussian([0.0], [[sd**2]]), LINE)
    for name, p in zip(("99", "999", "95"), LEVELS, strict=True):
        two_sided = 2 * stats.norm.sf(stats.norm.isf(p) / sd) / (2 * p)
        assert number(found[f"tail_{name}"]) == pytest.approx(two_sided, rel=1e-8)
        radial = 2 * stats.norm.sf(stats.norm.isf(p / 2) / sd) / p
        assert number(found[f"radius_{name}"]) == pytest.approx(radial, rel=1e-8)


def test_the_worst_tail_is_that_of_the_column_that_lost_most():
    found, _ = take(gaussian([0.0, 0.0], np.diag([1.0, 0.25])), Normal((0.0, 0.0)))
    lost = stats.norm.sf(2 * stats.norm.isf(0.01)) / 0.01
    assert number(found["tail_worst_99"]) == pytest.approx(lost, rel=1e-8)
    assert number(found["tail_99"]) == pytest.approx((1.0 + lost) / 2, rel=1e-8)
    np.testing.assert_allclose(found["tail_sides"][:, :, 0], [[1.0, 1.0], [lost, lost]], rtol=1e-8)


def test_one_lost_side_shows_in_that_side_alone():
    rows = np.random.default_rng(3).standard_normal((100_000, 1))
    sides = take(Model(rows=np.minimum(rows, 2.0)), LINE)[0]["tail_sides"][0]
    assert sides[1, 0] < 0.05
    assert sides[0, 0] == pytest.approx(1.0, abs=0.15)


def test_tails_of_hidden_laws_have_intervals_that_hold_the_exact_tail():
    law = Mixture([1.0], [[0.1]], [[[0.81]]])
    exact = number(take(Model(law), LINE)[0]["tail_99"])
    hits = 0
    for seed in range(40):
        rows = np.random.default_rng(seed).normal(0.1, 0.9, (100_000, 1))
        reading = take(Model(rows=rows), LINE, names=["tails"])[0]["tail_99"]
        assert reading.low < reading.value < reading.high
        hits += reading.low <= exact <= reading.high
    assert hits >= 34  # of 40 intervals of 95 %: fewer happen once in a thousand


def test_no_row_in_the_tail_leaves_an_interval_above_zero():
    reading = take(Model(rows=np.clip(np.random.default_rng(0).standard_normal((100_000, 1)), -1, 1)), LINE)[0][
        "tail_999"
    ]
    assert (reading.value, reading.low) == (0.0, 0.0)
    assert 0.0 < reading.high < 0.2


def test_distances_of_mixtures_are_integrals_of_densities():
    model = gaussian([0.0, 0.0], np.eye(2))
    found, _ = take(model, first=Model(PLANE.law))
    assert (
        number(found["l2_to_truth"]) == number(found["l2_to_first"]) == pytest.approx(PLANE.law.l2_squared(model.law))
    )


def test_components_and_fit_are_reported_as_they_are():
    law = Mixture([0.3, 0.7], [[0.0, 0.0], [1.0, 1.0]], [np.diag([1.0, 3.0]), np.diag([4.0, 14.0])])
    found, _ = take(Model(law, info=INFO))
    named = {name: number(found[name]) for name in ("component_sd_smallest", "component_sd_largest", "weight_largest")}
    assert named == pytest.approx({"component_sd_smallest": 2**0.5, "component_sd_largest": 3.0, "weight_largest": 0.7})
    assert (found["em_iterations"], found["em_converged"]) == (7.0, 1.0)


def test_the_density_map_is_the_histogram_of_the_draws():
    found, context = take(Model(PLANE.law))
    low, high = found["density_range"]
    shares = found["density_map"]
    rows = context.draws[:, :2]
    inside = ((rows >= low) & (rows < high)).all(axis=1)
    theirs, _ = np.histogramdd(rows[inside], bins=shares.shape, range=list(zip(low, high, strict=True)))
    assert shares.sum() == pytest.approx(1.0, abs=1e-3)
    assert np.abs(shares - theirs / len(rows)).max() < 4 * np.sqrt(shares.max() / 10_000)
    reference = context.reference.rows
    assert ((reference > low) & (reference < high)).all()


# ---- the null: the truth itself ----


@pytest.mark.parametrize("source", [LINE, PLANE], ids=["line", "plane"])
def test_the_truth_reads_the_null(source):
    found, _ = take(Model(source.law, info=INFO), source)
    assert set(found) == set(QUANTITIES)
    for name, quantity in QUANTITIES.items():
        if quantity.null is None or name in ("density", "sliced_w2", "energy_distance"):
            continue
        np.testing.assert_allclose(number(found[name]), quantity.null, atol=1e-7, err_msg=name)
    assert found["density"] == pytest.approx(1.0, abs=0.1)
    for name in ("precision", "recall", "coverage"):
        assert found[name] > 0.9
    for name in ("sliced_w2", "energy_distance"):
        assert found[name] < 0.15


def test_rows_of_a_table_against_its_own_reference_read_near_the_null():
    train = TABLE.draw(TABLE.rows, Streams.of(0, 0).stream(0, 1)).items
    found, _ = take(Model(rows=np.resize(train, (100_000, 3))), TABLE)
    for name in ("mean_shift", "log_det_ratio", "w2_gaussian", "w1_marginal", "sliced_w2", "energy_distance"):
        assert abs(found[name]) < 0.2, name
    for name in ("tail_99", "tail_worst_99", "variance_ratio"):
        assert abs(number(found[name]) - 1.0) < 0.5, name


# ---- planted damage: every quantity that says which way collapse is moves that way ----

WIDE = np.random.default_rng(4).standard_normal((400_000, 2))
DAMAGE = {
    "tails dropped": Model(rows=PLANE.law.moments.mean + WIDE[np.abs(WIDE).max(axis=1) < 1.6][:100_000] * [5**0.5, 1]),
    "shifted": gaussian([1.5, 1.0], np.diag([5.0, 1.0])),
    "narrowed": Model(Mixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], [0.25 * np.eye(2)] * 2)),
    "modes merged": gaussian([0.0, 0.0], np.diag([5.0, 1.0])),
    "mode lost": gaussian([2.0, 0.0], np.eye(2)),
}
SHOWN_BY = {
    "tail_99": "tails dropped",
    "tail_999": "tails dropped",
    "tail_worst_99": "tails dropped",
    "tail_95": "tails dropped",
    "tail_worst_95": "tails dropped",
    "radius_95": "tails dropped",
    "tail_sides": "tails dropped",
    "radius_99": "tails dropped",
    "radius_999": "tails dropped",
    "mean_shift": "shifted",
    "variance_ratio": "narrowed",
    "log_det_ratio": "narrowed",
    "generalised_variance_ratio": "narrowed",
    "w2_gaussian": "mode lost",
    "w1_marginal": "modes merged",
    "shape_ks": "modes merged",
    "sliced_w2": "modes merged",
    "energy_distance": "shifted",
    "recall": "narrowed",
    "coverage": "mode lost",
    "l2_to_truth": "modes merged",
    "l2_to_first": "modes merged",
    "component_sd_smallest": "narrowed",
    "kl_divergence": "narrowed",
    "log_loss": "modes merged",
    "first_variance": "narrowed",
    "component_sd_largest": "narrowed",
}


@pytest.fixture(scope="module")
def readings():
    whole = Model(PLANE.law, info=INFO)
    return {name: take(model, first=whole)[0] for name, model in {"none": whole, **DAMAGE}.items()}


@pytest.mark.parametrize("name", [n for n, q in QUANTITIES.items() if q.collapse in ("up", "down")])
def test_damage_moves_a_quantity_the_way_it_says(name, readings):
    before, after = (np.max(number(readings[d][name])) for d in ("none", SHOWN_BY[name]))
    scale = max(abs(before), 0.1 if QUANTITIES[name].unit != "density" else 0.0)
    moved = (after - before) / scale if scale else after - before
    assert moved < -0.2 if QUANTITIES[name].collapse == "down" else moved > 0.01


def test_a_mean_that_wanders_fakes_no_tail(readings):
    """Tails are about the model's own mean: about the true one, this shift would read 8 times the true mass."""
    shifted = Mixture(PLANE.law.weights, PLANE.law.means + [1.5, 1.0], PLANE.law.covariances)
    found, context = take(Model(shifted))
    for name in ("tail_99", "tail_999", "tail_worst_99", "radius_99", "radius_999", "variance_ratio"):
        assert number(found[name]) == pytest.approx(1.0, abs=1e-7), name
    reference = context.reference
    naive = shifted.mass_outside(reference.moments.mean, reference.whitener, reference.radii)[0] / LEVELS[0]
    assert naive == pytest.approx(7.85, abs=0.01)


def test_merged_modes_leave_the_moments_alone_and_show_in_the_shape(readings):
    merged = readings["modes merged"]
    for name in ("mean_shift", "w2_gaussian", "log_det_ratio"):
        assert abs(merged[name]) < 1e-7
    assert merged["w1_marginal"] > 0.03
    assert merged["shape_ks"] == pytest.approx(0.0989, abs=5e-4)  # sup |F - Phi| of two unit blobs at -2 and 2


def test_the_shape_ignores_mean_and_spread():
    law = Mixture(PLANE.law.weights, 0.5 * PLANE.law.means + [3.0, -1.0], 0.25 * PLANE.law.covariances)
    assert take(Model(law))[0]["shape_ks"] < 1e-9


# ---- counts and flags: a mean that moves a little moves no whole value ----


def counts(family, mean):
    return OneParameterModel(family, np.array(mean)), OneParameter(family, tuple(mean))


@pytest.mark.parametrize(("family", "mean"), [("poisson", 2.0), ("poisson", 0.3), ("bernoulli", 0.01)])
@pytest.mark.parametrize("moved", [0.97, 1.0, 1.03])
def test_counts_that_hardly_moved_keep_their_tails_and_shape(family, mean, moved):
    """About the model's own mean, 3 % of a mean of 2 would read a tail of 1.66 for 1, and of 0.2 of flags 36."""
    found, _ = take(counts(family, [moved * mean])[0], counts(family, [mean])[1])
    law = {"poisson": stats.poisson, "bernoulli": stats.bernoulli}[family]
    edges = [int(law.ppf(p, mean)) for p in (0.01, 0.99)]
    beyond = [float(law.cdf(edges[0] - 1, m) + law.sf(edges[1], m)) for m in (moved * mean, mean)]
    assert found["tail_99"].low < beyond[0] / beyond[1] < found["tail_99"].high
    assert number(found["shape_ks"]) < 0.02


def test_flags_have_no_tail_and_spoil_none():
    found, _ = take(*counts("bernoulli", [0.2]))
    assert "too few distinct values" in found["tail_99"].why
    rows = np.column_stack([np.random.default_rng(0).gamma(2.0, size=4000), np.arange(4000) % 2])
    both = Finite("both", rows, ("x", "flag"))
    found, context = take(gaussian([2.0, 0.5], np.diag([1.0, 0.25])), both)
    reference = context.reference
    about = stats.norm.cdf(reference.thresholds[0, 0, 0]) + stats.norm.sf(reference.thresholds[0, 1, 0])
    assert number(found["tail_99"]) == pytest.approx(about / 0.02)


# ---- no answer: a reason, never a silent number ----


def flat_table():
    return Finite("flat", np.column_stack([np.arange(100.0), np.ones(100)]), ("x", "y"))


def test_a_constant_column_is_a_reason():
    model = gaussian([50.0, 1.0], np.eye(2))
    found, _ = take(model, flat_table(), names=["moments", "tails", "distance", "sampled_distance", "coverage"])
    for name, reading in found.items():
        assert np.isnan(reading.value), name
        assert reading.why == "column 1 of the reference is constant", name


def test_columns_that_copy_each_other_are_a_reason():
    x = np.random.default_rng(0).standard_normal(200)
    twins = Finite("twins", np.column_stack([x, 2.0 * x]), ("x", "y"))
    found, _ = take(gaussian([0.0, 0.0], np.eye(2)), twins, names=["moments", "tails"])
    assert {r.why for r in found.values()} == {"the reference covariance is singular"}


def test_a_model_without_variance_has_no_log_determinant_and_a_determinant_of_zero():
    line = np.random.default_rng(0).standard_normal((100_000, 1))
    found, _ = take(Model(rows=np.hstack([line, np.zeros_like(line)])), names=["moments"])
    assert np.isnan(found["log_det_ratio"].value)
    assert found["log_det_ratio"].why == "the model's covariance is singular"
    assert found["generalised_variance_ratio"] == 0.0


def test_too_few_reference_rows_say_how_many_a_tail_needs():
    small = Finite("small", np.random.default_rng(0).standard_normal((600, 1)), ("x",))  # 120 held out
    found, _ = take(gaussian([0.0], [[1.0]]), small, names=["tails"])
    assert found["tail_99"].why == "120 reference rows: this tail needs 500"
    assert found["radius_999"].why == "120 reference rows: this tail needs 10,000"


def test_a_model_that_is_no_mixture_is_told_no_mixture_quantities():
    assert take(Model(rows=WIDE[:100_000]), names=["mixture"])[0] == {}


def test_an_unknown_truth_is_a_reason_for_no_density_distance():
    found, _ = take(gaussian([0.0] * 3, np.eye(3)), TABLE, first=SimpleNamespace(), names=["mixture"])
    assert found["l2_to_truth"].why == "the true density is not known"
    assert found["l2_to_first"].why == "generation 0 has no known density"
