"""Calibrated chains: their exact law, what is planted is found again, and intervals hold as often as they say."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from evidence import right, wrong

from outcross.core import policies
from outcross.core.errors import InputError
from outcross.core.schedules import Samples
from outcross.plan.backtest import cases, coverage
from outcross.plan.calibrated import PARTICLES, Series, calibrate, forecast
from outcross.plan.effective import Chain, Drift, Setup
from outcross.plan.outlook import Outlook
from outcross.theory import accumulate, gaussian, mixing

N, CHAINS = 50, 40_000


def drift(noise=2.0 / N, bias=0.0, fade=0.0, reading=0.0):
    return Drift(*map(np.asarray, (noise, bias, fade, reading)))


def walked(policy, generations, rng, given=None, n=N, chains=CHAINS):
    """Ratios of many chains of the effective kind at these generations: {generation: (chains,)}."""
    start = rng.chisquare(n - 1.0, (chains, 1)) / n
    chain = Chain(Setup(policy, Samples(n)), given or drift(2.0 / n), start, rng)
    found = {}
    while chain.t < max(generations):
        chain.step()
        if chain.t in generations:
            found[chain.t] = chain.ratio[:, 0]
    return found


@pytest.mark.parametrize("anchor", ["fresh", "fixed", "redrawn"])
def test_a_mix_has_the_mean_that_theory_gives(anchor):
    found = walked(policies.mix(0.1, anchor), (1, 5, 60), np.random.default_rng(1))
    other = {"fresh": "fixed", "fixed": "fresh", "redrawn": "fixed"}[anchor]
    for t, ratios in found.items():
        right(ratios, mixing.after(N, 0.1, t + 1, anchor).S, of=f"{anchor} {t}")
    wrong(found[60], mixing.after(N, 0.1, 61, other).S, of=f"{anchor} as {other}")


def test_rows_that_are_kept_have_the_mean_that_theory_gives():
    found = walked(policies.accumulate(), (1, 10, 60), np.random.default_rng(2))
    for t, ratios in found.items():
        right(ratios, accumulate.mean_variance(N, t + 1), of=f"accumulate {t}")
    wrong(found[10], (1.0 - 1.0 / N) ** 11, of="accumulate as replace")
    limit = accumulate.subsampled_limit_of_variance(N)
    late = walked(policies.accumulate_subsample(), (300,), np.random.default_rng(3), chains=20_000)
    right(late[300], limit, of="subsample")
    wrong(late[300], accumulate.limit_of_variance(N), of="subsample as accumulate")


def test_a_bias_is_that_of_a_scaled_sampler():
    found = walked(policies.replace(), (15,), np.random.default_rng(4), drift(bias=2.0 * np.log(0.98)))
    right(found[15], gaussian.mean_variance_scaled(N, 16, 0.98, "ml"), of="G7")
    wrong(found[15], gaussian.mean_variance_scaled(N, 16, 1.0, "ml"), of="no bias")


def measured(rng, generations, chains=16, n=200, real=0.0, anchor="fresh", scale=1.0, every=None):
    """A series of exact Gaussian chains, whatever was planted in them."""
    rows = np.array([v for _, v in islice(mixing.simulate(n, real, chains, rng, anchor, scale), generations + 1)])
    recorded = every or tuple(range(generations + 1))
    policy = policies.mix(real, anchor) if real else policies.replace()
    return Series(Setup(policy, Samples(n)), recorded, rows[list(recorded)] / (1.0 - 1.0 / n), 10**6)


def inside(values, truth):
    low, high = np.quantile(values, [0.025, 0.975])
    return low <= truth <= high


def test_a_planted_bias_and_noise_are_found_and_none_is_not():
    rng = np.random.default_rng(5)
    biased = [calibrate(measured(rng, 12, scale=0.95), np.random.default_rng(i)) for i in range(20)]
    assert np.mean([inside(c.drift.bias, 2.0 * np.log(0.95)) for c in biased]) >= 0.85  # 19 of 20 or so are due
    assert min(c.biased for c in biased) > 0.9
    plain = [calibrate(measured(rng, 12), np.random.default_rng(i)) for i in range(40)]
    assert np.mean([c.biased for c in plain]) < 0.25
    assert np.mean([inside(2.0 / c.drift.noise, 200) for c in plain]) >= 0.85
    assert not any(inside(2.0 / c.drift.noise, 400) for c in plain)


def test_a_bias_is_found_through_gaps_and_real_rows():
    rng = np.random.default_rng(6)
    found = calibrate(
        measured(rng, 30, real=0.1, anchor="fixed", scale=0.9, every=(0, 1, 2, 5, 10, 20, 30), chains=24), rng
    )
    assert inside(found.drift.bias, 2.0 * np.log(0.9))


@pytest.mark.parametrize(("real", "anchor", "scale"), [(0.0, "fresh", 1.0), (0.1, "fresh", 0.97), (0.1, "fixed", 1.0)])
def test_intervals_hold_as_often_as_they_say(real, anchor, scale):
    """60 runs, forecast from their first six generations: a cohort each, and its 8 chains."""
    rng = np.random.default_rng(7)
    held, single = [], []
    for _ in range(60):
        whole = measured(rng, 24, chains=8, n=100, real=real, anchor=anchor, scale=scale)
        found = forecast(whole.until(6), [24])
        came = whole.readings[24]
        held.append(np.mean(found.cohort[0] < came.mean()))
        single.append(np.mean(found.single[0] < came[:, None], axis=1))
    held, single = np.array(held), np.array(single)
    for level, least, most in ((0.8, 0.62, 0.97), (0.95, 0.85, 1.0)):  # four standard errors of 60
        inside = np.abs(held - 0.5) < level / 2.0
        assert least <= inside.mean() <= most
        assert abs(np.mean(np.abs(single - 0.5) < level / 2.0) - level) < 0.08
    narrower = np.abs(held - 0.5) < 0.2  # intervals at 40 % that called themselves 80 %
    assert narrower.mean() < 0.62


def test_a_back_test_counts_what_its_intervals_held():
    rng = np.random.default_rng(8)
    found = []
    for run in range(12):
        series = measured(rng, 40, chains=8, n=100, every=(0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40))
        found += cases(series, f"run{run}", "gaussian", "replace", "variance", 0.2)
    told = coverage(found, "all")
    assert (told.runs, told.forecasts) == (12, len(found))
    by_hand = np.mean([c.cohort.low[1] <= c.cohort.came <= c.cohort.high[1] for c in found])
    assert told.cohort[1].value == pytest.approx(by_hand)
    assert told.single[1].low <= 0.95 <= told.single[1].high + 0.03
    assert told.score < 0.8
    assert told.score_single < 0.8
    assert told.times[1].value > 0.9
    never = [np.isinf(c.times.came) for c in found if c.times is not None]
    assert np.concatenate(never).any()  # censored times are among the outcomes, not left out


def test_chains_that_all_have_lost_it_are_no_times():
    rng = np.random.default_rng(9)
    series = measured(rng, 40, n=100, scale=0.5, every=(0, 1, 2, 3, 4, 5, 10, 20, 40))
    assert all(c.times is None for c in cases(series, "run", "gaussian", "replace", "variance", 0.2))


def test_a_plan_finds_the_share_that_theory_gives():
    """Exact chains without a bias: the calibrated smallest share has the closed form in its range."""
    series = measured(np.random.default_rng(10), 60, chains=32, n=200)
    found = Outlook(series, "the loss", 0.1, 100, "fresh")
    least = found.smallest("fresh")
    keeps = [r for r in range(201) if 1.0 - mixing.after(200, r / 200, 101).S <= 0.1 + 1.0 / 200]
    assert least.low <= keeps[0] / 200 <= least.high
    assert least.high < 0.3
    assert found.losses().shape == (PARTICLES,)


def test_too_little_to_learn_from_is_refused():
    series = measured(np.random.default_rng(11), 20)
    with pytest.raises(InputError, match="two measured generations"):
        forecast(series.until(1), [5])
    with pytest.raises(InputError, match="no chain"):
        forecast(Series(series.setup, (0, 1, 2), np.full((3, 4), np.nan), 1).until(2), [5])
    with pytest.raises(InputError, match="generations is 21"):
        Outlook(series, "the loss", 0.1, 20)
