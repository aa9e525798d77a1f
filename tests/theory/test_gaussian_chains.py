"""Chains run by the engine against closed forms: each within 4 standard errors, each named wrong form beyond 6."""

from functools import cache

import numpy as np
import pytest
from evidence import right, wrong, z
from scipy import stats

from outcross.core.corpus import Corpus
from outcross.core.loop import Chain
from outcross.core.policies import accumulate, accumulate_subsample, mix, replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.gmm import Learner as Mixture
from outcross.sources.normal import Source as Normal
from outcross.theory import accumulate as accumulation
from outcross.theory import gaussian, mixing
from outcross.theory.given import ML, UNBIASED

ONE = Mixture(components=1, floor=0.0)  # the compiled family as a single Gaussian: ML


class Chains:
    """Mean, variance and pool of many chains at a few generations."""

    def __init__(self, learner, policy, samples, stops, chains, d=1, pools=False, form="rows"):
        self.stops, self.count = stops, chains
        self.mean = np.empty((chains, len(stops), d))
        self.covariance = np.empty((chains, len(stops), d, d))
        self.pool_mean = np.empty((chains, len(stops)))
        self.original = []
        source = Normal((0.0,) * d)
        for r in range(chains):
            chain = Chain(learner, policy, source, samples, seed=11, number=r, pools=form)
            self.original.append(chain.original.items if form == "rows" else None)
            at = chain.start()
            for j, t in enumerate(stops):
                at = chain.leap(at, t)
                self.mean[r, j], self.covariance[r, j] = at.model.law.means[0], at.model.law.covariances[0]
                if pools:
                    self.pool_mean[r, j] = at.pool.items.mean()

    def variance(self, t):
        return self.covariance[:, self.stops.index(t), 0, 0]

    def centre(self, t):
        return self.mean[:, self.stops.index(t), 0]


@cache
def line(estimator):
    """1-D replace, n = 20, fits g = 5, 10 and 40."""
    return Chains(Gaussian(estimator), replace(), Samples(20), (4, 9, 39), 3000)


@cache
def summed(estimator):
    """The same with pools kept as moments."""
    return Chains(Gaussian(estimator), replace(), Samples(20), (9,), 3000, form="statistics")


@cache
def compiled_line():
    return Chains(ONE, replace(), Samples(20), (4, 9, 39), 10_000)


# ---- replace ----


@pytest.mark.parametrize("t", [4, 9, 39])
def test_replace_shrinks_variance_by_one_over_n_a_fit(t):
    """G3, both families."""
    g, n = t + 1, 20
    for chains in (line(ML), compiled_line()):
        right(chains.variance(t), gaussian.mean_variance(n, g, ML), gaussian.variance_of_variance(n, g, ML))
        right(chains.centre(t) ** 2, 1.0 - gaussian.mean_variance(n, g, ML))
    if t == 4:
        wrong(
            compiled_line().variance(t), gaussian.mean_variance(n, g - 1, ML), gaussian.variance_of_variance(n, g, ML)
        )


@pytest.mark.parametrize("t", [4, 9])
def test_the_unbiased_estimators_mean_variance_hides_the_collapse(t):
    """G2."""
    g, n = t + 1, 20
    right(line(UNBIASED).variance(t), 1.0, gaussian.variance_of_variance(n, g, UNBIASED))
    right(line(UNBIASED).centre(t) ** 2, g / n)
    wrong(line(UNBIASED).variance(t), gaussian.mean_variance(n, g, ML), gaussian.variance_of_variance(n, g, UNBIASED))
    assert np.median(line(UNBIASED).variance(39)) < 0.2


@pytest.mark.parametrize("estimator", [ML, UNBIASED])
@pytest.mark.parametrize("t", [9, 39])
def test_log_variance_drifts_and_spreads_as_chi_squares_do(estimator, t):
    """G4: rejects one fit more or less, and the other estimator."""
    g, n = t + 1, 20
    logs, spread = np.log(line(estimator).variance(t)), gaussian.variance_of_log_variance(n, g)
    right(logs, gaussian.mean_log_variance(n, g, estimator), spread)
    assert abs(logs.var(ddof=1) - spread) / gaussian.error_of_log_spread(n, g, len(logs)) < 4
    wrong(logs, gaussian.mean_log_variance(n, g, UNBIASED if estimator == ML else ML), spread)


def test_log_variance_tells_one_fit_more_or_less():
    """G4, in the compiled family, where many chains are cheap."""
    logs, n, g = np.log(compiled_line().variance(9)), 20, 10
    right(logs, gaussian.mean_log_variance(n, g, ML), gaussian.variance_of_log_variance(n, g))
    for off in (g - 1, g + 1):
        wrong(logs, gaussian.mean_log_variance(n, off, ML), gaussian.variance_of_log_variance(n, g))
    logs = np.log(line(ML).variance(4))  # and in the plain loop
    wrong(logs, gaussian.mean_log_variance(n, 4, ML), gaussian.variance_of_log_variance(n, 5))


@pytest.mark.parametrize("estimator", [ML, UNBIASED])
@pytest.mark.parametrize("form", ["rows", "statistics"])
def test_the_engine_has_the_exact_law(estimator, form):
    """G1: two-sample Kolmogorov-Smirnov on ln sigma_g^2; two per cent of variance a fit would be seen."""
    rng = np.random.default_rng(0)
    exact = np.log(gaussian.simulate(20, 10, estimator, 20_000, rng).variance[:, -1])
    chains = line(estimator) if form == "rows" else summed(estimator)
    logs = np.log(chains.variance(9))
    assert stats.ks_2samp(logs, exact).pvalue > 1e-3
    assert stats.ks_2samp(logs + 10 * np.log(1.02), exact).pvalue < 1e-6


@pytest.mark.parametrize("t", [4, 9, 39])
def test_wasserstein_risk_of_replace_is_exact(t):
    """G5."""
    g = t + 1
    for chains, estimator in ((line(ML), ML), (line(UNBIASED), UNBIASED), (compiled_line(), ML)):
        squared = chains.centre(t) ** 2 + (np.sqrt(chains.variance(t)) - 1.0) ** 2
        right(squared, gaussian.mean_risk(20, g, estimator))
        if t == 4:
            wrong(squared, gaussian.mean_risk(20, g - 1, estimator))
    if t == 39:
        wrong(squared, 1.5 * g / 20)  # the first order


@pytest.mark.parametrize(("d", "n", "g", "estimator"), [(2, 40, 20, ML), (3, 30, 10, UNBIASED)])
def test_log_determinant_drifts_faster_than_its_columns_alone(d, n, g, estimator):
    """G6: rejects d independent copies of the line."""
    chains = Chains(Gaussian(estimator), replace(), Samples(n), (g - 1,), 2500, d)
    log_det = np.linalg.slogdet(chains.covariance[:, 0])[1]
    right(log_det, gaussian.mean_log_determinant(n, g, d, estimator), gaussian.variance_of_log_determinant(n, g, d))
    wrong(log_det, d * gaussian.mean_log_variance(n, g, estimator), gaussian.variance_of_log_determinant(n, g, d))


# ---- accumulate ----


def test_accumulate_converges_by_one_over_n_i_squared():
    """A1: rejects one generation less, replace, and 1/i for 1/i^2."""
    chains = Chains(Gaussian(), accumulate(), Samples(5), (0, 1), 14_000)
    for t in (0, 1):
        right(chains.variance(t), accumulation.mean_variance(5, t + 1))
        right(chains.centre(t) ** 2, 1.0 - accumulation.mean_variance(5, t + 1))
    by_first_power = (1 - 1 / 5) * (1 - 1 / 10)
    for form in (accumulation.mean_variance(5, 1), gaussian.mean_variance(5, 2, ML), by_first_power):
        wrong(chains.variance(1), form)


def test_accumulate_stays_near_its_limit():
    """A1 late: sin(pi/sqrt(n)) / (pi/sqrt(n))."""
    chains = Chains(Gaussian(), accumulate(), Samples(5), (4, 29), 1500)
    for t in (4, 29):
        right(chains.variance(t), accumulation.mean_variance(5, t + 1))
    x = np.pi / np.sqrt(5)
    assert accumulation.mean_variance(5, 100_000) == pytest.approx(np.sin(x) / x, abs=1e-5)
    wrong(chains.variance(29), gaussian.mean_variance(5, 30, ML))


def test_accumulate_subsample_converges_lower():
    """A3: rejects A1 and replace."""
    chains = Chains(Gaussian(), accumulate_subsample(), Samples(5), (0, 1, 4, 9), 5000, pools=True)
    for j, t in enumerate((0, 1, 4, 9)):
        variance, centre, pool = accumulation.subsampled(5, t + 1)
        right(chains.variance(t), variance)
        right(chains.centre(t) ** 2, centre)
        right(chains.pool_mean[:, j] ** 2, pool)
    wrong(chains.variance(1), accumulation.mean_variance(5, 2))
    wrong(chains.variance(9), gaussian.mean_variance(5, 10, ML))


# ---- fixed-budget mix, n = 50, alpha = 0.1 ----


@pytest.mark.parametrize("estimator", [ML, UNBIASED])
def test_a_mix_with_fresh_rows_follows_its_recursion_to_the_fixed_point(estimator):
    """M1, and M2 (ML) or M5 (unbiased) at its end."""
    n, alpha, stops = 50, 0.1, (0, 1, 4, 19, 79)
    chains = Chains(Gaussian(estimator), mix(alpha, "fresh"), Samples(n), stops, 1800)
    expected = mixing.recursion(n, alpha, 1000, "fresh", estimator)
    for t in stops:
        right(chains.variance(t), expected.S[t])
        right(chains.centre(t) ** 2, expected.V[t])
    limit = expected.S[-1], expected.V[-1]
    assert (expected.S[79], expected.V[79]) == pytest.approx(limit, rel=2e-3)
    if estimator == ML:
        assert limit == pytest.approx(mixing.fixed_point(n, alpha, "fresh"))
    else:
        assert limit == pytest.approx((1.10588, 0.11529), abs=1e-5)
    wrong(chains.variance(79), 1.0)


def relative(chains, t, anchor_rows):
    """Variance and squared mean about the anchor's own mean, in units of the anchor's own variance, chain by chain."""
    rows = np.array([o[:anchor_rows, 0] for o in chains.original])
    b = rows.var(axis=1)
    return chains.variance(t) / b, (chains.centre(t) - rows.mean(axis=1)) ** 2 / b


ANCHORS = ("fresh", "fixed", "redrawn")


@pytest.mark.parametrize("anchor", ANCHORS)
def test_the_three_anchors_have_three_fixed_points(anchor):
    """M2, M3, M4 at n = 20, alpha = 0.5, where they lie far apart: each is accepted, the other two are not."""
    n, alpha, t = 20, 0.5, 28
    found = Chains(Gaussian() if anchor == "fresh" else ONE, mix(alpha, anchor), Samples(n), (t,), 3000)
    if anchor == "fresh":
        variance, squared = found.variance(t), found.centre(t) ** 2
    else:
        variance, squared = relative(found, t, 10 if anchor == "fixed" else n)
    limits = {a: mixing.fixed_point(n, alpha, a, n) for a in ANCHORS}
    right(variance, limits[anchor][0])
    right(squared, limits[anchor][1])
    for other in ANCHORS:
        if other != anchor:
            wrong(squared, limits[other][1])


MANY = [(Gaussian(), 500), (ONE, 8000)]


@pytest.mark.parametrize(("learner", "chains"), MANY, ids=["plain loop", "compiled stretch"])
def test_a_fixed_anchor_has_its_own_fixed_point(learner, chains):
    """M3: about the anchor's own mean, in units of its own variance."""
    n, alpha, t = 50, 0.1, 140
    s, v = mixing.fixed_point(n, alpha, "fixed")
    variance, squared = relative(Chains(learner, mix(alpha, "fixed"), Samples(n), (t,), chains), t, 5)
    right(variance, s)
    right(squared, v)


@pytest.mark.parametrize("original", [10, 50, 200])
@pytest.mark.parametrize(
    ("learner", "chains"), [(Gaussian(), 300), (ONE, 5000)], ids=["plain loop", "compiled stretch"]
)
def test_redrawn_rows_have_a_fixed_point_by_how_many_there_are(learner, chains, original):
    """M4, without replacement from the rows of generation 0."""
    n, alpha, t = 50, 0.1, 140
    samples = Samples(original, [1.0, n / original])
    s, v = mixing.fixed_point(n, alpha, "redrawn", original)
    variance, squared = relative(Chains(learner, mix(alpha, "redrawn"), samples, (t,), chains), t, original)
    right(variance, s)
    right(squared, v)


# ---- growing samples ----


def test_only_superlinear_samples_stop_the_drift():
    """G5 with M_i rows in fit i: E W2^2 is about (3/2) sum 1/M_i (Shumailov et al. 2024, theorem 3.1)."""
    start, last = 10, 39
    schedules = {
        "constant": Samples(start),
        "linear": Samples(start, "linear"),
        "superlinear": Samples(start, "superlinear", 2.0),
    }
    late = {}
    for name, samples in schedules.items():
        chains = Chains(Gaussian(), replace(), samples, (last // 2, last), 400)
        risks = [chains.centre(t) ** 2 + (np.sqrt(chains.variance(t)) - 1.0) ** 2 for t in (last // 2, last)]
        rows = [samples.at(t) for t in range(last + 1)]
        right(risks[0], gaussian.mean_risk(rows, last // 2 + 1, ML))
        right(risks[1], gaussian.mean_risk(rows, last + 1, ML))
        if name != "constant":
            wrong(risks[1], gaussian.mean_risk(start, last + 1, ML))
        late[name] = risks[1] - risks[0]
    for drifting in ("constant", "linear"):
        assert z(late[drifting], 0.0) > 4
    assert abs(z(late["superlinear"], 0.0)) < 3
    limits = [
        gaussian.mean_risk([round(start * (t + 1) ** p) for t in range(100_000)], 100_000, ML) for p in (1.0, 1.5, 2.0)
    ]
    assert limits[0] > 2 * limits[1] > 2 * limits[2]


# ---- one component of the mixture family is the Gaussian family ----


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_one_component_is_the_maximum_likelihood_gaussian(d):
    stream = Streams.of(0, 0).stream(0, Purpose.FIT)
    pool = Corpus.of(np.random.default_rng(d).standard_normal((700, d)) * 3.0 + 5.0)
    ours, plain = ONE.fit(pool, stream).law, Gaussian().fit(pool, stream).law
    np.testing.assert_allclose(ours.means, plain.means, rtol=1e-12)
    np.testing.assert_allclose(ours.covariances, plain.covariances, rtol=1e-11, atol=1e-11)
    assert ours.weights.tolist() == [1.0]


def test_wrong_forms_of_the_oracles_differ():
    """The oracles themselves, at numbers simulated independently (n = 20, g = 40; n = 5)."""
    assert gaussian.mean_variance(20, 40, ML) == pytest.approx(0.1285, abs=1e-4)
    assert gaussian.mean_log_variance(20, 40, UNBIASED) == pytest.approx(-2.142, abs=1e-3)
    assert gaussian.variance_of_log_variance(20, 40) == pytest.approx(4.440, abs=1e-3)
    assert gaussian.mean_risk(20, 40, UNBIASED) == pytest.approx(2.818, abs=1e-3)
    assert gaussian.mean_log_determinant(40, 20, 2, ML) == pytest.approx(-2.5804, abs=1e-4)
    assert accumulation.mean_variance(5, 60) == pytest.approx(0.7043, abs=1e-4)
    assert accumulation.subsampled(5, 30)[0] == pytest.approx(0.5446, abs=1e-4)
    assert mixing.fixed_point(50, 0.1, "fresh") == pytest.approx((0.904, 0.0962), abs=3e-4)
    assert mixing.fixed_point(50, 0.1, "redrawn", 10)[1] == pytest.approx(0.0919, abs=1e-4)
