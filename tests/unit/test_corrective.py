"""SIMS and Neon: what they are by definition, their oracles C1 and C2, the choice of a weight, what is refused."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch

from outcross.core.contracts import Generation
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.loop import Chain
from outcross.core.policies import replace as replaced
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.families.diffusion import Learner as Diffusion
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.neon import Learner as Neon
from outcross.families.neon import extrapolated
from outcross.families.neural.diffusion import Way, solve
from outcross.families.neural.judging import Judge
from outcross.families.sims import Learner as Sims
from outcross.families.vae import Learner as Vae
from outcross.measures.context import Context
from outcross.measures.correction import MEASURES
from outcross.sources.normal import Source as Normal
from outcross.theory import extrapolation

S = Streams.of(4, 0)
FIT, DRAW, REAL = (S.stream(0, p) for p in (Purpose.FIT, Purpose.SAMPLE, Purpose.SOURCE))
BASE = Diffusion(epochs=4, width=16, steps=6, rate=3e-3, batch=32)
POOL = Normal().draw(120, REAL)
HELD = Normal().validation(500)


# ---- C1: the score ----


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_c1_guided_scores_of_gaussians_give_the_variance_of_the_oracle(weight):
    base, own, chance = 0.8, 0.6, torch.Generator().manual_seed(0)

    def denoiser(v):
        return lambda x, s: x * v / (v + s**2)

    def guided(x, s):
        b, o = denoiser(base)(x, s), denoiser(own)(x, s)
        return b + weight * (b - o)

    noise = torch.randn((40_000, 1), generator=chance)
    made = float(solve(guided, noise, Way("heun", 200, 0.0, 0.001, 200.0), chance).var())
    assert made == pytest.approx(extrapolation.score_extrapolated_variance(base, own, weight), rel=0.03)
    if weight == 2.0:  # where both differ by much
        wrong = 1.0 / ((1.0 + weight) / base - weight / own)  # of the score without noise alone
        assert abs(made / wrong - 1.0) > 0.2


def test_a_guided_model_denoises_by_the_weighted_difference_of_both():
    model = Sims(learner=BASE, weight=0.7).fit(POOL, FIT)
    x, sigma = torch.randn((5, 1), generator=torch.Generator().manual_seed(1)), torch.full((1,), 0.5)
    with torch.no_grad():
        base, own = (m.denoise(x, sigma, None) for m in (model.base, model.auxiliary))
        torch.testing.assert_close(model._denoise(x, sigma, None), 1.7 * base - 0.7 * own)
    assert not np.array_equal(
        model.base.state()["network.first.weight"], model.auxiliary.state()["network.first.weight"]
    )


def test_weight_zero_is_the_base_bit_for_bit():
    plain = BASE.fit(POOL, FIT)
    for made in (Sims(learner=BASE, weight=0.0).fit(POOL, FIT), Neon(learner=BASE, weight=0.0).fit(POOL, FIT)):
        np.testing.assert_array_equal(made.sample(40, DRAW), plain.sample(40, DRAW))


# ---- C2: the weights ----


@dataclass(frozen=True, eq=False)
class Scaled:
    """A model of one weight, its standard deviation; its sampler multiplies that by `scale`."""

    weights: dict[str, Any]
    scale: float
    trained: frozenset[str] = frozenset({"sd"})

    def sample(self, n, rng):
        return rng.generator().standard_normal((n, 1)) * float(self.weights["sd"][0]) * self.scale

    def state(self):
        return dict(self.weights)


@dataclass(frozen=True)
class Scaling:
    """Fits the root mean square of its rows, times `off`: a learner that errs, and a sampler that scales."""

    off: float = 0.9
    scale: float = 0.8
    epochs: int = 1
    init: str = "scratch"
    trains_by: tuple[str, ...] = field(default=("epochs",))

    def fit(self, pool, rng, previous=None):
        off = self.off if previous is None else 1.0
        return self.load({"sd": np.array([off * np.sqrt(np.mean(np.square(pool.items)))]), "steps": np.array([7])})

    def load(self, state):
        return Scaled(dict(state), self.scale)


def test_c2_extrapolated_weights_hit_the_truth_at_the_oracles_weight_and_only_there():
    weight = extrapolation.best_weight(0.9, 0.8)
    assert weight == pytest.approx(0.5556, abs=1e-4)
    found = {w: [] for w in (weight, -weight)}
    for seed in range(100):
        rows = Corpus.of(np.random.default_rng(seed).standard_normal((2000, 1)))
        for w in found:
            rng = Streams.of(seed, 0).stream(0, Purpose.FIT)
            found[w].append(Neon(learner=Scaling(), weight=w, samples=10.0).fit(rows, rng).weights["sd"][0])
    z = {w: (np.mean(v) - 1.0) / (np.std(v, ddof=1) / 10.0) for w, v in found.items()}
    assert abs(z[weight]) < 4
    assert abs(z[-weight]) > 6


@pytest.mark.parametrize(("scale", "sign"), [(0.8, 1.0), (1.25, -1.0)])
def test_the_sign_that_is_chosen_is_that_of_the_sampler(scale, sign):
    """A sampler that narrows needs a weight above 0, one that widens one below; of a model that is too narrow."""
    rows = Normal().draw(20_000, REAL)
    model = Neon(learner=Scaling(off=0.9, scale=1.0), weight=0.0)
    assert model.fit(rows, FIT).weight == 0.0

    @dataclass(frozen=True)
    class Honest(Scaling):
        """Its own rows are scaled, what it is judged by is not."""

        def load(self, state):
            return Judged(dict(state), self.scale)

    @dataclass(frozen=True, eq=False)
    class Judged(Scaled):
        def sample(self, n, rng):
            judged = rng.shard == 33
            return super().sample(n, rng) / (self.scale if judged else 1.0)

    chosen = Neon(learner=Honest(off=0.9, scale=scale)).fit(rows, FIT, None, Normal().validation(10_000))
    assert np.sign(chosen.weight) == sign == np.sign(extrapolation.best_weight(0.9, scale))


def test_only_what_training_moves_is_extrapolated():
    base, own = (Scaled({"sd": np.array([v]), "seen": np.array([v])}, 1.0) for v in (2.0, 1.0))
    moved = extrapolated(base, own, 0.5).weights
    assert moved["sd"][0] == 2.5
    assert moved["seen"][0] == 2.0


def test_an_autoencoder_is_extrapolated_weight_by_weight():
    images = Corpus.of(np.random.default_rng(0).integers(256, size=(40, 8, 8), dtype=np.uint8))
    learner = Vae(epochs=2, width=16, latent=4)
    away, base = (Neon(learner=learner, weight=w).fit(images, FIT).state() for w in (0.5, 0.0))
    back = Neon(learner=learner, weight=-0.5).fit(images, FIT).state()
    name = next(k for k in base if k.endswith("weight"))
    assert not np.array_equal(away[name], base[name])
    np.testing.assert_allclose((away[name] + back[name]) / 2.0, base[name], atol=1e-5)


# ---- the choice ----


def test_a_weight_is_chosen_on_validation_data_and_the_base_can_win():
    model = Sims(learner=BASE, grid=(0.0, 0.5)).fit(POOL, FIT, None, HELD)
    assert {w for w, _ in model.tried} == {0.0, 0.5}
    assert model.weight == model.tried[model.tried[:, 1].argmin(), 0]
    assert model.info["chosen"] <= model.info["base"]
    spoiled = Sims(learner=BASE, grid=(0.0, 500.0)).fit(POOL, FIT, None, HELD)
    assert spoiled.weight == 0.0


def test_the_judge_has_no_bias_and_sees_a_difference():
    chance = np.random.default_rng(0)
    same = [
        Judge(chance.standard_normal((300, 2)), chance).distance(chance.standard_normal((300, 2))) for _ in range(60)
    ]
    assert abs(np.mean(same)) < 4 * np.std(same) / 60**0.5
    off = Judge(chance.standard_normal((300, 2)), chance).distance(chance.standard_normal((300, 2)) + 0.5)
    assert off > 5 * np.std(same)


def test_validation_chooses_and_training_never_sees_it():
    """Two different validation sets give the same two networks."""
    one, two = (
        Sims(learner=BASE, grid=(0.0, 0.5)).fit(POOL, FIT, None, HELD.take(slice(*c))) for c in ((0, 200), (200, 400))
    )
    for a, b in ((one.base, two.base), (one.auxiliary, two.auxiliary)):
        assert all(np.array_equal(a.state()[k], b.state()[k]) for k in a.state())


@pytest.mark.parametrize("learner", [Sims(learner=BASE, grid=(0.0, 1.0)), Neon(learner=BASE, grid=(-0.5, 0.0, 0.5))])
def test_a_chain_goes_on_from_a_stored_state_as_if_it_had_not_stopped(learner):
    chain = Chain(learner, replaced(), Normal(), Samples(60))
    one = chain.step(chain.start())
    whole, resumed = chain.step(one), chain.step(one._replace(model=learner.load(one.model.state())))
    a, b = whole.model.state(), resumed.model.state()
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[k], b[k]) for k in a)


def test_the_weight_and_what_it_gained_are_told_and_nothing_of_a_model_without():
    measure = MEASURES[0]
    model = replace(
        Sims(learner=BASE, weight=0.5).fit(POOL, FIT), tried=np.array([[0.0, 0.04], [1.0, 0.05], [0.5, 0.03]])
    )

    def of(model):
        return measure.take(Generation(1, POOL, model), Context(None, model, model, S, 1))

    told = of(model)
    assert (told["correction_weight"], told["correction_gain"]) == (0.5, pytest.approx(0.25))
    assert told["correction_tried"][:, 0].tolist() == [0.0, 0.5, 1.0]
    assert of(replace(model, tried=np.empty((0, 2)))) == {"correction_weight": 0.5}
    assert np.isnan(of(replace(model, tried=np.array([[0.0, -0.01], [0.5, -0.02]])))["correction_gain"])
    assert of(model.base) == {}


# ---- bad input ----


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Sims(learner=BASE, weight=-1.0), "weight is at least 0, got -1"),
        (lambda: Sims(learner=BASE, weight="some"), "weight is a number or auto, got 'some'"),
        (lambda: Sims(learner=BASE, weight=float("inf")), "weight is finite"),
        (lambda: Sims(learner=BASE, grid=(0.5, 1.0)), "grid holds 0"),
        (lambda: Sims(learner=BASE, samples=0.0), "samples is a positive multiple"),
        (
            lambda: Sims(learner=BASE, auxiliary={"width": 64}),
            "auxiliary.width: the auxiliary is the base trained further",
        ),
        (lambda: Sims(learner=BASE, auxiliary={"epochs": 0}), "auxiliary: epochs is 1 or more"),
        (lambda: Sims(learner=Vae()), "sims guides the denoising of a diffusion"),
        (lambda: Sims(learner=Gaussian()), "sims guides the denoising of a diffusion"),
        (lambda: Neon(learner=Gaussian()), "neon extrapolates trained weights; use diffusion, vae"),
        (lambda: Sims(learner=BASE).fit(POOL, FIT), "weight=auto needs real validation data"),
    ],
)
def test_one_line_says_what_is_wrong(make, told):
    with pytest.raises(InputError, match=told) as error:
        make()
    assert "\n" not in str(error.value)


def test_a_learner_inside_takes_settings_of_its_own():
    assert replace(Sims(learner=BASE), weight=1.0).learner is BASE
