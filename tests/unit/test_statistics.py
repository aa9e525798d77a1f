"""Pools kept as statistics: when they stand for rows, what they refuse, and what they keep exact."""

from dataclasses import dataclass

import numpy as np
import pytest

from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.loop import Chain, resample_fit
from outcross.core.policies import Blend, accumulate, accumulate_subsample, mix, replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.core.statistics import Counts, Moments, Sums, multinomial, stored_part
from outcross.families.categorical import Learner as Categorical
from outcross.families.exponential_family import Learner as OneParameter
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.gmm import Learner as Gmm
from outcross.families.regression import Learner as Regression
from outcross.sources.categorical import Source as Letters
from outcross.sources.exponential_family import Source as OneParameterSource
from outcross.sources.linear import Source as Linear
from outcross.sources.mixture import Source as MixtureSource
from outcross.sources.normal import Source as Normal
from outcross.sources.zipf import Source as Zipf

S = Streams.of(0, 0).stream(1, Purpose.SAMPLE)


def chain(learner, policy, source, samples=50, pools="auto", growth="constant"):
    return Chain(learner, policy, source, Samples(samples, growth), 0, 0, pools)


@pytest.mark.parametrize(
    ("learner", "policy", "source", "kind"),
    [
        (Gaussian(), replace(), Normal(), Moments),
        (Gaussian(), accumulate(), Normal(), Moments),
        (Gaussian(), mix(0.1, "fresh"), Normal(), Moments),
        (Gaussian(), mix(0.1, "fixed"), Normal(), Moments),
        (Gaussian(), mix(0.1, "redrawn"), Normal(), None),
        (Gaussian(), mix([0.1, 0.2], "fixed"), Normal(), None),
        (Gaussian(), mix(0.1, "fixed"), MixtureSource(), None),
        (Gaussian(), mix(0.1, "fresh"), MixtureSource(), Moments),
        (Gaussian(), accumulate_subsample(), Normal(), None),
        (Gaussian(), Blend(synthetic=0.5, previous=0.5), Normal(), None),
        (Categorical(), mix(0.1, "redrawn"), Letters(), Counts),
        (Categorical(), accumulate_subsample(), Letters(), Counts),
        (Categorical(), Blend(synthetic=0.5, previous=0.5), Letters(), Counts),
        (Regression(), replace(), Linear(), Moments),
        (Regression("fixed"), accumulate(), Linear(), Moments),
        (Regression("fixed"), mix(0.1, "fixed"), Linear(), None),
        (OneParameter(), mix(0.1, "fixed"), OneParameterSource(), Sums),
        (Gmm(), replace(), MixtureSource(), None),
    ],
)
def test_statistics_are_kept_where_they_serve_and_rows_elsewhere(learner, policy, source, kind):
    line = chain(learner, policy, source)
    assert line.kept_as is kind
    first = line.step(line.start())
    assert isinstance(first.pool, kind or Corpus)
    assert chain(learner, policy, source, pools="rows").kept_as is None
    if kind is None:
        with pytest.raises(InputError, match=r"^pools=statistics: .*; use pools=auto or pools=rows$"):
            _ = chain(learner, policy, source, pools="statistics").kept_as


def test_a_fixed_anchor_that_grows_with_the_samples_needs_rows():
    assert chain(Gaussian(), mix(0.1, "fixed"), Normal(), growth="linear").kept_as is None
    assert chain(Gaussian(), replace(), Normal(), growth="linear").kept_as is Moments


@dataclass(frozen=True)
class Wider(Gaussian):
    """A subclass whose models sample otherwise than the statistics of its parent say."""

    def fit(self, pool, rng, previous=None):
        assert isinstance(pool, Corpus)
        return super().fit(pool, rng, previous)


def test_no_subclass_inherits_statistics():
    line = chain(Wider(), replace(), Normal())
    assert line.kept_as is None
    line.step(line.start())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: chain(Gaussian(), replace(), Zipf(10)), "the learner fits numbers, the source gives categories"),
        (lambda: chain(Categorical(), replace(), Normal()), "the learner fits categories, the source gives numbers"),
        (
            lambda: chain(Gaussian(), replace(), Normal(), pools="some"),
            "pools is one of auto, rows, statistics, stream, got 'some'",
        ),
        (lambda: Samples(0), "samples start with 1 to 1e\\+12 rows, got 0"),
        (lambda: Samples(10**13), "samples start with 1 to 1e\\+12 rows"),
        (lambda: Zipf(1), "categories number 2 to 1,048,576, got 1"),
        (lambda: Zipf(10, -1.0), "exponent is at least 0"),
        (lambda: Zipf(1000, 200.0), "leaves some category no mass"),
        (lambda: Letters((0.5, 0.4)), "these sum to 0.9"),
        (lambda: Letters((1.1, -0.1)), "number 2 is -0.1"),
        (lambda: Letters((0.5, 0.5, 0.0)), "number 3 is 0"),
        (lambda: Letters((0.5, float("nan"))), "number 2 is nan"),
        (lambda: Letters((1.0,)), "got 1; one alone loses nothing"),
        (lambda: Letters((0.5, 0.5), ("a",)), "one name for each"),
        (lambda: Linear(()), "coefficients need one number a feature"),
        (lambda: Linear((1.0,), 0.0), "noise is a positive"),
        (lambda: Regression(noise=-1.0), "noise is a positive"),
        (lambda: Regression("loose"), "design is fresh or fixed"),
        (lambda: OneParameter("gamma"), "family is poisson, exponential or bernoulli"),
        (lambda: OneParameterSource("bernoulli", (1.0,)), "a bernoulli mean is below 1"),
        (lambda: Counts.of(Corpus.of(np.array([0.5]))), "whole numbers from 0, got 0.5"),
        (lambda: Counts.of(Corpus.of(np.array([-1.0]))), "whole numbers from 0, got -1"),
        (lambda: Counts.of(Corpus.of(np.ones((2, 2)))), "categories are one column, got 2"),
        (lambda: Counts(np.array([10**9, 5])).subset(3, S), "without replacement"),
        (lambda: Moments.of(Corpus.of(np.arange(9.0))).subset(3, S), "use pools=rows"),
        (lambda: Sums(3, np.ones(1)).subset(2, S), "use pools=rows"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(make, said):
    with pytest.raises(InputError, match=said) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_sums_of_pools_are_the_pool_of_both():
    rows = np.random.default_rng(0).standard_normal((30, 3))
    a, b, whole = (Moments.of(Corpus.of(r)) for r in (rows[:7], rows[7:], rows))
    both = a + b
    assert len(both) == 30
    np.testing.assert_allclose(both.mean, whole.mean)
    np.testing.assert_allclose(both.scatter, whole.scatter)
    assert ((Counts(np.array([1, 2])) + Counts(np.array([0, 0, 3]))).counts == [1, 2, 3]).all()
    assert len(Sums(2, np.ones(1)) + Sums(3, np.ones(1))) == 5


@pytest.mark.parametrize("pool", [Counts(np.array([1, 2])), Moments.of(Corpus.of(np.arange(5.0))), Sums(3, np.ones(2))])
def test_statistics_are_stored_as_arrays_and_come_back(pool):
    again = stored_part(pool.arrays())
    assert type(again) is type(pool)
    assert again.digest == pool.digest
    assert pool.nbytes > 0


def test_a_part_and_the_rest_of_counts_are_the_whole():
    whole = Counts(np.array([5, 0, 10, 85]))
    part = whole.subset(40, S)
    assert len(part) == 40
    assert (part.counts <= whole.counts).all()
    assert part.digest == whole.subset(40, S).digest


def test_a_category_without_mass_is_never_drawn():
    for n in (3, 1000):
        assert multinomial(n, np.array([0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), S)[[0, 2, 4]].sum() == 0


def test_a_refit_on_a_billion_own_rows_stands_nearly_still():
    """Five standard errors of a mean and a variance at n = 1e9."""
    first = chain(Gaussian(), replace(), Normal(), 1000).start().model
    later = resample_fit(Gaussian(), first, 10**9, S, S)
    sd = np.sqrt(first.law.covariances[0, 0, 0])
    assert abs(later.law.means[0, 0] - first.law.means[0, 0]) < 5 * sd / 10**4.5
    assert abs(later.law.covariances[0, 0, 0] / sd**2 - 1) < 5 * np.sqrt(2 / 1e9)
