"""P1-P3, P5 and P6 against plain simulations; T poisoned fits are g = T + 1."""

import numpy as np
import pytest
from evidence import right, wrong
from simulate import drawn, moments, pooled, rows, start

from outcross.theory import poisoning


def poisoned(rng, chains, n, real, poison, a, fits):
    """Mean and variance (divisor n) after `fits` poisoned fits that follow an exact first one."""
    mean, variance = start(chains)
    for _ in range(fits):
        sd = np.sqrt(variance)
        pool = drawn(rng, mean, variance, n - real - poison, law=True)
        pool = pooled(pool, n - real - poison, (mean + a * sd, np.zeros(chains)), poison)
        if real:
            pool = pooled(pool, n - real, drawn(rng, *start(chains), real, law=True), real)
        mean, variance = pool[0], pool[1] / n
    return mean, variance


def test_p1_first_order():
    assert poisoning.critical_rate_first_order(0.1, 6) == pytest.approx(0.00286, abs=1e-5)
    sd = np.sqrt(poisoning.variance_first_order(0.1, 0.001, 6))
    assert sd == pytest.approx(1.240, abs=5e-4)
    found = np.median(np.sqrt(poisoned(np.random.default_rng(71), 1000, 1000, 100, 1, 6, 100)[1]))
    assert found == pytest.approx(sd, rel=0.01)
    assert abs(found - 1) > 0.2


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("a", [3, 6, 10])
def test_p2_the_map_ends_in_its_fixed_point(alpha, a):
    eps = 0.5 * poisoning.critical_rate(alpha, a)
    assert poisoning.population(alpha, eps, a, 20_000) == pytest.approx(poisoning.fixed_point(alpha, eps, a), rel=1e-8)
    above = poisoning.population(alpha, 1.1 * poisoning.critical_rate(alpha, a), a, 200_000)
    assert above.variance == np.inf


def test_p2_one_step_is_what_it_says():
    """Against the moments of the mixture, and rows."""
    alpha, eps, a, m, v = 0.2, 0.01, 5.0, 0.0, 1.0
    for g in range(2, 7):
        w, p = 1 - alpha - eps, m + a * np.sqrt(v)
        m, v = w * m + eps * p, alpha + w * (v + m * m) + eps * p * p - (w * m + eps * p) ** 2
        assert poisoning.population(alpha, eps, a, g) == pytest.approx((m, v), rel=1e-12)


@pytest.mark.parametrize(("alpha", "a", "poison"), [(0.1, 6, 28), (0.3, 6, 80), (0.1, 3, 110), (0.3, 10, 30)])
def test_p2_finite_rows_follow_the_map(alpha, a, poison):
    n, fits = 20_000, 150
    mean, variance = poisoned(np.random.default_rng(72), 30, n, round(alpha * n), poison, a, fits)
    expected = poisoning.population(alpha, poison / n, a, fits + 1)
    assert np.sqrt(variance).mean() == pytest.approx(np.sqrt(expected.variance), rel=0.02)
    of = f"P2 n=20000 alpha={alpha} a={a} eps={poison / n:g} T=150: "
    right(mean, expected.mean, of=of + "E mu")
    right(np.sqrt(variance), np.sqrt(expected.variance), of=of + "E sd")
    wrong(np.sqrt(variance), 1.0, of=of + "E sd = 1")


@pytest.mark.parametrize(("alpha", "a"), [(0.1, 3), (0.1, 6), (0.1, 10), (0.3, 3), (0.3, 6), (0.3, 10)])
def test_p2_observed_threshold(alpha, a):
    found = poisoning.observed_threshold(alpha, a)
    assert found == pytest.approx(poisoning.critical_rate_first_order(alpha, a), rel=0.15)
    assert found / poisoning.critical_rate(alpha, a) == pytest.approx(1.02 if alpha == 0.3 else 1.06, abs=0.01)


@pytest.mark.parametrize(("eps", "sd"), [(0.001, 5.58), (0.005, 3057), (0.01, 2.88e6)])
def test_p3_poison_amplified_by_replace(eps, sd):
    n, fits = 10_000, 100
    expected = np.sqrt(poisoning.replace_variance(eps, 6, fits + 1))
    assert expected == pytest.approx(sd, rel=2e-3)
    assert poisoning.population(0, eps, 6, fits + 1).variance == pytest.approx(expected**2, rel=1e-9)
    poison = round(eps * n)
    found = np.log(poisoned(np.random.default_rng(73), 1000, n, 0, poison, 6, fits)[1]) / 2
    assert np.exp(np.median(found)) == pytest.approx(expected, rel=0.03)
    of = f"P3 n=10000 a=6 eps={eps} T=100: E ln sd"
    right(found, np.log(expected) + finite(n, poison, 6, fits), of=of)
    less = np.log(poisoning.replace_variance(eps, 6, fits)) / 2 + finite(n, poison, 6, fits - 1)
    wrong(found, less, of=of + " one fit less")


def finite(n, poison, a, fits):
    """What n rows (divisor n) change of E ln sd, to second order in the relative noise of one fit's variance."""
    clean = n - poison
    between = clean * poison / n
    mean = (clean - 1 + between * (a**2 + 1 / clean)) / n
    noise = (2 * (clean - 1) + between**2 * (4 * a**2 / clean + 2 / clean**2)) / n**2
    return fits / 2 * (np.log(mean / poisoning.replace_variance(poison / n, a, 2)) - noise / mean**2 / 2)


@pytest.mark.parametrize(("q", "sd"), [(0.001, 0.592), (0.01, 0.0379)])
def test_p5_tail_deletion(q, sd):
    n, fits, chains = 10_000, 100, 50
    expected = poisoning.trimmed(q, fits + 1)
    assert np.sqrt(expected.variance) == pytest.approx(sd, rel=2e-3)
    rng, kept = np.random.default_rng(74), n - round(q * n)
    mean, variance = start(chains)
    for _ in range(fits):
        x = rows(rng, mean, variance, n)
        x.partition(kept, axis=1)
        mean, scatter = moments(x[:, :kept])
        variance = scatter / (kept - 1)
    found = np.log(variance) / 2
    assert found.mean() == pytest.approx(np.log(expected.variance) / 2, abs=0.02)
    right(found, np.log(expected.variance) / 2, of=f"P5 n=10000 q={q} T=100: E ln sd")
    right(mean, expected.mean, of=f"P5 n=10000 q={q} T=100: E mu")
    wrong(found, 0.0, of=f"P5 n=10000 q={q} T=100: E ln sd unchanged")


def test_p6_amplification():
    for eps in (0.001, 0.01):
        rho = np.sqrt(poisoning.replace_variance(eps, 6, 2))
        assert poisoning.amplification(0, eps, 6, 101) == pytest.approx((rho**100 - 1) / (rho - 1), rel=1e-9)
    assert poisoning.population(0, 0.01, 6, 2).mean == pytest.approx(0.06)
    assert poisoning.amplification(0.1, 0.001, 6, 2) == 1.0
    limit = poisoning.fixed_point(0.1, 0.001, 6).mean / poisoning.population(0.1, 0.001, 6, 2).mean
    assert poisoning.amplification(0.1, 0.001, 6, 2001) == pytest.approx(limit)
    n, fits = 20_000, 50
    mean, _ = poisoned(np.random.default_rng(75), 400, n, 2000, 40, 6, fits)
    once, _ = poisoned(np.random.default_rng(76), 400, n, 2000, 40, 6, 1)
    predicted = poisoning.amplification(0.1, 0.002, 6, fits + 1)
    right(mean / (0.002 * 6), predicted, of="P6 alpha=.1 eps=.002 a=6 T=50: E shift over one shot")
    right(once, 0.012, of="P6 alpha=.1 eps=.002 a=6 T=1: E shift")
    wrong(mean / (0.002 * 6), fits, of="P6 alpha=.1 eps=.002 a=6 T=50: shifts that only add up")
