"""Variational autoencoders of images (Kingma and Welling 2014): the paper's convolutional one, a small dense one, or
any pair of encoder and decoder by dotted path.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from outcross.core.contracts import State, Trial
from outcross.core.corpus import Corpus, intensities
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.streamed import Streamed
from outcross.families.neural import need_torch

if TYPE_CHECKING:
    from outcross.families.neural.networks import Autoencoder
    from outcross.families.neural.training import Plan

Sampling = Literal["mean", "bernoulli", "gaussian"]
_TRIED = 8  # minibatches of a trial
WIDTH = {"conv": 64, "dense": 400}  # the paper's channels; the PyTorch example's units


@dataclass(frozen=True, eq=False)
class VaeModel:
    """A trained autoencoder as its weights: rows are images (n, h, w) or (n, h, w, channels) in [0, 1]."""

    learner: Learner
    shape: tuple[int, ...]  # of a row
    weights: State

    @cached_property
    def _network(self) -> Autoencoder:
        return self.learner.network_for(self.shape, self.weights)

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N images float32: codes from N(0, I), decoded; pixels are their means, or drawn (`sampling`)."""
        import torch

        from outcross.families.neural import training

        chance = training.generator(rng)
        made = np.empty((n, *self.shape), dtype=np.float32)
        first = 0
        for size in training.chunks(n):
            codes = torch.randn((size, self.learner.latent), generator=chance)
            made[first : first + size] = self._pixels(self.decode(codes.numpy()), chance)
            first += size
        return made

    def _pixels(self, means: np.ndarray, chance: Any) -> np.ndarray:
        import torch

        if self.learner.sampling == "bernoulli":
            return (torch.rand(means.shape, generator=chance).numpy() < means).astype(np.float32)
        if self.learner.sampling == "gaussian":
            noise = self.learner.noise * torch.randn(means.shape, generator=chance).numpy()
            return np.asarray(np.clip(means + noise, 0.0, 1.0), dtype=np.float32)
        return means

    @property
    def latent(self) -> int:
        """Size of a code."""
        return self.learner.latent

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Mean images of latent codes (n, latent)."""
        import torch

        from outcross.families.neural import training

        with torch.no_grad():
            found = self._network.decode(torch.tensor(codes, dtype=torch.float32).to(_device(self._network)))
            return np.asarray(training.rows(found).cpu().contiguous().numpy())

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Posterior means mu (n, latent) of images, 8 bits or float in [0, 1]."""
        import torch

        from outcross.families.neural import training

        with torch.no_grad():
            parts = torch.tensor(intensities(images)).split(1000)
            device = _device(self._network)
            means = [self._network.encoder(training.images(part).to(device))[0].float().cpu() for part in parts]
            return np.asarray(torch.cat(means).numpy())

    def state(self) -> State:
        """Weights by name, and the shape of a row."""
        return {**self.weights, "shape": np.array(self.shape, dtype=np.int64)}


def _device(network: Any) -> Any:
    return next(network.parameters()).device


@dataclass(frozen=True)
class Learner:
    """network: `dense`, `conv` (the paper's), or `package.module:function` that makes a pair of torch modules from
    (channels, height, width), latent and width: an encoder giving mu and log variance (n, latent), a decoder giving
    logits of the image. width: hidden units or channels; 400 dense, 64 conv by default. latent: size of a code.

    beta: weight of the divergence. likelihood: of a pixel, `bernoulli`, or `gaussian` with standard deviation `noise`.
    init: `scratch` in every generation, or the `previous` one's weights. sampling: a pixel is its `mean` (the paper),
    or drawn, `bernoulli` or `gaussian` with `noise`. device: `auto` takes CUDA where there is one. precision: `bf16`
    computes matrix products in 16 bits, which is faster and gives other numbers.
    """

    items: ClassVar[str] = "images"
    streams: ClassVar[bool] = True

    network: str = "dense"
    latent: int = 20
    width: int | None = None
    beta: float = 1.0
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    noise: float = 0.1
    epochs: int = 20
    batch: int = 128
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    rate: float = 1e-3
    decay: float = 0.0
    init: Literal["scratch", "previous"] = "scratch"
    sampling: Sampling = "mean"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        for name in ("latent", "epochs", "batch"):
            require(getattr(self, name) >= 1, f"{name} is 1 or more, got {getattr(self, name)}")
        require(self.width is None or self.width >= 1, f"width is 1 or more, got {self.width}")
        for name in ("noise", "rate"):
            require(getattr(self, name) > 0.0, f"{name} is positive, got {getattr(self, name):g}")
        for name in ("beta", "decay"):
            require(getattr(self, name) >= 0.0, f"{name} is at least 0, got {getattr(self, name):g}")
        known = self.network in WIDTH or ":" in self.network
        require(known, f"network is conv, dense or package.module:function, got {self.network!r}")
        need_torch()

    def fit(self, pool: Corpus | Streamed, rng: Stream, previous: Any = None) -> VaeModel:
        """Train on images. Raises FitDegenerate when the loss diverges, InputError unless rows are images."""
        from outcross.families.neural import training

        shape = previous.shape if isinstance(pool, Streamed) else pool.shape
        require(len(shape) in (2, 3), "the vae fits images: use an image source such as digits, mnist or npz")
        warm = previous.weights if self.init == "previous" and previous is not None else None
        network = self.network_for(shape, warm, rng)
        training.train(network, pool, rng._replace(shard=1), self._plan, training.device_of(self.device))
        return VaeModel(self, shape, training.to_state(network))

    def trial(self, pool: Corpus, rng: Stream) -> Trial:
        """How long a fit to the pool would take, from a few minibatches."""
        few = pool.take(slice(0, _TRIED * self.batch))
        short = replace(self, epochs=1)
        short.fit(few.take(slice(0, self.batch)), rng)  # the first minibatch pays for imports and memory
        began = time.perf_counter()
        model = short.fit(few, rng)
        return Trial((time.perf_counter() - began) / len(few) * len(pool) * self.epochs, model)

    @property
    def _plan(self) -> Plan:
        from outcross.families.neural.training import Plan

        return Plan(self.epochs, self.batch, self.optimiser, self.rate, self.decay, self.precision)

    def load(self, state: State) -> VaeModel:
        """The model whose state this is."""
        weights = {name: value for name, value in state.items() if name != "shape"}
        return VaeModel(self, tuple(int(s) for s in state["shape"]), weights)

    def network_for(self, shape: tuple[int, ...], weights: State | None, rng: Stream | None = None) -> Autoencoder:
        """The network for rows of a shape: with these weights, or new ones drawn from the stream."""
        import torch

        from outcross.families.adapter import resolve
        from outcross.families.neural import training
        from outcross.families.neural.networks import PAIRS, Autoencoder

        pair = PAIRS[self.network] if self.network in PAIRS else resolve(self.network)
        width = self.width or WIDTH.get(self.network, 0)
        sides = (1 if len(shape) == 2 else shape[2], shape[0], shape[1])

        def make() -> Autoencoder:
            return Autoencoder(pair(sides, self.latent, width), self.likelihood, self.noise, self.beta)

        network: Autoencoder = training.seeded(make, rng) if rng is not None else make()
        if weights is not None:
            training.from_state(network, weights)
        # channels last: convolutions are faster so, and a loaded network must compute what the trained one did
        network.to(training.device_of(self.device))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network.eval()
