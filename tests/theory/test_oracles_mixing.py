"""M1-M7 against plain simulations."""

from functools import cache

import numpy as np
import pytest
from evidence import right, wrong
from simulate import ML, UNBIASED, divisor, drawn, moments, pooled, shuffle_front, start

from outcross.theory import mixing

N, ALPHA, REAL, LATE = 50, 0.1, 5, 140
BOTH = pytest.mark.parametrize("estimator", [ML, UNBIASED])
ANCHORS = ("fresh", "fixed", "redrawn")


class Mixes:
    """Chains of a mix: at each stop mean and variance of the fit, and the mean of the real rows of the next one."""

    def __init__(self, seed, chains, anchor, estimator, stops, n=N, real=REAL, original=N, replacement=False):
        rng = np.random.default_rng(seed)
        self.rows = rng.standard_normal((chains, original))
        kept = self.rows[:, :real].copy() if anchor == "fixed" else None
        mean, scatter = moments(self.rows)
        variance = scatter / divisor(original, estimator)
        self.a, self.b = moments(self.rows if kept is None else kept)
        self.b /= original if kept is None else real
        self.at = {}
        for g in range(1, max(stops) + 1):
            if anchor == "fresh":
                anchored = drawn(rng, *start(chains), real)
            elif anchor == "fixed":
                anchored = moments(kept)
            elif replacement:
                anchored = moments(np.take_along_axis(self.rows, rng.integers(0, original, (chains, real)), axis=1))
            else:
                shuffle_front(rng, self.rows, real)
                anchored = moments(self.rows[:, :real])
            if g in stops:
                self.at[g] = mean, variance, anchored[0]
            synthetic = drawn(rng, mean, variance, n - real, law=g >= 5)
            mean, scatter = pooled(anchored, real, synthetic, n - real)
            variance = scatter / divisor(n, estimator)

    def relative(self, g):
        """Variance and squared mean about the anchor's mean, in units of the anchor's variance, chain by chain."""
        mean, variance, _ = self.at[g]
        return variance / self.b, (mean - self.a) ** 2 / self.b


@cache
def mixes(anchor, estimator, original=N, replacement=False):
    stops = (1, 2, 5, 20, LATE) if original == N else (2, LATE if estimator == ML else 20)
    return Mixes(21, 20_000, anchor, estimator, stops, original=original, replacement=replacement)


@BOTH
@pytest.mark.parametrize("anchor", ANCHORS)
def test_m1_the_recursion(anchor, estimator):
    expected = mixing.recursion(N, ALPHA, LATE, anchor, estimator)
    for g in (1, 2, 5, 20, LATE):
        mean, variance, following = mixes(anchor, estimator).at[g]
        of = f"M1 n=50 alpha=.1 {anchor} {estimator} g={g}: "
        right(variance, expected.S[g - 1], of=of + "S")
        right(mean**2, expected.V[g - 1], of=of + "V")
        right(mean * following, expected.C[g - 1], of=of + "C")
    mean, variance, following = mixes(anchor, estimator).at[2]
    of = f"M1 n=50 alpha=.1 {anchor} {estimator} g=2: "
    wrong(mean**2, expected.V[0], of=of + "V one fit less")
    for other in set(ANCHORS) - {anchor}:
        wrong(mean * following, mixing.recursion(N, ALPHA, 2, other, estimator).C[1], of=of + f"C of {other}")


@BOTH
@pytest.mark.parametrize("original", [10, 200])
def test_m1_from_fewer_or_more_original_rows(original, estimator):
    expected = mixing.recursion(N, ALPHA, LATE, "redrawn", estimator, original)
    for g, (mean, variance, following) in mixes("redrawn", estimator, original).at.items():
        of = f"M1 n=50 alpha=.1 redrawn of {original} {estimator} g={g}: "
        right(variance, expected.S[g - 1], of=of + "S")
        right(mean**2, expected.V[g - 1], of=of + "V")
        right(mean * following, expected.C[g - 1], of=of + "C")


def test_m1_starts_as_the_page_says():
    """From V = 0, S = 1 at generation 0, fresh rows."""
    for c, estimator in ((1.0, ML), (N / (N - 1), UNBIASED)):
        s, v, found = 1.0, 0.0, mixing.recursion(N, ALPHA, 30, "fresh", estimator)
        for g in range(30):
            v_next = (1 - ALPHA) ** 2 * v + (ALPHA + (1 - ALPHA) * s) / N
            s, v = c * (ALPHA + (1 - ALPHA) * (s + v) - v_next), v_next
            assert (found.S[g], found.V[g]) == pytest.approx((s, v), rel=1e-12)


@pytest.mark.parametrize(("n", "alpha", "original"), [(50, 0.1, 50), (20, 0.5, 40), (30, 0.2, 6), (10, 1.0, 25)])
def test_m1_ends_in_m2_to_m5(n, alpha, original):
    """About the anchor: S/(1 - k) and (V - k)/(1 - k), with k = E a^2 = 1 - E b the anchor's own error."""
    for anchor, k in (("fresh", 0.0), ("fixed", 1 / (alpha * n)), ("redrawn", 1 / original)):
        found = mixing.recursion(n, alpha, 3000, anchor, ML, original)
        limit = mixing.fixed_point(n, alpha, anchor, original)
        assert found.S[-1] == pytest.approx((1 - k) * limit.S, rel=1e-10)
        assert found.V[-1] == pytest.approx(k + (1 - k) * limit.V, rel=1e-10)
        assert found.C[-1] == pytest.approx(k, rel=1e-10)
    found = mixing.recursion(n, alpha, 3000, "fresh", UNBIASED)
    assert (found.S[-1], found.V[-1]) == pytest.approx(mixing.fixed_point_unbiased(n, alpha), rel=1e-10)


def test_m2_fresh_fixed_point():
    mean, variance, _ = mixes("fresh", ML).at[LATE]
    limit, of = mixing.fixed_point(N, ALPHA), "M2 n=50 alpha=.1 g=140: "
    assert limit == pytest.approx((0.904, 0.0962), abs=3e-4)
    right(variance, limit.S, of=of + "S")
    right(mean**2, limit.V, of=of + "V")
    wrong(mean**2, mixing.fixed_point(N, ALPHA, "fixed").V, of=of + "V of the fixed anchor")


def test_m3_fixed_anchor():
    variance, square = mixes("fixed", ML).relative(LATE)
    limit, of = mixing.fixed_point(N, ALPHA, "fixed"), "M3 n=50 alpha=.1 g=140: "
    right(variance, limit.S, of=of + "S/b")
    right(square, limit.V, of=of + "V/b")
    wrong(square, mixing.fixed_point(N, ALPHA).V, of=of + "V/b of fresh rows")


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("original", [10, 50, 200])
def test_m4_redrawn_anchor(original, replacement):
    variance, square = mixes("redrawn", ML, original, replacement).relative(LATE)
    limit = mixing.fixed_point(N, ALPHA, "redrawn", original, replacement)
    of = f"M4 n=50 alpha=.1 g=140 {original} rows, {'with' if replacement else 'without'} replacement: "
    right(variance, limit.S, of=of + "S/b")
    right(square, limit.V, of=of + "V/b")
    if replacement or original > 10:
        wrong(square, mixing.fixed_point(N, ALPHA, "fixed").V, of=of + "V/b of the fixed anchor")


def test_m4_tells_drawing_with_from_without_replacement():
    """At n = 20, half of them real, from 12 rows: V/b of .0381 against .0645."""
    found = Mixes(22, 20_000, "redrawn", ML, (30,), n=20, real=10, original=12)
    variance, square = found.relative(30)
    limit, of = mixing.fixed_point(20, 0.5, "redrawn", 12), "M4 n=20 alpha=.5 g=30 12 rows, without replacement: "
    right(variance, limit.S, of=of + "S/b")
    right(square, limit.V, of=of + "V/b")
    wrong(square, mixing.fixed_point(20, 0.5, "redrawn", 12, replacement=True).V, of=of + "V/b with replacement")
    wrong(square, mixing.fixed_point(20, 0.5, "fixed").V, of=of + "V/b of the fixed anchor")


def test_m5_unbiased_estimator_over_disperses():
    mean, variance, _ = mixes("fresh", UNBIASED).at[LATE]
    limit, of = mixing.fixed_point_unbiased(N, ALPHA), "M5 n=50 alpha=.1 g=140: "
    assert limit == pytest.approx((1.10588, 0.11529), abs=1e-5)
    right(variance, limit.S, of=of + "S")
    right(mean**2, limit.V, of=of + "V")
    wrong(variance, 1.0, of=of + "S = 1")


def test_m6_smallest_real_share():
    for n in (100, 1000, 10_000):
        for eps in (0.02, 0.05, 0.1, 0.5):
            alpha = mixing.smallest_real_share(n, eps)
            assert 1 - alpha + alpha * n * (2 - alpha) == pytest.approx(1 / eps, rel=1e-10)
    found = [mixing.smallest_real_share(1000, eps) for eps in (0.01, 0.05, 0.1)]
    assert found == pytest.approx([0.0508, 0.00955, 0.00451], abs=5e-5)
    n, eps = 100, 0.05
    real = int(np.ceil(mixing.smallest_real_share(n, eps) * n))
    variance = Mixes(23, 20_000, "fresh", ML, (150,), n, real).at[150][1]
    limit, of = mixing.fixed_point(n, real / n), f"M6 n=100 eps=.05 g=150 {real} real rows: "
    assert 1 - eps <= limit.S < 1 - eps + 0.006
    right(variance, limit.S, of=of + "S")
    wrong(variance, mixing.fixed_point(n, real // 2 / n).S, of=of + "S with half as many")


@pytest.mark.parametrize("kappa", [0.25, 1.0, 4.0])
def test_m7_golden_weight(kappa):
    m = 100
    n = round(kappa * m)
    grid = np.linspace(0.05, 0.95, 90_001)
    least = [mixing.weighted_variance(n, m, w) for w in grid]
    best = mixing.best_weight(kappa)
    assert best == pytest.approx((np.sqrt(kappa**2 + 4 * kappa) - kappa) / 2)
    assert grid[np.argmin(least)] == pytest.approx(best, abs=1e-5)
    assert min(least) == pytest.approx(best / n, rel=1e-9)
    if kappa > 1:
        return
    rng, chains = np.random.default_rng(24), 20_000
    values = {}
    for weight in (best, mixing.pooling_weight(kappa)):
        mean = rng.standard_normal(chains) / np.sqrt(n)
        for _ in range(60):
            real = rng.standard_normal(chains) / np.sqrt(n)
            mean = weight * real + (1 - weight) * (mean + rng.standard_normal(chains) / np.sqrt(m))
        predicted, of = mixing.weighted_variance(n, m, weight), f"M7 m=100 kappa={kappa} w={weight:.3f}: "
        right(mean**2, predicted, 2 * predicted**2, of + "Var mu")
        values[weight] = mean**2, predicted, of
    (_, low, _), (pooled_square, high, of) = values.values()
    assert low < high
    wrong(pooled_square, low, 2 * low**2, of + "Var mu of the best weight")
    assert mixing.best_weight(1.0) == pytest.approx((np.sqrt(5) - 1) / 2)
