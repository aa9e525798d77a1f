"""S1-S5, C1 and C2 against plain simulations."""

import numpy as np
import pytest
from evidence import right, wrong
from scipy.integrate import quad

from outcross.theory import extrapolation, selection

SIX, REWARD = np.full(6, 1 / 6), np.linspace(0, 1, 6)


def accuracies(rng, p, phi, psi, n, chains=40, d=10):
    """Accuracy of the class-mean classifier on selected rows of two Gaussian classes at +- a unit vector."""
    out = np.empty(chains)
    for r in range(chains):
        wrong_label = rng.random(n) < p
        kept = rng.random(n) < np.where(wrong_label, psi, phi)
        signed = rng.standard_normal((n, d))  # y x for the true label y
        signed[:, 0] += 1
        w = (np.where(wrong_label, -1, 1)[kept, None] * signed[kept]).mean(axis=0)
        out[r] = w[0] > 0
    return out.mean()


@pytest.mark.parametrize(("phi", "psi"), [(0.9, 0.2), (0.6, 0.6), (0.3, 0.7)])
def test_s1_the_crossing_lies_at_the_threshold(phi, psi):
    rng, critical = np.random.default_rng(61), selection.critical_error(phi, psi)
    assert critical == pytest.approx(1 / (1 + psi / phi))
    for n in (3000, 12_000):
        grid = critical + np.linspace(-0.06, 0.06, 13)
        found = np.array([accuracies(rng, p, phi, psi, n) for p in grid])
        crossing = grid[0] + np.trapezoid(found, grid)  # of a curve that falls from 1 to 0
        assert crossing == pytest.approx(critical, abs=0.02)
    assert accuracies(rng, critical - 0.06, phi, psi, n) == 1.0
    assert accuracies(rng, critical + 0.06, phi, psi, n) == 0.0


def test_s2_error_after_selection():
    p, phi, psi = 0.3, 0.9, 0.2
    expected = selection.selected_error(p, phi, psi)
    assert expected == pytest.approx(p * psi / (p * psi + (1 - p) * phi), abs=1e-12)
    assert expected == pytest.approx(0.087, abs=5e-4)
    critical = selection.critical_error(phi, psi)
    assert critical == pytest.approx(0.818, abs=5e-4)
    assert selection.selected_error(critical, phi, psi) == pytest.approx(0.5, abs=1e-12)
    rng = np.random.default_rng(62)
    bad = rng.random(10**6) < p
    kept = bad[rng.random(10**6) < np.where(bad, psi, phi)]
    right(kept, expected, expected * (1 - expected), "S2 p=.3 phi=.9 psi=.2: E error")
    wrong(kept, p, p * (1 - p), "S2 p=.3 phi=.9 psi=.2: E error without selection")


@pytest.mark.parametrize("choices", [2, 3])
def test_s3_curation_chooses_as_bradley_terry(choices):
    rng, count = np.random.default_rng(63), 200_000
    p = np.array([0.1, 0.3, 0.2, 0.05, 0.25, 0.1])
    x = rng.choice(6, size=(count, choices), p=p)
    weight = np.cumsum(np.exp(REWARD[x]), axis=1)
    chosen = x[np.arange(count), (rng.random(count)[:, None] * weight[:, -1:] > weight).sum(axis=1)]
    expected = selection.curate(p, REWARD, choices)
    for i in (0, 1, 5):
        of = f"S3 K={choices} state {i}: "
        right(chosen == i, expected[i], expected[i] * (1 - expected[i]), of + "p'")
    wrong(chosen == 5, p[5], p[5] * (1 - p[5]), of + "p' = p")
    other = selection.curate(p, REWARD, np.inf)[5]
    wrong(chosen == 5, other, other * (1 - other), of + "p' of infinitely many choices")


def test_s3_numbers_and_bound():
    p, found, bounds = SIX, [], []
    for _ in range(4):
        found.append(p @ np.exp(REWARD))
        bounds.append(selection.curation_bound(p, REWARD, 2))
        p = selection.curate(p, REWARD, 2)
    assert found == pytest.approx([1.747, 1.842, 1.936, 2.027], abs=1e-3)
    assert bounds[:3] == pytest.approx([1.810, 1.906, 2.000], abs=1e-3)
    rng = np.random.default_rng(64)
    for _ in range(1000):
        p, r, k = rng.dirichlet(np.ones(5)), rng.normal(size=5), int(rng.integers(2, 5))
        after = selection.curate(p, r, k)
        assert after.sum() == pytest.approx(1, abs=1e-12)
        assert after @ np.exp(r) >= selection.curation_bound(p, r, k) - 1e-12
    limit = SIX * np.exp(REWARD)
    np.testing.assert_allclose(selection.curate(SIX, REWARD, np.inf), limit / limit.sum(), rtol=1e-12)


def entropy(p):
    return -np.sum(p * np.log(np.maximum(p, 1e-300)))


def test_s4_real_rows_prevent_the_death_of_diversity():
    alone, kept = selection.curated(SIX, REWARD, 2, 101), selection.curated(SIX, REWARD, 2, 401, real=0.1)
    assert entropy(alone) == pytest.approx(3.9e-4, abs=1e-5)
    assert alone.argmax() == 5
    assert entropy(kept) == pytest.approx(1.2023, abs=1e-4)
    assert kept[5] == pytest.approx(0.632, abs=1e-3)
    np.testing.assert_array_equal(selection.curated(SIX, REWARD, 2, 1), SIX)
    assert entropy(selection.curated(SIX, REWARD, 2, 10_001)) < 1e-10


def verified(rng, mean, n, centre, width):
    """The first n rows that pass, of each chain."""
    x = mean[:, None] + rng.standard_normal((len(mean), 6 * n))
    passed = rng.random(x.shape) < np.exp(-((x - centre) ** 2) / (2 * width**2))
    first = np.argsort(~passed, axis=1, kind="stable")[:, :n]
    assert passed.sum(axis=1).min() >= n
    return np.take_along_axis(x, first, axis=1).mean(axis=1), passed.mean(axis=1)


@pytest.mark.parametrize("width", [1.0, 2.0])
def test_s5_the_verifiers_centre(width):
    rng, n, centre, chains = np.random.default_rng(65), 40, 0.8, 4000
    mean = rng.standard_normal((chains, n)).mean(axis=1)
    for g in range(2, 11):
        before = mean
        mean, kept = verified(rng, mean, n, centre, width)
        if g in (2, 3, 10):
            of, spread = f"S5 n=40 c=.8 width={width:g} g={g}: ", selection.verified_variance(n, g, width)
            predicted = selection.verified_mean(centre, g, width)
            right(mean, predicted, spread, of + "E mu")
            right((mean - predicted) ** 2, spread, 2 * spread**2, of + "Var mu")
            right(kept - [selection.kept_share(m, centre, width) for m in before], 0.0, of=of + "kept share, less E")
            if g == 3:
                wrong(mean, selection.verified_mean(centre, g + 1, width), spread, of + "E mu one fit more")
    wrong(mean, 0.0, spread, of + "E mu at the truth")
    assert selection.verified_mean(centre, 61, width) == pytest.approx(centre, abs=1e-5)


# ---- corrections ----


@pytest.mark.parametrize(
    ("base", "own", "weight"), [(0.8, 0.6, 0.5), (0.8, 0.6, 1.5), (1.0, 1.3, 0.7), (0.9, 0.7, -0.4)]
)
def test_c1_extrapolated_scores(base, own, weight):
    """The flow of the extrapolated score integrated from very much noise down to none."""

    def growth(log_noise):
        tau = np.exp(log_noise)
        return tau * ((1 + weight) / (base + tau) - weight / (own + tau))

    top = np.log(1e9)
    drop = quad(growth, np.log(1e-9), top, epsabs=1e-11, limit=500)[0]  # of ln variance
    expected = extrapolation.score_extrapolated_variance(base, own, weight)
    assert np.exp(top - drop) == pytest.approx(expected, rel=1e-6)
    static = 1 / ((1 + weight) / base - weight / own)
    assert abs(np.exp(top - drop) / static - 1) > 1e-3


def test_c2_neon():
    weight = extrapolation.best_weight(0.9, 0.8)
    assert weight == pytest.approx(0.5556, abs=1e-4)
    assert extrapolation.self_trained_sd(0.9, 0.8, weight) == pytest.approx(1, abs=1e-12)
    assert extrapolation.best_weight(0.9, 1.2) < 0 < extrapolation.best_weight(0.9, 0.99)
    rng = np.random.default_rng(66)
    own = np.array([(0.72 * rng.standard_normal(100_000)).std(ddof=1) for _ in range(200)])
    recovered = (1 + weight) * 0.9 - weight * own
    right(recovered, 1.0, of="C2 sd=.9 s=.8 n=100000: recovered sd")
    wrong(
        recovered, extrapolation.self_trained_sd(0.9, 0.8, 0.9 * weight), of="C2 sd=.9 s=.8 n=100000: nine tenths of w*"
    )
