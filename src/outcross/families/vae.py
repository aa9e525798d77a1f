"""Variational autoencoders of images: the paper's convolutional one, a dense one, or any pair of modules.

Kingma and Welling 2014; Shumailov et al. 2024, code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from outcross.core.contracts import State
from outcross.core.corpus import intensities
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.families.adapter import resolve
from outcross.families.neural.learner import Trained, Weighted

if TYPE_CHECKING:
    from outcross.families.neural.networks import Autoencoder

Sampling = Literal["mean", "bernoulli", "gaussian"]
WIDTH = {"conv": 64, "dense": 400}  # the paper's channels; the PyTorch example's units; a pair of modules gets 64


class VaeModel(Weighted):
    """A trained autoencoder as its weights: rows are images (n, h, w) or (n, h, w, channels) in [0, 1]."""

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N images float32: codes from N(0, I), decoded; pixels are their means, or drawn (`sampling`)."""
        import torch

        from outcross.families.neural import training

        chance = training.generator(rng)

        def some(size: int) -> np.ndarray:
            codes = torch.randn((size, self.latent), generator=chance)
            return self._pixels(self.decode(codes.numpy()), chance)

        return training.in_chunks(some, n, self.shape)

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
        return int(self.learner.latent)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Mean images of latent codes (n, latent)."""
        import torch

        from outcross.families.neural import training

        with torch.no_grad():
            found = self._network.decode(torch.tensor(codes, dtype=torch.float32).to(training.where(self._network)))
            return training.rows(found)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Posterior means mu (n, latent) of images, 8 bits or float in [0, 1]."""
        import torch

        from outcross.families.neural import training

        with torch.no_grad():
            parts, device = torch.tensor(intensities(images)).split(1000), training.where(self._network)
            means = [self._network.encoder(training.images(part).to(device))[0].float().cpu() for part in parts]
            return np.asarray(torch.cat(means).numpy())


@dataclass(frozen=True)
class Learner(Trained):
    """network: `dense`, `conv` (the paper's), or `package.module:function` that makes a pair of torch modules from
    (channels, height, width), latent and width: an encoder giving mu and log variance (n, latent), a decoder giving
    logits of the image. width: hidden units or channels; 400 dense, otherwise 64. latent: size of a code.

    beta: weight of the divergence. likelihood: of a pixel, `bernoulli`, or `gaussian` with standard deviation `noise`.
    sampling: a pixel is its `mean` (the paper), or drawn, `bernoulli` or `gaussian` with `noise`. The rest as for every
    trained module (`families/neural/learner.py`).
    """

    network: str = "dense"
    latent: int = 20
    width: int | None = None
    beta: float = 1.0
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    noise: float = 0.1
    sampling: Sampling = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.latent >= 1, f"latent is 1 or more, got {self.latent}")
        require(self.width is None or self.width >= 1, f"width is 1 or more, got {self.width}")
        require(self.noise > 0.0, f"noise is positive, got {self.noise:g}")
        require(self.beta >= 0.0, f"beta is at least 0, got {self.beta:g}")
        known = self.network in WIDTH or ":" in self.network
        require(known, f"network is conv, dense or package.module:function, got {self.network!r}")

    @property
    def remedies(self) -> dict[str, dict[str, Any]]:
        """What removes each cause of error: twice the network, four times the training, pixels drawn as modelled."""
        wider = {"latent": 2 * self.latent, "width": 2 * (self.width or WIDTH.get(self.network, 64))}
        learned = {"epochs": 4 * self.epochs}
        return {"expressivity": wider, "approximation": learned, "sampler": {"sampling": self.likelihood}}

    def build(self, shape: tuple[int, int, int]) -> Autoencoder:
        """A new autoencoder of images (channels, height, width)."""
        from outcross.families.neural.networks import PAIRS, Autoencoder, checked

        width = self.width or WIDTH.get(self.network, 64)
        if self.network in PAIRS:
            pair = PAIRS[self.network](shape, self.latent, width)
        else:
            pair = checked(resolve(self.network), self.network, shape, self.latent, width)
        return Autoencoder(pair, self.likelihood, self.noise, self.beta)

    def model(self, shape: tuple[int, ...], weights: State) -> VaeModel:
        """The model of rows of a shape with these weights."""
        return VaeModel(self, shape, weights)
