"""What a plan rests on: the recursion in one leap, the exact law without rows, passages, and a pool that fills."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from evidence import right, wrong
from scipy.stats import invgauss

from outcross import run
from outcross.core.errors import InputError
from outcross.plan import web
from outcross.plan.chain import Setting
from outcross.plan.safe import plan
from outcross.theory import accumulate, gaussian, mixing
from outcross.theory.special import inverse_gaussian_quantile

N, REAL = 50, 5


@pytest.mark.parametrize("anchor", ["fresh", "fixed", "redrawn"])
@pytest.mark.parametrize("estimator", ["ml", "unbiased"])
def test_a_leap_of_the_recursion_is_its_steps(anchor, estimator):
    every = mixing.recursion(N, REAL / N, 300, anchor, estimator)
    for g in (1, 2, 7, 300):
        leapt = mixing.after(N, REAL / N, g, anchor, estimator)
        assert leapt.S == pytest.approx(every.S[g - 1], rel=1e-12)
        assert leapt.V == pytest.approx(every.V[g - 1], rel=1e-12)


@pytest.mark.parametrize("scale", [0.9, 1.0, 1.02])
def test_without_real_rows_a_scaled_sampler_is_g7(scale):
    for g in (1, 2, 15):
        expected = gaussian.mean_variance_scaled(20, g, scale, "ml")
        assert mixing.after(20, 0.0, g, scale=scale).S == pytest.approx(expected, rel=1e-12)


def drawn(rng, mean, variance, rows):
    return mean[:, None] + np.sqrt(variance)[:, None] * rng.standard_normal((len(mean), rows))


def by_rows(anchor, scale, fits, chains=20_000):
    """Mean and variance of a mix made of rows, every real and every synthetic row drawn."""
    rng = np.random.default_rng(11)
    truth = np.zeros(chains), np.ones(chains)
    rows = drawn(rng, *truth, N)
    kept = rows[:, :REAL]
    mean, variance = rows.mean(axis=1), rows.var(axis=1)
    for _ in range(fits - 1):
        real = kept if anchor == "fixed" else drawn(rng, *truth, REAL)
        both = np.hstack([real, drawn(rng, mean, scale**2 * variance, N - REAL)])
        mean, variance = both.mean(axis=1), both.var(axis=1)
    return mean, variance


@pytest.mark.parametrize("anchor", ["fresh", "fixed"])
@pytest.mark.parametrize("scale", [1.0, 0.95])
def test_rows_and_the_exact_law_agree_with_the_leap(anchor, scale):
    fits = 12
    predicted = mixing.after(N, REAL / N, fits, anchor, scale=scale)
    walk = mixing.simulate(N, REAL / N, 40_000, np.random.default_rng(5), anchor, scale)
    simulated = next(islice(walk, fits - 1, None))
    for name, (mean, variance) in (("law", simulated), ("rows", by_rows(anchor, scale, fits))):
        right(variance, predicted.S, of=f"M1 after, {anchor}, scale {scale}, {name}: S")
        right(mean**2, predicted.V, of=f"M1 after, {anchor}, scale {scale}, {name}: V")
    other = mixing.after(N, REAL / N, fits, anchor, scale={1.0: 0.95, 0.95: 1.0}[scale])
    wrong(simulated[1], other.S, of=f"M1 after, {anchor}: the other sampler")


def test_redrawn_rows_have_no_simple_law():
    with pytest.raises(InputError, match="fresh or fixed"):
        next(mixing.simulate(N, REAL / N, 10, np.random.default_rng(0), "redrawn"))


@pytest.mark.parametrize(("mean", "shape"), [(1.0, 1.0), (450.0, 1100.0), (25.0, 1.3), (0.3, 90.0)])
def test_quantiles_of_the_inverse_gaussian_are_scipys(mean, shape):
    for q in (0.025, 0.5, 0.975):
        expected = invgauss.ppf(q, mean / shape, scale=shape)
        assert inverse_gaussian_quantile(q, mean, shape) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("n", "loss", "estimator"), [(1000, 0.05, "ml"), (1000, 0.5, "ml"), (100, 0.99, "unbiased")])
def test_a_chain_first_loses_as_much_when_foretold(n, loss, estimator):
    """4,000 chains of the exact law; what is foretold lies within a tenth, and is not without the correction."""
    found = gaussian.first_passage(n, loss, estimator)
    rng, last = np.random.default_rng(2), int(3 * found.high)
    fallen, first = np.zeros(4000), np.full(4000, last + 1)
    for g in range(1, last + 1):
        fallen += np.log(rng.chisquare(n - 1.0, 4000) / (n if estimator == "ml" else n - 1))
        first[(fallen < np.log1p(-loss)) & (first > last)] = g
    low, median, high = np.quantile(first, [0.025, 0.5, 0.975])
    assert found.median == pytest.approx(median, rel=0.1)
    assert found.high == pytest.approx(high, rel=0.15)
    assert found.low == pytest.approx(low, rel=0.15, abs=1.0)
    if loss < 0.5:
        drift, spread = -gaussian.mean_log_variance(n, 1, estimator), gaussian.variance_of_log_variance(n, 1)
        level = -np.log1p(-loss)
        assert inverse_gaussian_quantile(0.5, level / drift, level**2 / spread) < 0.6 * median


# ---- plans come true: the share, run for real through the product ----


@pytest.mark.parametrize("anchor", ["fresh", "fixed", "redrawn"])
def test_a_planned_share_loses_what_was_planned(anchor, tmp_path):
    """Mean loss of variance over 2,000 chains of `run` at the planned share, by the last generation: |z| < 4."""
    setting = Setting(rows=50, generations=20, anchor=anchor)
    found = plan(setting, 0.15)
    share = found.answer("share").value
    assert 0.0 < share < 0.5
    arm = f"arms={{mix: {{policy: {{kind: mix, real: {share}, anchor: {anchor}}}}}}}"
    size = ["samples=50", "generations=20", "chains=2000", "floor=0", "snapshots.chains=0", "measures=[column]"]
    result = run("gmm", [arm, "source.kind=normal", "learner.kind=gaussian", *size], out=tmp_path, report=False)
    last = [r.value for r in result.frame.rows if r.measure == "first_variance" and r.generation == 20]
    right(1.0 - np.array(last), found.answer("loss").value, of=f"plan, {anchor}: loss at the planned share")
    less = setting.loss(round(share * 50) - 1).value
    assert less > 0.15 >= found.answer("loss").value
    low, high = (getattr(found.answer("loss_one_chain"), side) for side in ("low", "high"))
    inside = np.mean((1.0 - np.array(last) >= low) & (1.0 - np.array(last) <= high))
    assert 0.92 < inside < 0.98


@pytest.mark.parametrize("measure", ["variance", "diversity"])
@pytest.mark.parametrize("anchor", ["fresh", "fixed", "redrawn"])
def test_the_smallest_share_is_the_smallest(measure, anchor):
    """Against every share there is: more real rows never lose more, so that halving finds the fewest."""
    for rows, generations, tolerance in ((30, 7, 0.1), (60, 200, 0.25)):
        setting = Setting(rows, generations, measure, anchor)
        losses = [setting.loss(real).value for real in range(rows + 1)]
        assert (np.diff(losses) < 1e-12).all()
        fewest = next(r for r, loss in enumerate(losses) if loss <= tolerance)
        assert setting.smallest(tolerance) == (fewest / rows,) * 3


def test_for_ever_is_the_fixed_point_and_m6():
    setting = Setting(1000, 20)
    for real in (3, 10, 200):
        assert setting.limit(real).value == pytest.approx(1.0 - mixing.fixed_point(1000, real / 1000).S, rel=1e-9)
    least = setting.smallest(0.05, "for ever").value * 1000
    exact = mixing.smallest_real_share(1000, 0.05) * 1000
    assert exact <= least < exact + 1.0


def test_generations_without_real_rows_are_those_of_g3():
    found = plan(Setting(200, 20), 0.3).answer("generations").value
    before, at = (gaussian.mean_variance(200, int(found) + k, "ml") for k in (1, 2))
    assert before >= 0.7 >= at


@pytest.mark.parametrize("sampler", [1.0, 0.999])
def test_rows_that_would_do_without_real_ones_do(sampler):
    rows = int(plan(Setting(1000, 20, sampler=sampler), 0.1).answer("rows").value)
    assert (
        Setting(rows, 20, sampler=sampler).loss(0).value <= 0.1 < Setting(rows - 1, 20, sampler=sampler).loss(0).value
    )
    assert plan(Setting(1000, 20, sampler=0.9), 0.1).answer("rows").value == np.inf  # the sampler alone loses more


# ---- a pool that fills ----


def test_a_pool_that_only_its_own_model_fills_is_accumulation():
    found = web.periods(web.parse({"pool": 20, "periods": 30, "models": {"a": {"rows": 20}}}, "here"))
    for t in (0, 1, 5, 30):
        assert found[t].loss["a"] == pytest.approx(1.0 - accumulate.mean_variance(20, t + 1), rel=1e-12)
    assert found[30].real == pytest.approx(1 / 31)


WEB = {"pool": 50, "periods": 12, "real": [5, 0, 8], "models": {"a": {"rows": 20, "every": 3}, "b": {"rows": [10, 40]}}}


def test_a_pool_with_real_rows_and_two_models_loses_what_its_rows_do():
    """Every row drawn and every pool kept, 20,000 chains: A1 and M1 in one."""
    chains, rng = 20_000, np.random.default_rng(3)
    pool = rng.standard_normal((chains, 50))
    models = {name: (pool.mean(axis=1), pool.var(axis=1)) for name in ("a", "b")}
    for t in range(1, 13):
        fresh = rng.standard_normal((chains, 5 if t == 1 else 0 if t == 2 else 8))
        made = [drawn(rng, *models["a"], 20), drawn(rng, *models["b"], 10 if t == 1 else 40)]
        pool = np.hstack([pool, fresh, *made]).astype(np.float32)
        for name, every in (("a", 3), ("b", 1)):
            if t % every == 0:
                models[name] = pool.mean(axis=1, dtype=np.float64), pool.var(axis=1, dtype=np.float64)
    found = web.periods(web.parse(WEB, "here"))[12]
    assert found.rows == pool.shape[1]
    for name, (_, variance) in models.items():
        right(1.0 - variance, found.loss[name], of=f"a pool that fills: loss of {name}")
        wrong(1.0 - variance, 1.0 - accumulate.mean_variance(50, 13), of="a pool that fills, as accumulation")
        inside = np.mean((1.0 - variance >= found.low[name]) & (1.0 - variance <= found.high[name]))
        assert 0.935 < inside < 0.965
