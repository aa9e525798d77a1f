"""What every oracle refuses, what holds of them at any setting, and that the catalogue lists them all."""

import inspect
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcross.core.errors import InputError
from outcross.theory import (
    accumulate,
    discrete,
    drift,
    exponential,
    extrapolation,
    gaussian,
    mixing,
    poisoning,
    regression,
    scaling,
    selection,
    stability,
)
from outcross.theory.catalogue import CATALOGUE, LEFT_OUT
from outcross.theory.given import ML, UNBIASED

P = (0.5, 0.3, 0.2)
REFUSED = [
    (lambda: gaussian.mean_variance(1, 5, ML), "n is 2 or more, got 1"),
    (lambda: gaussian.mean_variance(20.5, 5, ML), "n is a whole number, got 20.5"),
    (lambda: gaussian.mean_variance(20, 0, ML), "g is 1 or more, got 0"),
    (lambda: gaussian.mean_variance("20", 5, ML), "n is a number, got '20'"),
    (lambda: gaussian.mean_variance(None, 5, ML), "n is a number, got None"),
    (lambda: gaussian.mean_variance([[20, 30]], 1, ML), "n is a number, got [20, 30]"),
    (lambda: gaussian.mean_variance(20, True, ML), "g is a number, got True"),
    (lambda: gaussian.mean_variance(10**400, 1, ML), "n is at most 1.8e+308, got a number of more digits"),
    (lambda: discrete.heterozygosity("ab"), "a law is one list of numbers, got 'ab'"),
    (lambda: discrete.heterozygosity([[1], [1, 2]]), "a law is one list of numbers, got [[1], [1, 2]]"),
    (lambda: drift.extinction(2.5), "g is a whole number, got 2.5"),
    (lambda: drift.extinction(10**10), "g is 10,000,000 or less, got 10,000,000,000"),
    (lambda: gaussian.mean_variance(20, 10**10, ML), "g is 100,000,000 or less, got 10,000,000,000"),
    (lambda: drift.lost_by_drift([0.5], 1, 100), "copies are 1 or more, got 0.5"),
    (
        lambda: drift.lost_by_drift([1, 2], 300, 100),
        "25 copies^2 and 5 g are n or less, got copies = 2, g = 300, n = 100",
    ),
    (
        lambda: drift.lost_by_drift([3], 1, 100),
        "25 copies^2 and 5 g are n or less, got copies = 3, g = 1, n = 100",
    ),
    (lambda: drift.holds(float("nan"), 1, 100), "copies is finite, got nan"),
    (lambda: drift.holds(1, -1, 100), "g is 0 or more, got -1"),
    (lambda: mixing.denominator(-1, 0.5), "n is 1 or more, got -1"),
    (lambda: mixing.denominator(20, -5.0), "alpha lies in [0, 1], got -5"),
    (lambda: mixing.smallest_real_share(100, "x"), "eps is a number, got 'x'"),
    (lambda: mixing.weighted_variance(5, 5, "x"), "weight is a number, got 'x'"),
    (lambda: poisoning.amplification(0.1, "x", 6.0, 3), "eps is a number, got 'x'"),
    (lambda: discrete.mixed_limit(P, 50, 0.1, original=-1), "original is 2 or more, got -1"),
    (lambda: selection.curate(P, (0.0, 1.0, 2.0), -np.inf), "choices is a whole number, got -inf"),
    (
        lambda: selection.curation_bound(P, (0.0, 1.0, 1000.0), 2),
        "rewards of living categories lie below 700, as e^r is taken, got 1000",
    ),
    (lambda: selection.verified_mean(float("nan"), 5), "centre is finite, got nan"),
    (lambda: extrapolation.self_trained_sd(0.9, 0.8, np.inf), "weight is finite, got inf"),
    (lambda: extrapolation.score_extrapolated_variance(1.0, 0.9, float("nan")), "weight is finite, got nan"),
    (lambda: regression.pooled_floor(0.5, np.inf), "gap is finite, got inf"),
    (lambda: mixing.recursion(10**12, 1 / 3, 5), "alpha n is a whole number of rows, got 3.33333e+11"),
    (lambda: gaussian.mean_variance(20, 2.5, ML), "g is a whole number, got 2.5"),
    (lambda: gaussian.mean_variance([20, 30], 3, ML), "3 fits need 3 row counts, got 2"),
    (lambda: gaussian.mean_variance(20, 5, "mle"), "estimator is ml or unbiased, got 'mle'"),
    (lambda: gaussian.mean_log_determinant(3, 5, 3, ML), "n is 4 or more, got 3"),
    (lambda: gaussian.mean_log_determinant(3, 5, 0, ML), "d is 1 or more, got 0"),
    (lambda: gaussian.mean_variance_scaled(20, 5, 0.0, ML), "scale lies between 0 and inf, got 0"),
    (lambda: gaussian.mean_variance_scaled(20, 5, float("nan"), ML), "scale lies between 0 and inf, got nan"),
    (lambda: gaussian.error_of_log_spread(20, 5, 1), "chains is 2 or more, got 1"),
    (lambda: gaussian.simulate(20, 5, ML, 0, np.random.default_rng(0)), "chains is 1 or more, got 0"),
    (lambda: accumulate.mean_variance(0, 5), "n is 1 or more, got 0"),
    (lambda: accumulate.mean_variance(5, 5, before=-1), "rows before is 0 or more, got -1"),
    (lambda: accumulate.limit_of_variance(0), "n is 1 or more, got 0"),
    (lambda: accumulate.subsampled(1, 5), "n is 2 or more, got 1"),
    (lambda: accumulate.subsampled(5, 0), "g is 1 or more, got 0"),
    (lambda: mixing.recursion(50, 0.11, 5), "alpha n is a whole number of rows, got 5.5"),
    (lambda: mixing.recursion(50, 1.1, 5), "alpha lies in [0, 1], got 1.1"),
    (lambda: mixing.recursion(50, -0.1, 5), "alpha lies in [0, 1], got -0.1"),
    (lambda: mixing.recursion(50, 0.1, 0), "g_max is 1 or more, got 0"),
    (lambda: mixing.recursion(50, 0.1, 5, "frozen"), "anchor is fresh, fixed or redrawn, got 'frozen'"),
    (lambda: mixing.recursion(50, 0.1, 5, "fresh", "mle"), "estimator is ml or unbiased, got 'mle'"),
    (lambda: mixing.recursion(50, 0.0, 5, "fixed"), "a fixed anchor needs 1 real row or more, got 0"),
    (lambda: mixing.recursion(50, 0.4, 5, "redrawn", ML, 10), "20 redrawn rows cannot be taken from 10 original ones"),
    (lambda: mixing.fixed_point(50, 0.01), "alpha n is a whole number of rows, got 0.5"),
    (lambda: mixing.fixed_point(50, 0.0), "alpha n is 1 row or more, got 0"),
    (lambda: mixing.fixed_point(50, 0.1, "redrawn"), "a redrawn anchor needs the number of its original rows"),
    (lambda: mixing.fixed_point_unbiased(50, 0.0), "alpha n is 1 row or more, got 0"),
    (lambda: mixing.smallest_real_share(100, 0.009), "eps lies in [1/n, 1) = [0.01, 1), got 0.009"),
    (lambda: mixing.smallest_real_share(100, 1.0), "eps lies in [1/n, 1) = [0.01, 1), got 1"),
    (
        lambda: mixing.weighted_variance(10, 10, 0.0),
        "weight lies in (0, 1], got 0: without real rows there is no limit",
    ),
    (lambda: mixing.best_weight(0.0), "kappa lies between 0 and inf, got 0"),
    (lambda: discrete.heterozygosity((1.0,)), "a law has two categories or more, got 1"),
    (lambda: discrete.heterozygosity((0.5, 0.5, 0.0)), "every category has positive mass, got 0"),
    (lambda: discrete.heterozygosity((0.7, 0.5, -0.2)), "every category has positive mass, got -0.2"),
    (lambda: discrete.heterozygosity((0.5, 0.4)), "probabilities sum to 1, got 0.9"),
    (lambda: discrete.heterozygosity(((0.5, 0.5),)), "a law is one list of numbers, got 2 axes"),
    (lambda: discrete.mean_heterozygosity(P, 40, 0), "g is 1 or more, got 0"),
    (lambda: discrete.lost(0, 5), "copies is 1 or more, got 0"),
    (lambda: discrete.lost(3, -1), "g is 0 or more, got -1"),
    (lambda: discrete.survivors(P, 40, 0), "g is 1 or more, got 0"),
    (lambda: discrete.absorption_time(1.0, 40), "p lies between 0 and 1, got 1"),
    (
        lambda: discrete.absorption_time(0.5, 3000),
        "n is 2000 or less for the exact solution, got 3000: use the diffusion",
    ),
    (
        lambda: discrete.absorption_time_all_distinct(3000),
        "n is 2000 or less for the exact solution, got 3000: use 2(n - 1)",
    ),
    (lambda: discrete.mixed_limit(P, 40, 0.11), "alpha n is a whole number of rows, got 4.4"),
    (lambda: exponential.mean_log_mean(0, 5), "n is 1 or more, got 0"),
    (lambda: exponential.poisson_extinction(0.0, 10, 5), "rate lies between 0 and inf, got 0"),
    (lambda: exponential.bernoulli_variance_of_mean(0.0, 10, 5), "p lies between 0 and 1, got 0"),
    (lambda: regression.replaced_error(6, 5, 1.0, 1), "n exceeds d + 1 = 6, got 6"),
    (lambda: regression.replaced_error(30, 5, 0.0, 1), "noise lies between 0 and inf, got 0"),
    (lambda: regression.accumulated_error_same(30, 5, 1.0, 0), "g is 1 or more, got 0"),
    (lambda: regression.pooled_floor(1.5, 1.0), "share lies in [0, 1], got 1.5"),
    (lambda: regression.pooled_floor(0.5, -1.0), "gap is 0 or more, got -1"),
    (lambda: scaling.exponent(1.0), "beta lies between 1 and inf, got 1"),
    (lambda: scaling.zipf(1.5, 1), "support is 2 or more, got 1"),
    (lambda: scaling.unseen_mass(P, 0), "rows is 1 or more, got 0"),
    (lambda: scaling.unseen_mass_cut(P, 10, 3), "kept is less than the 3 categories of p, got 3"),
    (lambda: stability.retraining_rate(0.5, 1.0), "ratio (1 + L gap/a) is below 1/2, got 0.5: no rate is known"),
    (lambda: stability.retraining_rate(-0.1, 1.0), "ratio is 0 or more, got -0.1"),
    (lambda: stability.smallest_stable_share(0.0), "lipschitz lies between 0 and inf, got 0"),
    (lambda: stability.steady_error(0.5, 2.0, 0.1), "(1 - alpha) L is below 1, got 1: the loop is not stable"),
    (lambda: stability.steady_error(0.9, 2.0, -0.1), "step_error is 0 or more, got -0.1"),
    (lambda: stability.accumulating_variance(10, 1.5, 5), "alpha lies in [0, 1], got 1.5"),
    (lambda: selection.critical_error(0.0, 0.0), "a verifier keeps something: phi + psi > 0"),
    (lambda: selection.critical_error(1.2, 0.0), "phi lies in [0, 1], got 1.2"),
    (lambda: selection.selected_error(0.0, 0.0, 0.5), "a verifier keeps something: p psi + (1 - p) phi > 0"),
    (lambda: selection.curate(P, (0, 1), 2), "every category has one reward, got (3,) and (2,)"),
    (lambda: selection.curate(P, (0, 1, np.inf), 2), "every reward is finite"),
    (lambda: selection.curate((0.5, 0.6, -0.1), (0, 1, 2), 2), "every category has positive mass, got -0.1"),
    (lambda: selection.curate((0.5, 0.4, 0.0), (0, 1, 2), 2), "probabilities sum to 1, got 0.9"),
    (lambda: selection.curate(P, (0, 1, 2), 1), "choices is 2 or more, got 1"),
    (lambda: selection.curate(P, (0, 1, 2), 30), "3 categories allow no 30 choices: states^choices <= 10000000"),
    (lambda: selection.curated(P, (0, 1, 2), 2, 5, real=2.0), "real lies in [0, 1], got 2"),
    (lambda: selection.verified_mean(0.8, 5, width=0.0), "width lies between 0 and inf, got 0"),
    (lambda: extrapolation.best_weight(0.9, 1.0), "scale differs from 1, or no weight changes anything"),
    (lambda: extrapolation.self_trained_sd(0.9, 0.5, -3.0), "weight -3 extrapolates to a standard deviation of -0.45"),
    (lambda: extrapolation.score_extrapolated_variance(0.0, 1.0, 1.0), "base lies between 0 and inf, got 0"),
    (lambda: poisoning.critical_rate_first_order(0.1, 1.0), "a lies between 1 and inf, got 1"),
    (
        lambda: poisoning.variance_first_order(0.1, 0.02, 3.0),
        "eps is below alpha/(a^2 - 1) = 0.0125, got 0.02: there is no fixed point",
    ),
    (
        lambda: poisoning.fixed_point(0.1, 0.03, 2.0),
        "eps is below alpha/a^2 = 0.025, got 0.03: there is no fixed point",
    ),
    (lambda: poisoning.population(0.6, 0.5, 3.0, 5), "eps lies in [0, 0.4], got 0.5"),
    (
        lambda: poisoning.observed_threshold(0.5, 0.5),
        "alpha/a^2 is below 1 - alpha, got 2: no share of poison runs away",
    ),
    (
        lambda: poisoning.observed_threshold(0.1, 3.0, variance=-5.0, g=1),
        "variance is above 1, which eps = alpha/a^2 reaches, got -5",
    ),
    (lambda: poisoning.observed_threshold(0.1, 3.0, g=5), "no eps to 0.0444444 exceeds 1e+12 by fit 5"),
    (lambda: poisoning.trimmed(0.0, 5), "q lies between 0 and 1, got 0"),
    (lambda: poisoning.amplification(0.1, 0.0, 3.0, 5), "eps is positive, got 0: without poison nothing is amplified"),
    (lambda: poisoning.amplification(0.1, 0.01, 3.0, 1), "g is 2 or more, got 1"),
]


@pytest.mark.parametrize(("ask", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_what_an_oracle_does_not_cover_is_refused_in_one_line(ask, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        ask()


# ---- what holds at any setting ----

quick = settings(max_examples=60, deadline=None, derandomize=True)
rows = st.integers(2, 500)
fits = st.integers(1, 60)
estimators = st.sampled_from([ML, UNBIASED])
laws = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6).map(lambda w: np.array(w) / np.sum(w))


@st.composite
def mixes(draw):
    """(n, alpha, original): a whole number of real rows, no more than there are original ones."""
    n = draw(st.integers(3, 300))
    real = draw(st.integers(1, n - 1))
    return n, real / n, draw(st.integers(real, 600).filter(lambda o: o >= 2))


@given(rows, fits)
@quick
def test_ml_shrinks_and_unbiased_does_not(n, g):
    shrunk = gaussian.mean_variance(n, g, ML)
    assert 0 < gaussian.mean_variance(n, g + 1, ML) < shrunk < 1
    assert gaussian.mean_variance(n, g, UNBIASED) == 1
    assert gaussian.row_variance(n, g, ML) == pytest.approx(1)
    assert shrunk <= accumulate.subsampled(n, g).variance + 1e-12
    assert accumulate.subsampled(n, g).variance <= accumulate.mean_variance(n, g) + 1e-12
    assert accumulate.limit_of_variance(n) < accumulate.mean_variance(n, g) < 1
    assert accumulate.subsampled_limit_of_variance(n) <= accumulate.subsampled(n, g).variance + 1e-12


@given(st.lists(rows, min_size=2, max_size=30), estimators)
@quick
def test_a_schedule_is_the_sum_of_its_fits(sizes, estimator):
    g = len(sizes)
    each = [gaussian.mean_log_variance(n, 1, estimator) for n in sizes]
    assert gaussian.mean_log_variance(sizes, g, estimator) == pytest.approx(sum(each))
    assert gaussian.mean_variance(sizes, g, estimator) == pytest.approx(
        np.prod([gaussian.mean_variance(n, 1, estimator) for n in sizes])
    )
    assert gaussian.mean_variance([sizes[0]] * g, g, estimator) == gaussian.mean_variance(sizes[0], g, estimator)
    moments = [gaussian.variance_of_variance, gaussian.variance_of_square_of_mean]
    assert all(f(sizes, g, estimator) > 0 for f in moments)
    assert gaussian.mean_risk(sizes, g, estimator) > gaussian.mean_risk(sizes[:-1], g - 1, estimator) > 0


@given(mixes(), estimators, st.sampled_from(["fresh", "fixed", "redrawn"]))
@quick
def test_a_mix_stays_between_collapse_and_truth(mix, estimator, anchor):
    n, alpha, original = mix
    found = mixing.recursion(n, alpha, 40, anchor, estimator, original)
    assert (found.S > 0).all()
    assert (found.V > 0).all()
    assert (found.C > -1e-12).all()
    if estimator == ML:
        np.testing.assert_allclose(found.S + found.V, 1.0)
        limit = mixing.fixed_point(n, alpha, anchor, original)
        assert 0 < limit.S < 1
        assert limit.S + limit.V == pytest.approx(1)
    elif anchor == "fresh":
        assert mixing.fixed_point_unbiased(n, alpha).S > 1


@given(mixes())
@quick
def test_a_redrawn_anchor_lies_between_fixed_and_fresh(mix):
    n, alpha, original = mix
    fresh, fixed = mixing.fixed_point(n, alpha).V, mixing.fixed_point(n, alpha, "fixed").V
    assert fixed <= mixing.fixed_point(n, alpha, "redrawn", original).V + 1e-15
    assert mixing.fixed_point(n, alpha, "redrawn", original).V <= fresh + 1e-15
    assert mixing.fixed_point(n, alpha, "redrawn", original, replacement=True).V == fresh
    assert mixing.fixed_point(n, alpha, "redrawn", 10**9).V == pytest.approx(fresh, rel=1e-6)
    real = round(alpha * n)
    if real > 1:
        assert mixing.fixed_point(n, alpha, "redrawn", real).V == pytest.approx(fixed)


@given(st.integers(10, 10**6), st.floats(0.001, 0.999))
@quick
def test_the_smallest_real_share_tolerates_what_was_asked(n, eps):
    if eps * n < 1:
        return
    alpha = mixing.smallest_real_share(n, eps)
    assert 0 < alpha <= 1
    assert mixing.denominator(n, alpha) == pytest.approx(1 / eps, rel=1e-9)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0.01, 1.0))
@quick
def test_no_weight_beats_the_best(real, synthetic, weight):
    best = mixing.best_weight(real / synthetic)
    assert mixing.weighted_variance(real, synthetic, best) <= mixing.weighted_variance(real, synthetic, weight) * (
        1 + 1e-12
    )


@given(laws, rows, fits)
@quick
def test_drift_only_loses(p, n, g):
    h = [discrete.mean_heterozygosity(p, n, i) for i in (g, g + 1)]
    assert 0 < h[1] < h[0] < discrete.heterozygosity(p)
    alive = [discrete.survivors(p, n, i) for i in (g, g + 1)]
    assert 0 < alive[1] <= alive[0] <= len(p)
    assert discrete.lost(1, g) < discrete.lost(1, g + 1) < 1
    assert discrete.variance_of_frequencies(p, n, g).sum() == pytest.approx(discrete.heterozygosity(p) - h[0])


@given(st.floats(0.01, 0.99), st.integers(2, 60))
@quick
def test_absorption_is_symmetric_and_close_to_its_diffusion(p, n):
    exact = discrete.absorption_time(p, n)
    assert exact == pytest.approx(discrete.absorption_time(1 - p, n), rel=1e-9)
    assert 1 <= exact < discrete.absorption_time_diffusion(p, n) + 2
    assert discrete.absorption_time_all_distinct(n) == pytest.approx(2 * n, abs=3)


@given(laws, st.integers(2, 4), st.data())
@quick
def test_curation_keeps_a_law_and_raises_the_reward(p, k, data):
    r = np.array(data.draw(st.lists(st.floats(-5, 5), min_size=len(p), max_size=len(p))))
    after = selection.curate(p, r, k)
    assert after.sum() == pytest.approx(1, abs=1e-12)
    assert (after >= 0).all()
    assert after @ np.exp(r) >= selection.curation_bound(p, r, k) * (1 - 1e-12)
    np.testing.assert_allclose(selection.curate(p, r + 3.0, k), after, rtol=1e-9)  # only differences matter


@given(st.floats(0.01, 0.9), st.floats(1.1, 12.0), st.floats(0.01, 0.99))
@quick
def test_a_poisoned_fixed_point_stays_put(alpha, a, part):
    eps = part * min(poisoning.critical_rate(alpha, a), 1 - alpha)
    m, v = poisoning.fixed_point(alpha, eps, a)
    w, p = 1 - alpha - eps, m + a * np.sqrt(v)
    assert w * m + eps * p == pytest.approx(m, rel=1e-9)
    assert alpha + w * (v + m * m) + eps * p * p - m * m == pytest.approx(v, rel=1e-6)


@given(st.integers(1, 200), st.floats(0.0, 1.0), st.integers(1, 200))
@quick
def test_real_rows_never_hurt_a_growing_pool(n, alpha, g):
    least, most = stability.accumulating_variance(n, 1.0, g), stability.accumulating_variance(n, 0.0, g)
    assert least * (1 - 1e-9) <= stability.accumulating_variance(n, alpha, g) <= most * (1 + 1e-9)


# ---- the catalogue ----

IDS = {
    *(f"G{i}" for i in range(1, 8)),
    *(f"A{i}" for i in range(1, 4)),
    *(f"R{i}" for i in range(1, 6)),
    *(f"M{i}" for i in range(1, 8)),
    *(f"D{i}" for i in range(1, 8)),
    *(f"E{i}" for i in range(1, 4)),
    *(f"T{i}" for i in range(1, 5)),
    *(f"B{i}" for i in range(1, 5)),
    *("C1", "C2"),
    *(f"S{i}" for i in range(1, 6)),
    *(f"P{i}" for i in range(1, 7)),
}


def test_every_oracle_is_in_the_catalogue_or_left_out_for_a_reason():
    assert set(CATALOGUE) | set(LEFT_OUT) == IDS
    assert not set(CATALOGUE) & set(LEFT_OUT)
    assert all(LEFT_OUT.values())


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_function_of_an_oracle_names_it(name):
    entry = CATALOGUE[name]
    assert entry.quantity
    assert entry.setting
    assert entry.reference
    for function in entry.functions:
        assert re.search(rf"\b{name}\b", inspect.getdoc(function)), f"{function.__name__} names no {name}"


def test_every_public_function_is_in_the_catalogue():
    listed = {f for entry in CATALOGUE.values() for f in entry.functions}
    helpers = {"denominator", "zipf"}
    for module in (
        accumulate, discrete, exponential, extrapolation, gaussian, mixing,
        poisoning, regression, scaling, selection, stability,
    ):  # fmt: skip
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                assert function in listed or name in helpers, f"{module.__name__}.{name}"
