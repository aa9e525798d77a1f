"""Denoising diffusion: known laws first, then samplers, labels, images, what is refused."""

import numpy as np
import pytest
import torch

from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.loop import Chain
from outcross.core.policies import mix, replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.families import diffusion as family
from outcross.families.diffusion import Learner
from outcross.families.neural.diffusion import Way, levels, solve
from outcross.families.neural.judging import Judge
from outcross.sources.digits import Source as Digits
from outcross.sources.mixture import Source as MixtureSource
from outcross.sources.normal import Source as Normal

S = Streams.of(1, 0)
FIT, DRAW, REAL = (S.stream(0, p) for p in (Purpose.FIT, Purpose.SAMPLE, Purpose.SOURCE))
SMALL = Learner(epochs=3, width=16, steps=6)
LABELLED = Corpus.of(np.random.default_rng(0).standard_normal((90, 2)), label=np.arange(90) % 3)


def test_a_law_in_the_plane_is_learned_almost_to_the_noise_of_its_rows():
    """Squared energy distance: as many real rows of the pool are off by less than 0.0005, a Gaussian fit by 0.02."""
    source = MixtureSource(means=[[-2, 0], [2, 0]])
    pool, judge = source.draw(2000, REAL), Judge(source.reference(20_000).items, np.random.default_rng(0))
    model = Learner(epochs=60, width=48, batch=128, rate=3e-3, ema=0.99, steps=16).fit(pool, FIT)
    rows = model.sample(10_000, DRAW)
    off = judge.distance(rows)
    assert off < 0.004
    one = np.random.default_rng(1).multivariate_normal(pool.items.mean(0), np.cov(pool.items.T), 10_000)
    assert judge.distance(one) > 3 * max(off, 0.001)
    assert (np.abs(rows[:, 0]) < 0.5).mean() < 0.12  # between the modes, where the truth has 0.07


def test_columns_far_from_zero_and_of_other_scales_come_back_as_they_were():
    rows = np.random.default_rng(0).standard_normal((800, 2)) * [1e-3, 1e4] + [5.0, -1e6]
    made = Learner(epochs=60, width=32, batch=64, rate=3e-3, ema=0.98, steps=12).fit(Corpus.of(rows), FIT)
    drawn = made.sample(4000, DRAW)
    np.testing.assert_allclose(drawn.mean(0), rows.mean(0), atol=0.2 * rows.std(0).max(), rtol=0.01)
    np.testing.assert_allclose(drawn.std(0), rows.std(0), rtol=0.2)


@pytest.mark.parametrize(
    ("sampler", "steps", "churn"),
    [("heun", 60, 0.0), ("euler", 600, 0.0), ("ancestral", 600, 0.0), ("heun", 120, 20.0)],
)
def test_every_sampler_gives_a_gaussian_from_its_exact_denoiser(sampler, steps, churn):
    """D(x, sigma) = x v/(v + sigma^2) of N(0, v): sd 0.7."""
    v, chance = 0.49, torch.Generator().manual_seed(3)
    way = Way(sampler, steps, churn, 0.002, 20.0)
    x = solve(lambda x, s: x * v / (v + s**2), torch.randn((20_000, 1), generator=chance), way, chance)
    assert float(x.std()) == pytest.approx(0.7, rel=0.02)  # first-order samplers narrow, 600 steps or not
    assert float(x.mean()) == pytest.approx(0.0, abs=0.02)


def test_few_steps_narrow_by_euler_and_widen_by_heun():
    """The sign rule of Neon rests on this."""
    v, chance = 0.49, torch.Generator().manual_seed(3)
    noise = torch.randn((20_000, 1), generator=chance)
    sd = {
        sampler: float(solve(lambda x, s: x * v / (v + s**2), noise, Way(sampler, 5, 0.0, 0.002, 20.0), chance).std())
        for sampler in ("euler", "heun")
    }
    assert sd["euler"] < 0.66 < 0.7 < sd["heun"]


def test_euler_is_that_of_the_library():
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.EDMEulerScheduler(sigma_min=0.002, sigma_max=20.0, sigma_data=1.0, rho=7.0)
    scheduler.set_timesteps(9)
    way, v = Way("euler", 9, 0.0, 0.002, 20.0), 0.49
    np.testing.assert_allclose(levels(way)[:-1], scheduler.sigmas[:-1].numpy(), rtol=1e-4)
    chance = torch.Generator().manual_seed(0)
    noise = torch.randn((50, 1), generator=chance)
    own = solve(lambda x, s: x * v / (v + s**2), noise, way, chance)
    x = noise * 20.0
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        denoised = x * v / (v + sigma**2)
        output = (denoised - scheduler.precondition_outputs(x, torch.zeros_like(x), sigma)) / (
            sigma * scheduler.config.sigma_data / (sigma**2 + scheduler.config.sigma_data**2) ** 0.5
        )
        x = scheduler.step(output, t, x).prev_sample
    torch.testing.assert_close(own, x, rtol=1e-3, atol=1e-4)


def test_labels_are_drawn_as_often_as_they_were_and_rows_belong_to_them():
    chance = np.random.default_rng(0)
    label = (chance.random(900) < 0.2).astype(np.int32)
    pool = Corpus.of(chance.standard_normal((900, 1)) + 6.0 * label[:, None], 0, label)
    model = Learner(conditional=True, epochs=40, width=32, batch=64, rate=3e-3, ema=0.98, steps=12).fit(pool, FIT)
    rows, told = model.labelled(2000, DRAW)
    assert told.mean() == pytest.approx(label.mean(), abs=0.04)
    for k in (0, 1):
        assert rows[told == k].mean() == pytest.approx(6.0 * k, abs=0.5)
    np.testing.assert_array_equal(rows, model.sample(2000, DRAW))


def test_images_of_digits_go_through_a_loop_with_their_labels():
    learner = Learner(rows="images", conditional=True, epochs=1, width=8, steps=3)
    chain = Chain(learner, mix(0.5), Digits(), Samples(60))
    at = chain.step(chain.start())
    assert at.pool.items.dtype == np.uint8
    assert at.pool.items.shape[1:] == (8, 8)
    assert at.pool.label is not None
    assert set(np.unique(at.pool.label)) <= set(range(10))


def test_a_chain_goes_on_from_a_stored_state_as_if_it_had_not_stopped():
    chain = Chain(SMALL, replace(), Normal(), Samples(50))
    two = chain.step(chain.step(chain.start()))
    loaded = chain.step(chain.start())._replace(model=SMALL.load(chain.step(chain.start()).model.state()))
    again = chain.step(loaded)
    a, b = two.model.state(), again.model.state()
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[k], b[k]) for k in a)


def test_a_warm_start_goes_on_from_the_model_before():
    first = SMALL.fit(Corpus.of(np.zeros((20, 2)) + np.arange(20)[:, None]), FIT)
    warm = Learner(epochs=1, width=16, init="previous", rate=1e-9).fit(Corpus.of(np.ones((20, 2))), FIT, first)
    name = "network.first.weight"
    np.testing.assert_allclose(warm.state()[name], first.state()[name], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Learner(network="unet"), "network=unet is of images"),
        (lambda: Learner(steps=0), "steps is 1 or more"),
        (lambda: Learner(ema=1.0), "ema is in"),
        (lambda: Learner(sigma_min=3.0, sigma_max=2.0), "sigma_min and sigma_max rise"),
        (lambda: Learner(sampler="ancestral", churn=1.0), "churn is of sampler=heun and euler"),
        (lambda: Learner(sampler="ddim"), "sampler is heun, euler, ancestral, got 'ddim'"),
        (lambda: Learner(width=0), "width is 1 or more"),
        (lambda: SMALL.fit(Digits().draw(20, REAL), FIT), "rows=numbers: this pool has images"),
        (lambda: Learner(rows="images", epochs=1).fit(LABELLED, FIT), "this family fits images"),
        (lambda: Learner(rows="images", levels=5, epochs=1).fit(Digits().draw(20, REAL), FIT), "levels=5"),
        (lambda: Learner(conditional=True, epochs=1).fit(Normal().draw(20, REAL), FIT), "no row of this pool has one"),
    ],
)
def test_one_line_says_what_is_wrong(make, told):
    with pytest.raises(InputError, match=told) as error:
        make()
    assert "\n" not in str(error.value)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(family, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'outcross\[diffusion\]'"):
        Learner(rows="images")
    Learner(rows="images", network="mlp")
