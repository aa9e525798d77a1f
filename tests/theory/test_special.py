"""Effects of order 1/n keep their digits, for as many rows as anybody asks for; what outgrows a float is infinite."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcross.theory import accumulate, discrete, exponential, gaussian, poisoning, selection, special
from outcross.theory.given import ML, UNBIASED

POSITIVE = st.floats(0.01, 1e14)


@given(POSITIVE)
@settings(max_examples=300, deadline=None)
def test_two_half_steps_of_the_gamma_function_are_a_whole_one(a):
    both = special.log_half_step(np.array([a, a + 0.5])).sum()
    assert both == pytest.approx(-0.5 * math.log1p(0.5 / a), rel=1e-11)


@given(st.floats(0.01, 1e5))
@settings(max_examples=300, deadline=None)
def test_a_step_of_digamma_is_one_over_its_argument(a):
    low, high = special.digamma_less_log(np.array([a, a + 1.0]))
    assert high - low == pytest.approx(1.0 / a - math.log1p(1.0 / a), rel=1e-6, abs=1e-14)


@pytest.mark.parametrize("n", [10**6, 10**9, 10**12, 10**15])
def test_first_orders_hold_at_any_size(n):
    close = {"rel": 1e-4}
    for estimator in (ML, UNBIASED):
        assert gaussian.mean_risk(n, 10, estimator) * n == pytest.approx(15.0, **close)
        assert gaussian.variance_of_variance(n, 10, estimator) * n == pytest.approx(20.0, **close)
    assert gaussian.mean_log_variance(n, 10, UNBIASED) * n == pytest.approx(-10.0, **close)
    assert gaussian.mean_log_determinant(n, 10, 3, ML) * n == pytest.approx(-90.0, **close)
    assert accumulate.variance_of_variance(n, 2) * n == pytest.approx(2.5, **close)
    assert accumulate.mean_square_of_mean(n, 2) * n == pytest.approx(1.25, **close)
    assert discrete.variance_of_frequencies((0.3, 0.7), n, 10)[0] * n == pytest.approx(2.1, **close)
    assert exponential.mean_log_mean(n, 10) * n == pytest.approx(-5.0, **close)
    assert exponential.variance_of_mean(n, 10) * n == pytest.approx(10.0, **close)


def test_log_determinants_are_those_of_scipy_digamma_on_small_samples():
    from scipy.special import digamma

    whole = 4 * (sum(digamma((30 - j) / 2) for j in (1, 2, 3)) - 3 * math.log(30 / 2))
    assert gaussian.mean_log_determinant(30, 4, 3, ML) == pytest.approx(whole, rel=1e-12)


def test_certain_categories_and_single_rows_have_limits_and_no_warnings():
    assert discrete.first_survivors((1e-17, 1.0), 10) == pytest.approx(1.0)
    assert accumulate.variance_of_variance(1, 10) == 0.0
    assert discrete.heterozygosity((1e-12, 1.0 - 1e-12)) == pytest.approx(2e-12, rel=1e-4)


def test_what_outgrows_a_float_is_infinite():
    assert poisoning.replace_variance(0.9, 1e10, 1001) == math.inf
    assert gaussian.mean_variance_scaled(5, 3, 1e200, ML) == math.inf
    assert gaussian.variance_of_variance(2, 2000, UNBIASED) == math.inf


def test_limits_of_selection_and_trimming_have_numbers():
    assert selection.verified_variance(10, 60, 1e9) == pytest.approx(6.0)
    assert selection.verified_mean(0.8, 60, 1e200) == 0.0
    assert poisoning.trimmed(1e-300, 5).mean == pytest.approx(0.0, abs=1e-290)


def test_curation_looks_at_living_categories_and_at_differences_of_rewards_alone():
    for choices in (2, 3, math.inf):
        assert selection.curate((1.0, 0.0), (0.0, 1000.0), choices).tolist() == [1.0, 0.0]
    even = np.full(6, 1 / 6)
    best_of_two = np.arange(1.0, 12.0, 2.0) / 36.0
    assert selection.curate(even, np.linspace(0.0, 1e4, 6), 2) == pytest.approx(best_of_two)
    low = selection.curate(even, np.linspace(0.0, 1.0, 6) - 5000.0, 3)
    assert low == pytest.approx(selection.curate(even, np.linspace(0.0, 1.0, 6), 3))
    assert selection.curation_bound((0.5, 0.5, 0.0), (0.0, 1.0, 900.0), 2) == pytest.approx(
        selection.curation_bound((0.5, 0.5), (0.0, 1.0), 2)
    )
