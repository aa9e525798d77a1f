"""The autoencoder: the paper's networks, its loss, its pools, and what goes wrong."""

import numpy as np
import pytest
import torch

from outcross.core.corpus import Corpus, eight_bit, intensities
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.loop import Chain, generations
from outcross.core.policies import accumulate, mix, replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.core.streamed import Streamed
from outcross.families import neural, vae
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.neural import networks, training
from outcross.families.neural.linear import Linear
from outcross.families.vae import Learner
from outcross.sources.digits import Source as Digits
from outcross.sources.normal import Source as Normal

STREAMS = Streams.of(0, 0)
FIT, DRAW = STREAMS.stream(0, Purpose.FIT), STREAMS.stream(0, Purpose.SAMPLE)
SMALL = Learner(epochs=1, width=16, latent=2, batch=100)


@pytest.fixture(scope="module")
def digits():
    return Digits()


def parameters(learner, shape):
    return sum(p.numel() for p in learner.network_for(shape, None, FIT).parameters())


def test_the_papers_network_has_the_papers_parameters():
    assert parameters(Learner(network="conv", latent=20, width=64), (28, 28)) == 647_081
    assert parameters(Learner(network="conv"), (28, 28)) == 647_081, "these are the defaults"
    assert parameters(Learner(network="dense"), (28, 28)) == 652_824


def test_the_decoders_first_layer_has_no_activation_and_the_last_gives_logits():
    _, decoder = networks.conv((1, 28, 28), 20, 64)
    assert [type(m).__name__ for m in decoder] == ["Linear", "Unflatten", "ConvTranspose2d", "ReLU", "ConvTranspose2d"]


@pytest.mark.parametrize(("likelihood", "beta"), [("bernoulli", 1.0), ("bernoulli", 0.3), ("gaussian", 1.0)])
def test_the_loss_is_reconstruction_plus_divergence_summed_over_pixels_and_images(likelihood, beta):
    network = training.seeded(lambda: networks.Autoencoder(networks.dense((1, 4, 4), 3, 8), likelihood, 0.5, beta), FIT)
    x = torch.rand((7, 1, 4, 4), generator=torch.Generator().manual_seed(1))
    got = network.loss(x, torch.Generator().manual_seed(2))
    mu, logvar = network.encoder(x)
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(2))
    mean = network.decode(mu + noise * torch.exp(logvar / 2))
    error = {
        "bernoulli": -(x * mean.log() + (1 - x) * (1 - mean).log()).sum(),
        "gaussian": ((x - mean) ** 2).sum() / (2 * 0.5**2),
    }[likelihood]
    divergence = sum(
        torch.distributions.kl_divergence(
            torch.distributions.Normal(m, (v / 2).exp()), torch.distributions.Normal(0, 1)
        )
        for m, v in zip(mu.flatten(), logvar.flatten(), strict=True)
    )
    assert got.item() == pytest.approx((error + beta * divergence).item(), rel=1e-4)


@pytest.mark.parametrize("rows", [1, 7, 128])
def test_the_fast_linear_layer_is_torchs_own_in_value_and_gradient(rows):
    ours = training.seeded(lambda: Linear(30, 20), FIT)
    theirs = torch.nn.Linear(30, 20)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn((rows, 30), generator=torch.Generator().manual_seed(0))
    weights = torch.randn((rows, 20), generator=torch.Generator().manual_seed(1))
    found = []
    for layer in (ours, theirs):
        given = x.clone().requires_grad_()
        out = layer(given)
        (out * weights).sum().backward()
        found.append((out.detach(), given.grad, layer.weight.grad, layer.bias.grad))
    for ours_, theirs_ in zip(*found, strict=True):
        assert torch.allclose(ours_, theirs_, rtol=1e-5, atol=1e-5)


def test_more_training_lowers_the_loss(digits):
    pool = digits.draw(1000, STREAMS.stream(0, Purpose.SOURCE))
    loss = []
    for epochs in (1, 10):
        learner = Learner(epochs=epochs, width=64, latent=4)
        network = learner.network_for(pool.shape, None, FIT)
        loss.append(training.train(network, pool, FIT, learner.plan, torch.device("cpu")))
    assert loss[1] < 0.8 * loss[0]


def test_training_leaves_torchs_own_random_numbers_alone(digits):
    torch.manual_seed(5)
    first = torch.rand(3)
    torch.manual_seed(5)
    SMALL.fit(digits.draw(100, DRAW), FIT)
    assert torch.equal(first, torch.rand(3))


def test_the_previous_weights_are_where_a_warm_start_begins(digits):
    pool = digits.draw(200, STREAMS.stream(0, Purpose.SOURCE))
    first = SMALL.fit(pool, FIT)
    still = Learner(epochs=1, width=16, latent=2, batch=100, rate=1e-12, init="previous").fit(pool, DRAW, first)
    assert all(np.allclose(still.weights[k], first.weights[k], atol=1e-6) for k in first.weights)
    anew = Learner(epochs=1, width=16, latent=2, batch=100, rate=1e-12).fit(pool, DRAW, first)
    assert not np.allclose(anew.weights["decoder.0.weight"], first.weights["decoder.0.weight"], atol=1e-3)


@pytest.mark.parametrize("sampling", ["mean", "bernoulli", "gaussian"])
def test_samples_are_what_is_said(digits, sampling):
    learner = Learner(epochs=1, width=16, latent=2, sampling=sampling, noise=0.2)
    model = learner.fit(digits.draw(200, DRAW), FIT)
    made = model.sample(300, DRAW)
    assert made.shape == (300, 8, 8)
    assert made.dtype == np.float32
    assert made.min() >= 0.0
    assert made.max() <= 1.0
    assert set(np.unique(made)) == {0.0, 1.0} if sampling == "bernoulli" else len(np.unique(made)) > 1000
    assert np.array_equal(made[:250], model.sample(250, DRAW))


def test_encoding_and_decoding_are_those_of_the_network(digits):
    model = SMALL.fit(digits.draw(200, DRAW), FIT)
    assert model.encode(digits.reference(5).items).shape == (5, 2)
    assert np.array_equal(model.encode(digits.reference(5).items), model.encode(intensities(digits.reference(5).items)))
    assert model.decode(np.zeros((3, 2))).shape == (3, 8, 8)


def test_colour_images_go_through(tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(64, 8, 8, 3), dtype=np.uint8)
    for network in ("dense", "conv"):
        model = Learner(network=network, width=4, latent=2, epochs=1).fit(Corpus.of(pixels), FIT)
        assert model.sample(3, DRAW).shape == (3, 8, 8, 3)
        assert model.encode(pixels[:4]).shape == (4, 2)


def pair(shape, latent, width):
    pixels = shape[0] * shape[1] * shape[2]
    encoder = networks.TwoHeads(torch.nn.Flatten(), pixels, latent)
    return encoder, torch.nn.Sequential(torch.nn.Linear(latent, pixels), torch.nn.Unflatten(1, shape))


def test_any_pair_of_modules_can_be_the_network(digits):
    model = Learner(network=f"{__name__}:pair", latent=3, epochs=1).fit(digits.draw(100, DRAW), FIT)
    assert model.sample(4, DRAW).shape == (4, 8, 8)
    assert model.weights["decoder.0.weight"].shape == (64, 3)


# ---- pools ----


def test_a_streamed_pool_is_never_the_same_twice_and_keeps_its_real_rows(digits):
    model = SMALL.fit(digits.draw(100, DRAW), FIT)
    kept = digits.draw(5, DRAW)
    pool = Streamed(model, 20, DRAW, kept)
    first, second = pool.rows(0), pool.rows(1)
    assert len(pool) == len(first) == 25
    assert not np.array_equal(first[:20], second[:20])
    assert np.array_equal(first[20:], second[20:])
    assert np.array_equal(first[20:], intensities(kept.items))
    assert np.array_equal(first, pool.rows(0)), "the same pass has the same rows"
    assert np.array_equal(first[:20], model.sample(20, DRAW)), "the first pass is the set that a fixed pool would be"


class Seen:
    """A learner that notes its pools."""

    items, streams = "images", True

    def __init__(self):
        self.pools = []

    def fit(self, pool, rng, previous=None):
        self.pools.append(pool)
        return SMALL.fit(pool, rng, previous)

    def load(self, state):
        return SMALL.load(state)


def test_pools_are_fixed_rows_or_streams_as_asked(digits):
    for pools, kind in (("rows", Corpus), ("auto", Corpus), ("stream", Streamed)):
        learner = Seen()
        chain = Chain(learner, mix(0.25, "redrawn"), digits, Samples(40), pools=pools)
        chain.step(chain.start())
        assert isinstance(learner.pools[0], Corpus)
        assert isinstance(learner.pools[1], kind)
        assert len(learner.pools[1]) == 40
        kept = learner.pools[1] if kind is Corpus else learner.pools[1].kept
        assert int((kept.born == 0).sum()) == 10
        assert kept.items.dtype == np.uint8


def test_a_pool_of_images_is_of_eight_bits_and_knows_where_rows_come_from(digits):
    chain = Chain(SMALL, accumulate(), digits, Samples(30))
    second = chain.step(chain.step(chain.start()))
    assert second.pool.items.dtype == np.uint8
    assert np.array_equal(np.unique(second.pool.born, return_counts=True), [[0, 1, 2], [30, 30, 30]])
    assert np.array_equal(second.pool.label >= 0, second.pool.born == 0), (
        "real rows keep their labels, others have none"
    )


def test_what_cannot_be_streamed_is_refused_in_one_line(digits):
    with pytest.raises(InputError, match="rows that it takes|takes them from the pool before"):
        Chain(SMALL, accumulate(), digits, Samples(30), pools="stream")
    with pytest.raises(InputError, match="looks at its pool once"):
        Chain(Gaussian(), replace(), Normal(), Samples(30), pools="stream")
    with pytest.raises(InputError, match="fits images, the source gives numbers"):
        Chain(SMALL, replace(), Normal(), Samples(30))
    with pytest.raises(InputError, match="learner.kind=vae"):
        Chain(Gaussian(), replace(), digits, Samples(30))


def test_two_streamed_chains_of_one_seed_are_the_same(digits):
    def third():
        line = generations(SMALL, replace(), digits, 60, pools="stream")
        next(line), next(line)
        return next(line).model.weights

    first, again = third(), third()
    assert all(np.array_equal(first[k], again[k]) for k in first)


def test_eight_bits_are_the_nearest_levels():
    values = np.array([[[0.0, 1.0, 0.5, 2.0, -1.0, 1 / 255]]], dtype=np.float32)
    assert eight_bit(values).ravel().tolist() == [0, 255, 128, 255, 0, 1]
    assert np.array_equal(eight_bit(intensities(np.arange(256, dtype=np.uint8))), np.arange(256))


# ---- what goes wrong ----


def test_a_loss_that_diverges_is_a_result_with_its_reason(digits):
    with pytest.raises(FitDegenerate, match="diverged in epoch 1 of 3"):
        Learner(epochs=3, rate=1e30, optimiser="sgd").fit(digits.draw(200, DRAW), FIT)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epochs": 0}, "epochs is 1 or more, got 0"),
        ({"latent": 0}, "latent is 1 or more"),
        ({"batch": -1}, "batch is 1 or more"),
        ({"width": 0}, "width is 1 or more"),
        ({"rate": 0.0}, "rate is positive"),
        ({"beta": -1.0}, "beta is at least 0"),
        ({"network": "deep"}, "network is conv, dense or"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(settings, says):
    with pytest.raises(InputError, match=says):
        Learner(**settings)


def test_sides_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(InputError, match="multiples of 4, got 6 x 8"):
        Learner(network="conv", epochs=1).fit(Corpus.of(np.zeros((20, 6, 8), np.uint8)), FIT)


def test_without_torch_one_line_names_the_extra(monkeypatch):
    monkeypatch.setattr(neural, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'outcross\[torch\]'"):
        vae.Learner()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one here")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="device=cuda: this machine has none"):
        Learner(device="cuda", epochs=1).fit(Corpus.of(np.zeros((20, 8, 8), np.uint8)), FIT)


def test_weights_of_another_network_are_refused(digits):
    state = SMALL.fit(digits.draw(100, DRAW), FIT).state()
    with pytest.raises(InputError, match="not this network's"):
        Learner(epochs=1, width=32, latent=2).load(state).sample(1, DRAW)


@pytest.mark.parametrize("name", ["sampling", "likelihood", "optimiser", "precision", "init", "device"])
def test_a_word_that_is_not_known_is_refused_from_python_too(name):
    with pytest.raises(InputError, match=f"{name} is .*, got 'lion'"):
        Learner(**{name: "lion"})
