"""Pools kept as statistics have the law of pools of rows: 2,000 chains of each, Kolmogorov-Smirnov, seeds 1 and 2.

Each family also rejects a planted bias of 2 % in a variance, made of the same chains: a test that could not fail would
show. With 70 or so comparisons, p > 1e-4 has a false alarm in one of 140 choices of seeds.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from outcross.core.loop import Chain
from outcross.core.policies import accumulate, accumulate_subsample, mix, replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.core.statistics import Counts, Moments, Sums, multinomial
from outcross.families.categorical import Learner as Categorical
from outcross.families.exponential_family import Learner as OneParameter
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.regression import Learner as Regression
from outcross.sources.categorical import Source as Letters
from outcross.sources.exponential_family import Source as OneParameterSource
from outcross.sources.finite import Finite
from outcross.sources.linear import Source as Linear
from outcross.sources.mixture import Source as MixtureSource
from outcross.sources.normal import Source as Normal
from outcross.sources.zipf import Source as Zipf

CHAINS, LAST = 2000, 3
TABLE = Finite("table", np.random.default_rng(0).gamma(2.0, size=(600, 2)), ("x", "y"))


@cache
def ends(learner, policy, source, n, pools, chains=CHAINS, last=LAST):
    """Model and pool of every chain at its last generation."""
    found = []
    for number in range(chains):
        chain = Chain(learner, policy, source, Samples(n), 1 if pools == "rows" else 2, number, pools)
        at = chain.start()
        for _ in range(last):
            at = chain.step(at)
        assert isinstance(at.pool, Counts | Moments | Sums) == (pools == "statistics")
        found.append(at)
    return found


def both(read, *case):
    """What is read off the ends of both kinds of chains: (chains, numbers) each."""
    return [np.array([read(at) for at in ends(*case, pools)]) for pools in ("rows", "statistics")]


def same(rows, statistics):
    for a, b in zip(rows.T, statistics.T, strict=True):
        assert stats.ks_2samp(a, b).pvalue > 1e-4


def differ(a, b):
    assert stats.ks_2samp(a, b).pvalue < 1e-5


def gaussian(at):
    mean, covariance = at.model.law.moments
    return *mean, *np.log(np.diag(covariance)), covariance[0, 1], np.linalg.slogdet(covariance)[1]


PLANE, ROUND = MixtureSource([[-1.0, 0.0], [1.0, 2.0]]), Normal((0.0, 1.0), 2.0)
GAUSSIAN = [
    (Gaussian(), replace(), ROUND, 400),
    (Gaussian("unbiased"), replace(), ROUND, 8),
    (Gaussian(), mix(0.3, "fixed"), ROUND, 10),
    (Gaussian(), mix(0.3, "fresh"), ROUND, 400),
    (Gaussian(), mix(1.0, "fixed"), ROUND, 10),
    (Gaussian(), accumulate(), ROUND, 20),
    (Gaussian(), mix(0.5, "fresh"), PLANE, 20),
    (Gaussian(), mix(0.3, "fixed"), TABLE, 20),
    (Gaussian(), accumulate(), TABLE, 20),
]


@pytest.mark.parametrize("case", GAUSSIAN)
def test_gaussian_chains(case):
    same(*both(gaussian, *case))


@pytest.mark.parametrize("case", [GAUSSIAN[0], GAUSSIAN[3]])
def test_two_per_cent_of_the_variance_of_a_fit_would_show(case):
    rows, statistics = both(gaussian, *case)
    differ(
        rows[:, 2], statistics[:, 2] + np.log(1.02) * (LAST + 1 if case[1] == replace() else 1.0 + 0.7 + 0.49 + 0.343)
    )


K = 200
ZIPF = Zipf(K, 1.0)
CATEGORICAL = [
    (Categorical(), replace(), ZIPF, 2000),
    (Categorical(), replace(), Zipf(1000, 1.1), 100),  # fewer draws than categories: drawn one by one
    (Categorical(), mix(0.2, "fresh"), ZIPF, 500),
    (Categorical(), mix(0.2, "fixed"), ZIPF, 500),
    (Categorical(), mix(0.2, "redrawn"), ZIPF, 500),
    (Categorical(), accumulate(), ZIPF, 200),
    (Categorical(), accumulate_subsample(), ZIPF, 200),
    (Categorical(), mix(0.2, "redrawn"), Letters(), 20),
]


def categorical(at):
    p = at.model.probabilities  # rows tell only of categories up to the last that was drawn
    return 1.0 - p @ p, np.count_nonzero(p), p[0], p[1], p[40:].sum(), p[150:].sum()


@pytest.mark.parametrize("case", CATEGORICAL)
def test_categorical_chains(case):
    same(*both(categorical, *case))


def chi_squares(inflation, draw):
    """Pearson's X^2 of one draw of 2,000 against its law, 200 categories, over the chains."""
    n, p = 2000, ZIPF.frequencies
    found = []
    for number in range(CHAINS):
        counts = draw(int(n / inflation), Streams.of(3, number).stream(0, Purpose.SAMPLE))
        found.append(((counts / counts.sum() - p) ** 2 / p).sum() * n)
    return np.array(found)


def test_two_per_cent_of_the_variance_of_a_frequency_would_show():
    p = ZIPF.frequencies
    exact = chi_squares(1.0, lambda n, stream: multinomial(n, p, stream))
    rows = chi_squares(1.0, lambda n, stream: Counts.of(ZIPF.draw(n, stream), K).counts)
    same(rows[:, None], exact[:, None])
    differ(rows, chi_squares(1.02, lambda n, stream: multinomial(n, p, stream)))
    assert exact.mean() == pytest.approx(K - 1, abs=4 * np.sqrt(2 * K / CHAINS))


def test_a_billion_draws_have_the_moments_of_a_multinomial():
    """X^2 of n = 1e9 over 1,000 categories, 200 draws: within 4 standard errors of its expectation."""
    p, n = Zipf(1000, 1.5).frequencies, 10**9
    found = []
    for number in range(200):
        counts = multinomial(n, p, Streams.of(4, number).stream(0, Purpose.SAMPLE))
        assert counts.sum() == n
        found.append(((counts - n * p) ** 2 / (n * p)).sum())
    assert np.mean(found) == pytest.approx(999, abs=4 * np.sqrt(2 * 999 / 200))


REGRESSION = [
    (Regression(), replace(), Linear(), 30),
    (Regression(), accumulate(), Linear(), 30),
    (Regression(), mix(0.2, "fixed"), Linear(), 30),
    (Regression("fixed"), replace(), Linear((1.0, -1.0)), 10),
    (Regression("fixed"), accumulate(), Linear((1.0, -1.0)), 10),
    (Regression("fixed", 2.0), replace(), Linear((1.0, -1.0), 2.0), 2000),
]


def regression(at):
    """Coefficients, and the sum of squared residuals of the pool."""
    pool = at.pool if isinstance(at.pool, Moments) else Moments.of(at.pool)
    whole = pool.scatter + pool.count * np.outer(pool.mean, pool.mean)
    w = np.append(-at.model.coefficients, 1.0)
    return *at.model.coefficients, np.log(w @ whole @ w)


@pytest.mark.parametrize("case", REGRESSION)
def test_regression_chains(case):
    same(*both(regression, *case))


def test_two_per_cent_of_the_variance_of_the_noise_would_show():
    rows, statistics = both(regression, *REGRESSION[-1])
    differ(rows[:, -1], statistics[:, -1] + np.log(1.02))


FAMILIES = ("poisson", "exponential", "bernoulli")


@pytest.mark.parametrize("policy", [replace(), accumulate(), mix(0.4, "fixed")])
@pytest.mark.parametrize("family", FAMILIES)
def test_one_parameter_chains(family, policy):
    def total(at):
        return at.pool.items.sum(axis=0) if hasattr(at.pool, "items") else at.pool.total

    case = (OneParameter(family), policy, OneParameterSource(family, (0.3, 0.5)), 25)
    same(*both(lambda at: (*at.model.mean, *total(at)), *case))


@pytest.mark.parametrize("family", FAMILIES)
def test_two_per_cent_of_the_variance_of_a_sum_would_show(family):
    """800,000 standardised sums: their variance within 4 standard errors of 1, and 2 % more beyond 6."""
    model = OneParameterSource(family, (0.4,) * 400)._model
    sd = np.sqrt(np.diag(model.moments.covariance))
    sums = [model.statistics(1000, Streams.of(5, k).stream(0, Purpose.SAMPLE)).total for k in range(CHAINS)]
    z = (np.array(sums) - 1000 * model.mean) / (np.sqrt(1000) * sd)
    error = np.sqrt((stats.kurtosis(z, axis=None) + 2.0) / z.size)
    assert abs(z.var() - 1.0) < 4 * error
    assert abs(1.02 * z.var() - 1.0) > 6 * error


@pytest.mark.parametrize("anchor", [3, 40, 397])
def test_a_part_of_moments_is_a_part_of_the_rows_they_came_from(anchor):
    """`Moments.part`: the moments of some rows given those of all, and of both together, in the plane."""
    rows, statistics = [], []
    for number in range(CHAINS):
        s = Streams.of(6, number).stream
        corpus = ROUND.draw(400, s(0, Purpose.SOURCE))
        kept = Moments.of(corpus.take(slice(0, anchor)))
        drawn = ROUND.statistics(Moments, 400, s(1, Purpose.SOURCE))
        part = drawn.part(anchor, s(0, Purpose.ANCHOR))
        for out, some, whole in ((rows, kept, Moments.of(corpus)), (statistics, part, drawn)):
            gap = np.linalg.solve(np.linalg.cholesky(whole.scatter), some.mean - whole.mean)
            root = np.linalg.solve(np.linalg.cholesky(whole.scatter), some.scatter)
            out.append((*some.mean, some.scatter[0, 0], some.scatter[0, 1], *gap, root[0, 0], root[1, 1]))
    same(np.array(rows), np.array(statistics))


def test_arms_start_from_the_same_real_rows_in_either_form():
    """Two policies under one seed are paired: generation 0 is the same, fixed anchor or not."""
    for learner, source in ((Gaussian(), ROUND), (Categorical(), ZIPF), (OneParameter(), OneParameterSource())):
        first = [
            Chain(learner, policy, source, Samples(500), 7, 3, "statistics").start().model.state()
            for policy in (replace(), mix(0.3, "fixed"), mix(0.3, "fresh"), accumulate())
        ]
        for state in first[1:]:
            assert all(np.array_equal(state[k], first[0][k]) for k in state)
