"""G1-G7, A1-A3 and E1-E3 against plain simulations."""

import numpy as np
import pytest
from evidence import right, wrong
from scipy import stats
from simulate import ML, UNBIASED, divisor, drawn, moments, pooled, replace, rows, start

from outcross.theory import accumulate, exponential, gaussian

BOTH = pytest.mark.parametrize("estimator", [ML, UNBIASED])
N, R = 20, 20_000


def risk(mean, variance):
    return mean**2 + (np.sqrt(variance) - 1.0) ** 2


@pytest.fixture(scope="module")
def line():
    return {e: replace(np.random.default_rng(1), R, N, 40, e) for e in (ML, UNBIASED)}


@BOTH
def test_g1_the_exact_law_is_that_of_rows(estimator, line):
    c = gaussian.simulate(N, 10, estimator, 5000, np.random.default_rng(2))
    mean, variance = line[estimator][9]
    assert stats.ks_2samp(np.log(c.variance[:, 9]), np.log(variance[:5000])).pvalue > 1e-4
    assert stats.ks_2samp(c.mean[:, 9], mean[:5000]).pvalue > 1e-4
    assert stats.ks_2samp(np.log(c.variance[:, 9]), np.log(line[estimator][7][1])).pvalue < 1e-6
    right(c.mean[:, 9] ** 2, gaussian.mean_square_of_mean(N, 10, estimator), of=f"G1 n=20 g=10 {estimator}: E mu^2")
    right(
        np.log(c.variance[:, 9]), gaussian.mean_log_variance(N, 10, estimator), of=f"G1 n=20 g=10 {estimator}: E ln v"
    )


@pytest.mark.parametrize("g", [5, 10])
def test_g2_unbiased_moments_hide_the_collapse(g, line):
    mean, variance = line[UNBIASED][g - 1]
    of = f"G2 n=20 g={g}: "
    spread = gaussian.variance_of_variance(N, g, UNBIASED)
    assert spread == pytest.approx((1 + 2 / (N - 1)) ** g - 1)
    right(variance, gaussian.mean_variance(N, g, UNBIASED), spread, of + "E v")
    right(mean**2, g / N, gaussian.variance_of_square_of_mean(N, g, UNBIASED), of + "E mu^2")
    wrong(variance, (1 - 1 / N) ** g, spread, of + "E v is the ML one")
    assert gaussian.row_variance(N, g, UNBIASED) == pytest.approx(1 + g / N)
    assert np.median(line[UNBIASED][39][1]) < 0.2


@pytest.mark.parametrize("g", [5, 10, 40])
def test_g3_ml_moments(g, line):
    mean, variance = line[ML][g - 1]
    of, spread = f"G3 n=20 g={g}: ", gaussian.variance_of_variance(N, g, ML)
    assert spread == pytest.approx((1 - 1 / N**2) ** g - (1 - 1 / N) ** (2 * g))
    assert gaussian.mean_variance(N, g, ML) == pytest.approx((1 - 1 / N) ** g)
    right(variance, gaussian.mean_variance(N, g, ML), spread, of + "E v")
    square = gaussian.mean_square_of_mean(N, g, ML)
    right(mean**2, square, gaussian.variance_of_square_of_mean(N, g, ML), of + "E mu^2")
    assert square == pytest.approx(1 - (1 - 1 / N) ** g)
    if g == 5:
        wrong(variance, gaussian.mean_variance(N, g - 1, ML), spread, of + "E v one fit less")


@BOTH
def test_g2_g3_spreads_of_both_moments(estimator):
    """Where four moments exist comfortably: g = 3."""
    mean, variance = replace(np.random.default_rng(3), 100_000, N, 3, estimator)[2]
    of = f"{'G3' if estimator == ML else 'G2'} n=20 g=3: "
    centred = (variance - gaussian.mean_variance(N, 3, estimator)) ** 2
    right(centred, gaussian.variance_of_variance(N, 3, estimator), of=of + "Var v")
    centred = (mean**2 - gaussian.mean_square_of_mean(N, 3, estimator)) ** 2
    right(centred, gaussian.variance_of_square_of_mean(N, 3, estimator), of=of + "Var mu^2")


@BOTH
@pytest.mark.parametrize("g", [10, 40])
def test_g4_log_variance(g, estimator, line):
    logs, of = np.log(line[estimator][g - 1][1]), f"G4 n=20 g={g} {estimator}: "
    spread, error = gaussian.variance_of_log_variance(N, g), gaussian.error_of_log_spread(N, g, R)
    right(logs, gaussian.mean_log_variance(N, g, estimator), spread, of + "E ln v")
    centred = (logs - logs.mean()) ** 2 * R / (R - 1)
    right(centred, spread, R * error**2, of + "Var ln v")
    other = UNBIASED if estimator == ML else ML
    wrong(logs, gaussian.mean_log_variance(N, g, other), spread, of + "E ln v of the other estimator")
    if g == 10:
        wrong(centred, gaussian.variance_of_log_variance(N, g - 1), R * error**2, of + "Var ln v one fit less")
        for off in (g - 1, g + 1) if estimator == ML else ():
            wrong(logs, gaussian.mean_log_variance(N, off, estimator), spread, of + f"E ln v at g={off}")


@BOTH
@pytest.mark.parametrize("g", [5, 10, 40])
def test_g5_wasserstein_risk(g, estimator, line):
    right(risk(*line[estimator][g - 1]), gaussian.mean_risk(N, g, estimator), of=f"G5 n=20 g={g} {estimator}: E W2^2")
    if g == 5:
        wrong(
            risk(*line[estimator][4]), gaussian.mean_risk(N, 4, estimator), of=f"G5 n=20 g=5 {estimator}: one fit less"
        )


def test_g5_the_first_order_is_off_late():
    c = gaussian.simulate(N, 40, UNBIASED, 200_000, np.random.default_rng(4))
    values = risk(c.mean[:, -1], c.variance[:, -1])
    right(values, gaussian.mean_risk(N, 40, UNBIASED), of="G5 n=20 g=40 unbiased, R=200000: E W2^2")
    wrong(values, 1.5 * 40 / N, of="G5 n=20 g=40 unbiased, R=200000: first order")


@BOTH
@pytest.mark.parametrize("sizes", [[10, 20, 30, 40, 50, 60], [10, 28, 52, 80, 112, 147]], ids=["linear", "superlinear"])
def test_g2_to_g5_with_growing_rows(sizes, estimator):
    g = len(sizes)
    mean, variance = replace(np.random.default_rng(5), R, sizes, g, estimator)[-1]
    of = f"G5 rows={sizes[0]}..{sizes[-1]} g={g} {estimator}: "
    right(variance, gaussian.mean_variance(sizes, g, estimator), gaussian.variance_of_variance(sizes, g, estimator))
    right(mean**2, gaussian.mean_square_of_mean(sizes, g, estimator), of=of + "E mu^2")
    right(np.log(variance), gaussian.mean_log_variance(sizes, g, estimator), of=of + "E ln v")
    right(risk(mean, variance), gaussian.mean_risk(sizes, g, estimator), of=of + "E W2^2")
    wrong(risk(mean, variance), gaussian.mean_risk(sizes[0], g, estimator), of=of + "E W2^2 of constant rows")


@pytest.mark.parametrize(("d", "n", "g", "estimator"), [(2, 40, 20, ML), (3, 30, 10, UNBIASED)])
def test_g6_log_determinant(d, n, g, estimator):
    rng, chains = np.random.default_rng(6), 4000
    root, logs = np.broadcast_to(np.eye(d), (chains, d, d)), None
    for _ in range(g):
        x = np.einsum("cij,cnj->cni", root, rng.standard_normal((chains, n, d)))
        x -= x.mean(axis=1, keepdims=True)
        covariance = np.einsum("cni,cnj->cij", x, x) / divisor(n, estimator)
        root, logs = np.linalg.cholesky(covariance), np.linalg.slogdet(covariance)[1]
    of, spread = f"G6 d={d} n={n} g={g} {estimator}: ", gaussian.variance_of_log_determinant(n, g, d)
    right(logs, gaussian.mean_log_determinant(n, g, d, estimator), spread, of + "E ln det")
    right((logs - logs.mean()) ** 2 * chains / (chains - 1), spread, of=of + "Var ln det")
    wrong(logs, d * gaussian.mean_log_variance(n, g, estimator), spread, of + "E ln det of d lines")


def test_g7_a_sampler_that_narrows():
    g, s, chains = 15, 0.95, 40_000
    variance = replace(np.random.default_rng(7), chains, N, g, ML, s)[-1][1]
    spread = s ** (4 * (g - 1)) * gaussian.variance_of_variance(N, g, ML)
    right(variance, gaussian.mean_variance_scaled(N, g, s, ML), spread, "G7 n=20 s=.95 g=15: E v")
    every = gaussian.mean_variance_scaled(N, g, s, ML, real_scaled=True)
    assert every == pytest.approx((s**2 * (1 - 1 / N)) ** g)
    wrong(variance, every, spread, "G7 n=20 s=.95 g=15: E v with the real rows scaled")


# ---- accumulate ----


def accumulating(rng, chains, each, known=False):
    """Mean and variance of the whole pool after every fit; known: the sampler's variance stays 1."""
    (mean, variance), pool, count, out = start(chains), None, 0, []
    for m in each:
        new = drawn(rng, mean, np.ones(chains) if known else variance, m)
        pool, count = (new, m) if pool is None else (pooled(pool, count, new, m), count + m)
        mean, variance = pool[0], pool[1] / count
        out.append((mean, variance))
    return out


@pytest.mark.parametrize(("n", "chains", "stops"), [(5, 40_000, (1, 2, 5, 30)), (100, 20_000, (10,))])
def test_a1_accumulate(n, chains, stops):
    found = accumulating(np.random.default_rng(8), chains, [n] * max(stops))
    for g in stops:
        (mean, variance), of = found[g - 1], f"A1 n={n} g={g}: "
        spread = accumulate.variance_of_variance(n, g)
        right(variance, accumulate.mean_variance(n, g), spread, of + "E v")
        right((variance - accumulate.mean_variance(n, g)) ** 2, spread, of=of + "Var v")
        right(mean**2, accumulate.mean_square_of_mean(n, g), of=of + "E mu^2")
        if g == 2:
            wrong(variance, accumulate.mean_variance(n, 1), spread, of + "E v one generation less")
            wrong(variance, gaussian.mean_variance(n, 2, ML), spread, of + "E v of replace")
            wrong(variance, (1 - 1 / n) * (1 - 1 / (2 * n)), spread, of + "E v with 1/i")


def test_a1_with_any_rows_added():
    each = [7, 3, 20, 11]
    mean, variance = accumulating(np.random.default_rng(9), 40_000, each)[-1]
    of, spread = "A1 rows=7,3,20,11 g=4: ", accumulate.variance_of_variance(each, 4)
    right(variance, accumulate.mean_variance(each, 4), spread, of + "E v")
    right((variance - accumulate.mean_variance(each, 4)) ** 2, spread, of=of + "Var v")
    right(mean**2, accumulate.mean_square_of_mean(each, 4), of=of + "E mu^2")
    wrong(variance, accumulate.mean_variance(sorted(each), 4), spread, of + "E v of the rows in another order")


def test_a1_over_a_stretch():
    """The ratio of variances over three more fits of 4, 4 and 8 rows, from a pool of 10."""
    rng, chains = np.random.default_rng(10), 100_000
    first = moments(rows(rng, *start(chains), 10))
    (mean, variance), pool, count = (first[0], first[1] / 10), first, 10
    for m in (4, 4, 8):
        pool, count = pooled(pool, count, drawn(rng, mean, variance, m), m), count + m
        mean, variance = pool[0], pool[1] / count
    ratio, expected = variance / (first[1] / 10), accumulate.mean_variance([4, 4, 8], 3, before=10)
    spread, of = accumulate.variance_of_variance([4, 4, 8], 3, before=10), "A1 rows=4,4,8 onto 10: "
    right(ratio, expected, spread, of + "E ratio")
    right((ratio - expected) ** 2, spread, of=of + "Var ratio")
    wrong(ratio, accumulate.mean_variance([4, 4, 8], 3), spread, of + "E ratio without the pool")


def test_a1_a3_limits():
    for n in (5, 10, 100, 1000):
        assert accumulate.mean_variance(n, 100_000) == pytest.approx(accumulate.limit_of_variance(n), abs=2e-5 / n)
        late = accumulate.subsampled(n, 100_000).variance
        assert late == pytest.approx(accumulate.subsampled_limit_of_variance(n), abs=1e-5)
    assert [round(accumulate.subsampled_limit_of_variance(n), 4) for n in (5, 10, 100)] == [0.5347, 0.7390, 0.9710]
    loss = 1 - accumulate.subsampled_limit_of_variance(10**5), 1 - accumulate.limit_of_variance(10**5)
    assert loss[0] / loss[1] == pytest.approx(1.784, abs=1e-3)
    assert accumulate.variance_of_mean(10, 10**5) == pytest.approx(accumulate.limit_of_variance_of_mean(10), rel=1e-4)


def test_a2_accumulate_with_known_variance():
    found = accumulating(np.random.default_rng(11), 40_000, [10] * 50, known=True)
    for g in (5, 50):
        predicted, of = accumulate.variance_of_mean(10, g), f"A2 n=10 g={g}: "
        square, spread = found[g - 1][0] ** 2, 2 * predicted**2
        right(square, predicted, spread, of + "Var mu")
        wrong(square, np.sum(1 / np.arange(1, g + 1)) / 10, spread, of + "Var mu with 1/i")
        wrong(square, g / 10, spread, of + "Var mu of replace")


def test_a3_accumulate_and_subsample():
    n, chains, stops = 5, 20_000, (1, 2, 5, 10, 30)
    rng = np.random.default_rng(12)
    pool = np.empty((chains, n * max(stops)), dtype=np.float32)
    pool[:, :n] = rng.standard_normal((chains, n))
    for g in range(1, max(stops) + 1):
        keys = rng.random((chains, g * n), dtype=np.float32)
        chosen = np.argpartition(keys, n - 1, axis=1)[:, :n]
        mean, scatter = moments(np.take_along_axis(pool, chosen, axis=1).astype(np.float64))
        variance = scatter / n
        if g in stops:
            p, of = accumulate.subsampled(n, g), f"A3 n=5 g={g}: "
            right(variance, p.variance, of=of + "E v")
            right(mean**2, p.square_of_mean, of=of + "E mu^2")
            right(pool[:, : g * n].mean(axis=1) ** 2, p.square_of_pool_mean, of=of + "E pool mean^2")
            if g in (2, 10):
                wrong(variance, accumulate.mean_variance(n, g), of=of + "E v of accumulate")
                wrong(variance, gaussian.mean_variance(n, g, ML), of=of + "E v of replace")
        if g < max(stops):
            pool[:, g * n : (g + 1) * n] = rows(rng, mean, variance, n)


# ---- one-parameter families ----


def test_e1_the_exponential_law():
    rng, n, g, chains = np.random.default_rng(13), 10, 12, 40_000
    mean = np.ones(chains)
    for _ in range(g):
        mean = rng.standard_exponential((chains, n)).mean(axis=1) * mean
    of, spread = "E1 n=10 g=12: ", exponential.variance_of_log_mean(n, g)
    right(np.log(mean), exponential.mean_log_mean(n, g), spread, of + "E ln mean")
    centred = (np.log(mean) - exponential.mean_log_mean(n, g)) ** 2
    right(centred, spread, of=of + "Var ln mean")
    right(mean, 1.0, exponential.variance_of_mean(n, g), of + "E mean")
    wrong(np.log(mean), exponential.mean_log_mean(n, g - 1), spread, of + "E ln mean one fit less")
    wrong(centred, exponential.variance_of_log_mean(n, g - 1), of=of + "Var ln mean one fit less")


def test_e2_the_poisson_law():
    rng, n, rate, chains = np.random.default_rng(14), 4, 1.5, 40_000
    fitted = np.full(chains, rate)
    for g in range(1, 13):
        fitted = rng.poisson(fitted[:, None], (chains, n)).mean(axis=1)
        if g in (1, 4, 12):
            of, chance = f"E2 n=4 rate=1.5 g={g}: ", exponential.poisson_extinction(rate, n, g)
            right(fitted == 0, chance, chance * (1 - chance), of + "P(extinct)")
            right((fitted - rate) ** 2, exponential.poisson_variance_of_mean(rate, n, g), of=of + "Var mean")
            other = exponential.poisson_extinction(rate, n, g + 1)
            if g > 1:
                wrong(fitted == 0, other, other * (1 - other), of + "P(extinct) one fit more")


def test_e3_the_bernoulli_law():
    rng, n, g, p, chains = np.random.default_rng(15), 15, 8, 0.3, 40_000
    share = np.full(chains, p)
    for _ in range(g):
        share = (rng.random((chains, n)) < share[:, None]).mean(axis=1)
    of, spread = "E3 n=15 p=.3 g=8: ", exponential.bernoulli_variance_of_mean(p, n, g)
    right(share, p, spread, of + "E mean")
    right((share - p) ** 2, spread, of=of + "Var mean")
    wrong((share - p) ** 2, exponential.bernoulli_variance_of_mean(p, n, g - 1), of=of + "Var mean one fit less")
