"""Intervals across chains: exact ranks, and the coverage they promise, by simulation."""

import numpy as np
import pytest
from scipy import stats

from outcross.core.stats import mean_interval, median_interval, paired_difference, share_interval


@pytest.mark.parametrize(("n", "low", "high"), [(6, 1, 6), (9, 2, 8), (10, 2, 9), (16, 4, 13), (64, 24, 41)])
def test_median_interval_has_the_tabled_ranks(n, low, high):
    """Conover, Practical Nonparametric Statistics, table of the binomial: 95 % interval of the median."""
    assert median_interval(np.arange(n, 0, -1)) == ((n + 1) / 2, low, high)


@pytest.mark.parametrize("n", [6, 7, 16, 33, 100])
def test_median_interval_covers_at_least_as_often_as_it_says(n):
    rows = np.random.default_rng(n).exponential(size=(4000, n))
    covered = np.mean([i.low <= np.log(2) <= i.high for i in map(median_interval, rows)])
    error = np.sqrt(0.05 * 0.95 / 4000)
    assert covered > 0.95 - 3 * error
    rank = int(np.searchsorted(np.sort(rows[0]), median_interval(rows[0]).low)) + 1
    inner = 1 - 2 * stats.binom.cdf(rank, n, 0.5)  # the interval one rank narrower
    assert inner < 0.95


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_than_six_values_have_no_interval(n):
    middle = median_interval(np.arange(float(n)))
    assert middle.value == (n - 1) / 2
    assert np.isnan([middle.low, middle.high]).all()


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_interval_of_a_mean_covers_normal_values_as_often_as_it_says(n):
    rows = np.random.default_rng(n).normal(2.0, 3.0, size=(2000, n))
    covered = np.mean([i.low <= 2.0 <= i.high for i in map(mean_interval, rows)])
    assert abs(covered - 0.95) < 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_one_value_has_a_mean_without_interval_and_none_has_none():
    assert mean_interval([3.0]).value == 3.0
    assert np.isnan(mean_interval([3.0])[1:]).all()
    assert np.isnan(mean_interval([])).all()


def test_no_values_have_no_median():
    assert np.isnan(median_interval([])).all()


def test_other_levels_are_kept():
    values = np.arange(100.0)
    widths = [i.high - i.low for i in (median_interval(values, level) for level in (0.5, 0.9, 0.95, 0.99))]
    assert widths == sorted(set(widths))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (64, 64, 0.9434, 1.0)]
)
def test_share_interval_is_wilsons(hits, n, low, high):
    z = stats.norm.ppf(0.975)
    centre = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(hits * (n - hits) / n + z * z / 4)
    found = share_interval(hits, n)
    assert found == pytest.approx((hits / n, centre - half, centre + half), abs=1e-12)
    assert found == pytest.approx((hits / n, low, high), abs=1e-4)


def test_of_nothing_anything_is_possible():
    assert share_interval(0, 0)[1:] == (0.0, 1.0)


def test_a_paired_difference_is_seen_where_unpaired_spread_would_hide_it():
    noise = np.random.default_rng(0).normal(0.0, 10.0, 30)
    found = paired_difference(noise, noise + 0.1)
    assert found.low == pytest.approx(0.1)
    a, b = median_interval(noise), median_interval(noise + 0.1)
    assert a.low < b.value < a.high


@pytest.mark.parametrize(("n", "value"), [(5, 3.0), (6, 2.5)])
def test_few_pairs_have_the_mean_difference_and_more_their_median(n, value):
    """Of 0, 1, 2, 3, 4(, 5) with the fifth raised to 9: mean 3, median 2.5."""
    found = paired_difference(np.zeros(n), np.array([0.0, 1.0, 2.0, 3.0, 9.0, 5.0])[:n])
    assert found.value == value
    assert found.low < value < found.high


def test_pairs_that_lack_a_number_are_left_out():
    assert paired_difference([0.0, np.nan, 0.0], [1.0, 9.0, np.inf]).value == 1.0
