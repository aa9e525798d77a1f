"""Policies and schedules: exact counts, values by generation, and errors that name what is wrong."""

import pytest

from outcross.core.contracts import Rows
from outcross.core.errors import InputError
from outcross.core.policies import POLICIES, Blend, accumulate, accumulate_subsample, at, mix, replace
from outcross.core.schedules import Samples


def test_named_policies_count_what_they_say():
    assert replace().rows(1, 100, 100) == Rows(100, 0, 0, 0)
    assert mix(0.1).rows(7, 100, 100) == Rows(90, 0, 10, 0)
    assert mix(0.1, "fresh").rows(7, 100, 100) == Rows(90, 0, 0, 10)
    assert accumulate().rows(3, 100, 300) == Rows(100, 300, 0, 0)
    assert accumulate().budget_rows(3, 100) is None
    assert accumulate_subsample().rows(3, 100, 300) == Rows(100, 300, 0, 0)
    assert accumulate_subsample().budget_rows(3, 100) == 100


def test_the_three_anchors_are_three_policies():
    assert [mix(0.1, a).anchor for a in ("fixed", "redrawn")] == ["fixed", "redrawn"]
    assert mix(0.1, "fixed") != mix(0.1, "redrawn") != mix(0.1, "fresh")


def test_the_free_form_is_the_papers_alpha_beta_gamma():
    assert Blend(synthetic=0.6, previous=0.3, original=0.1).rows(1, 1000, 1000) == Rows(600, 300, 100, 0)


@pytest.mark.parametrize(
    ("shares", "samples", "rows"),
    [
        ((0.5, 0.25, 0.25, 0.0), 10, (5, 3, 2, 0)),  # equal remainders: the first in order
        ((0.4, 0.3, 0.2, 0.1), 7, (3, 2, 1, 1)),  # exact 2.8 2.1 1.4 0.7
        ((0.9, 0.0, 0.1, 0.0), 4, (4, 0, 0, 0)),
        ((0.9, 0.0, 0.1, 0.0), 5, (5, 0, 0, 0)),
        ((0.9, 0.0, 0.1, 0.0), 6, (5, 0, 1, 0)),
        ((0.7, 0.0, 0.3, 0.0), 10, (7, 0, 3, 0)),  # 0.7 * 10 is 7.000000000000001 or 6.99..., never 6
    ],
)
def test_the_largest_remainder_gets_the_row_left_over(shares, samples, rows):
    assert Blend(*shares).rows(1, samples, 100) == rows


def test_a_schedule_counts_from_generation_1_and_holds_its_last_value():
    assert [at([0.3, 0.2, 0.1], g) for g in (1, 2, 3, 4, 99)] == [0.3, 0.2, 0.1, 0.1, 0.1]
    policy = mix([0.5, 0.0], "fixed")
    assert [policy.rows(g, 10, 10).original for g in (1, 2, 3)] == [5, 0, 0]


def test_a_budget_is_a_multiple_of_samples_and_at_least_one_row():
    policy = Blend(budget=[2.0, 0.5, 0.001])
    assert [policy.budget_rows(g, 100) for g in (1, 2, 3, 9)] == [200, 50, 1, 1]


def test_policies_know_when_they_need_the_previous_pool():
    needing = {name for name in POLICIES if POLICIES[name]().needs_pool}
    assert needing == {"accumulate", "accumulate_subsample", "web"}
    assert Blend(synthetic=[1.0, 0.5], previous=[0.0, 0.5]).needs_pool


def test_policies_with_schedules_are_hashable_and_equal_by_value():
    assert hash(mix([0.1, 0.2])) == hash(mix([0.1, 0.2]))
    assert mix([0.1, 0.2]) == mix((0.1, 0.2))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Blend(synthetic=0.5), "generation 1 sum to 0.5"),
        (lambda: Blend(synthetic=[1.0, 0.8]), "generation 2 sum to 0.8"),
        (lambda: Blend(synthetic=1.2, original=-0.2), r"synthetic is a share in \[0, 1\], got 1.2"),
        (lambda: Blend(synthetic=[]), "at least one value"),
        (lambda: Blend(anchor="loose"), "fixed or redrawn, got 'loose'"),
        (lambda: Blend(budget=0.0), "positive multiple of samples, got 0"),
        (lambda: Blend(budget=[1.0, -1.0]), "got -1"),
        (lambda: Blend(budget=[]), "positive multiple"),
        (lambda: Blend(synthetic=float("nan")), "got nan"),
        (lambda: mix(1.2), r"real is a share in \[0, 1\], got 1.2"),
        (lambda: mix([0.1, -0.1]), "got -0.1"),
    ],
)
def test_a_wrong_policy_says_what_is_wrong(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_schedules_of_samples_grow_as_named():
    assert [Samples(10).at(t) for t in (0, 1, 9)] == [10, 10, 10]
    assert [Samples(10, "linear").at(t) for t in (0, 1, 9)] == [10, 20, 100]
    assert [Samples(10, "superlinear").at(t) for t in (0, 1, 3)] == [10, 28, 80]
    assert [Samples(10, "superlinear", 2.0).at(t) for t in (0, 1, 9)] == [10, 40, 1000]
    assert [Samples(10, [1, 0.5, 0.01]).at(t) for t in (0, 1, 2, 9)] == [10, 5, 1, 1]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Samples(0), "1 to 1e\\+12 rows, got 0"),
        (lambda: Samples(10, "superlinear", 1.0), "power above 1, got 1"),
        (lambda: Samples(10, []), "positive factors"),
        (lambda: Samples(10, [1.0, 0.0]), "positive factors"),
    ],
)
def test_a_wrong_schedule_says_what_is_wrong(make, says):
    with pytest.raises(InputError, match=says):
        make()
