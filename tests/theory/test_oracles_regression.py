"""R1-R3, R5 and B1, B2, B4 against plain simulations."""

import numpy as np
import pytest
from evidence import right, wrong

from outcross.theory import accumulate, regression, stability

D, ROWS, NOISE = 5, 30, 1.0


def errors(rng, chains, fits, same_x, keep):
    """||w_hat||^2 after every fit, the true w being 0. keep: every row so far is fitted."""
    w, out = np.zeros((chains, D)), []
    x = rng.standard_normal((chains, ROWS, D))
    gram, moment = 0.0, 0.0
    for g in range(fits):
        if g and not same_x:
            x = rng.standard_normal((chains, ROWS, D))
        y = np.einsum("cnd,cd->cn", x, w) + NOISE * rng.standard_normal((chains, ROWS))
        new = np.einsum("cnd,cne->cde", x, x), np.einsum("cnd,cn->cd", x, y)
        gram, moment = (gram + new[0], moment + new[1]) if keep else new
        w = np.linalg.solve(gram, moment[..., None])[..., 0]
        out.append(np.square(w).sum(axis=1))
    return out


@pytest.mark.parametrize("same_x", [True, False])
def test_r1_replace(same_x):
    found = errors(np.random.default_rng(51), 4000, 10, same_x, keep=False)
    for g in (1, 5, 10):
        predicted = regression.replaced_error(ROWS, D, NOISE, g)
        of = f"R1 d=5 T=30 g={g} {'same' if same_x else 'fresh'} X: E error"
        right(found[g - 1], predicted, of=of)
        assert predicted == pytest.approx(g * D / (ROWS - D - 1))
    wrong(found[4], regression.replaced_error(ROWS, D, NOISE, 4), of="R1 d=5 T=30 g=5: E error one fit less")


def test_r2_accumulate_same_x():
    found = errors(np.random.default_rng(52), 16_000, 10, same_x=True, keep=True)
    for g in (1, 5, 10):
        right(found[g - 1], regression.accumulated_error_same(ROWS, D, NOISE, g), of=f"R2 d=5 T=30 g={g}: E error")
    assert regression.accumulated_error_same(ROWS, D, NOISE, 10) == pytest.approx(0.3229, abs=1e-4)
    wrong(found[9], regression.replaced_error(ROWS, D, NOISE, 10), of="R2 d=5 T=30 g=10: E error of replace")
    wrong(found[9], regression.accumulated_error_fresh(ROWS, D, NOISE, 10), of="R2 d=5 T=30 g=10: E error of fresh X")


def test_r3_accumulate_fresh_x():
    found = errors(np.random.default_rng(53), 16_000, 10, same_x=False, keep=True)
    for g in (1, 5, 10):
        right(found[g - 1], regression.accumulated_error_fresh(ROWS, D, NOISE, g), of=f"R3 d=5 T=30 g={g}: E error")
    assert regression.accumulated_error_fresh(ROWS, D, NOISE, 10) == pytest.approx(0.3071, abs=1e-4)
    wrong(found[9], regression.accumulated_error_same(ROWS, D, NOISE, 10), of="R3 d=5 T=30 g=10: E error of same X")


def pooled(rng, n, share, chains, d=20, noise=0.1):
    """||w_hat - w_1||^2 of a pool whose last rows follow w_2 at distance 1."""
    out, other = np.empty(chains), round(share * n)
    gap = np.full(d, d**-0.5)
    for r in range(chains):
        x = rng.standard_normal((n, d))
        y = noise * rng.standard_normal(n)
        y[n - other :] += x[n - other :] @ gap
        out[r] = np.square(np.linalg.solve(x.T @ x, x.T @ y)).sum()
    return out


@pytest.mark.parametrize(("n", "chains"), [(1000, 600), (4000, 200)])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_r5_the_floor_of_a_polluted_pool(n, chains, share):
    found = pooled(np.random.default_rng(54), n, share, chains)
    of = f"R5 d=20 n={n} p2={share}: "
    right(found, regression.pooled_error(n, 20, 0.1, share, 1.0), of=of + "E error, first order")
    wrong(found, regression.base_error(n, 20, 0.1), of=of + "E error without pollution")
    wrong(found, share**2 / 4, of=of + "a quarter of the floor")


def test_r5_the_floor_scales_as_the_square_of_the_share():
    shares, rng = (0.05, 0.1, 0.2), np.random.default_rng(55)
    floor = [pooled(rng, 20_000, p, 8).mean() for p in shares]
    assert np.polyfit(np.log(shares), np.log(floor), 1)[0] == pytest.approx(2, abs=0.1)
    assert floor == pytest.approx([regression.pooled_floor(p, 1.0) for p in shares], rel=0.06)


# ---- stability ----


@pytest.mark.parametrize("ratio", [0.05, 0.2, 0.45])
def test_b1_bounds_a_gaussian_mean(ratio):
    """A likelihood with constant Hessian, so L = 0: each fit on real and synthetic means weighs them 1 to ratio."""
    bound, theta = stability.retraining_rate(ratio, concavity=3.0), 1.0
    assert bound == pytest.approx(ratio / (1 - ratio))
    for g in range(2, 12):
        theta = ratio * theta / (1 + ratio)
        assert theta <= bound ** (g - 1)
    assert stability.retraining_rate(ratio, 2.0, 1.0, 0.1) == pytest.approx(ratio * (2 + 0.1) / (2 - ratio * (2 + 0.1)))


@pytest.mark.parametrize("lipschitz", [1.25, 2.0, 5.0])
def test_b2_a_linear_map(lipschitz):
    least, delta = stability.smallest_stable_share(lipschitz), 0.1
    assert least == pytest.approx(1 - 1 / lipschitz)
    for alpha in (least + 0.05, least - 0.05):
        error = 0.0
        for _ in range(2000):
            error = min((1 - alpha) * lipschitz * error + delta, 1e9)
        if alpha > least:
            assert error == pytest.approx(stability.steady_error(alpha, lipschitz, delta), rel=1e-9)
        else:
            assert error == 1e9


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.8])
def test_b4_accumulating_with_a_real_share(alpha):
    rng, n, chains = np.random.default_rng(56), 10, 20_000
    mean, real = np.zeros(chains), round(alpha * n)
    for g in range(1, 21):
        new = rng.standard_normal((chains, n))
        new[:, real if g > 1 else n :] += mean[:, None]
        mean = ((g - 1) * mean + new.mean(axis=1)) / g
        if g in (1, 2, 20):
            of, predicted = f"B4 n=10 alpha={alpha} g={g}: ", stability.accumulating_variance(n, alpha, g)
            right(mean**2, predicted, 2 * predicted**2, of + "Var mu")
    for wrong_alpha in (0.0, 1.0):
        other = stability.accumulating_variance(n, wrong_alpha, 20)
        wrong(mean**2, other, 2 * other**2, of + f"Var mu of alpha={wrong_alpha:g}")


def test_b4_rates_either_side_of_the_baseline():
    early, late = 10**4, 10**6
    for alpha in (0.1, 0.25, 0.75, 1.0):
        found = [stability.accumulating_variance(10, alpha, g) for g in (early, late)]
        slope = np.log(found[1] / found[0]) / np.log(late / early)
        assert slope / 2 == pytest.approx(-stability.accumulating_rate(alpha), abs=0.02)
    at_half = [stability.accumulating_variance(10, 0.5, g) * g for g in (early, late)]
    assert at_half[1] / at_half[0] == pytest.approx(np.log(late) / np.log(early), abs=0.1)  # the extra logarithm
    for g in (1, 7, 40):
        assert stability.accumulating_variance(10, 0.0, g) == pytest.approx(accumulate.variance_of_mean(10, g))
        assert stability.accumulating_variance(10, 1.0, g) == pytest.approx(1 / (10 * g))
