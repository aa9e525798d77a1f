"""Encoder and decoder of variational autoencoders. An image's shape is (channels, height, width) here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from outcross.core.errors import InputError, one_line, require
from outcross.families.neural.linear import Linear

Shape = tuple[int, int, int]


class TwoHeads(nn.Module):
    """Mean and log variance of the posterior, from features (n, d)."""

    def __init__(self, body: nn.Module, features: int, latent: int) -> None:
        super().__init__()
        self.body, self.mu, self.logvar = body, Linear(features, latent), Linear(features, latent)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(n, latent) twice."""
        found = self.body(images)
        return self.mu(found), self.logvar(found)


def dense(shape: Shape, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    """One hidden layer of `width` units on each side."""
    pixels = math.prod(shape)
    encoder = TwoHeads(nn.Sequential(nn.Flatten(), Linear(pixels, width), nn.ReLU()), width, latent)
    decoder = nn.Sequential(Linear(latent, width), nn.ReLU(), Linear(width, pixels), nn.Unflatten(1, shape))
    return encoder, decoder


def conv(shape: Shape, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    """The authors' networks: two convolutions of stride 2, `width` and twice as many channels (paper: 64, latent 20).

    28 x 28 with these has 647,081 parameters.
    """
    channels, height, wide = shape
    require(
        height % 4 == 0 and wide % 4 == 0,
        f"network=conv halves images twice: sides are multiples of 4, got {height} x {wide}",
    )
    inner = (2 * width, height // 4, wide // 4)
    features = math.prod(inner)
    body = nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * width, 4, 2, 1), nn.ReLU(), nn.Flatten()
    )
    decoder = nn.Sequential(
        Linear(latent, features),  # no activation after it
        nn.Unflatten(1, inner),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(width, channels, 4, 2, 1),
    )
    return TwoHeads(body, features, latent), decoder


class Autoencoder(nn.Module):
    """Encoder and decoder with the negative evidence lower bound as loss (Kingma and Welling 2014)."""

    def __init__(self, pair: tuple[nn.Module, nn.Module], likelihood: str, noise: float, beta: float) -> None:
        super().__init__()
        self.encoder, self.decoder = pair
        self._likelihood, self._noise, self._beta = likelihood, noise, beta

    def loss(self, images: Tensor, chance: torch.Generator) -> Tensor:
        """Reconstruction error plus beta times the divergence from N(0, I), summed over pixels and images."""
        mu, logvar = self.encoder(images)
        mu, logvar = mu.float(), logvar.float()
        noise = torch.randn(mu.shape, generator=chance).to(mu.device)
        logits = self.decoder(mu + noise * torch.exp(0.5 * logvar)).float()
        divergence = -0.5 * torch.sum(1.0 + logvar - mu.square() - logvar.exp())
        return self._error(logits, images) + self._beta * divergence

    def _error(self, logits: Tensor, images: Tensor) -> Tensor:
        if self._likelihood == "bernoulli":
            return nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="sum")
        return torch.sum((torch.sigmoid(logits) - images).square()) / (2.0 * self._noise**2)

    def decode(self, codes: Tensor) -> Tensor:
        """Mean images (n, channels, height, width) of codes (n, latent)."""
        return torch.sigmoid(self.decoder(codes).float())


def checked(make: Any, name: str, shape: Shape, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    """The pair of modules that a user's function makes, tried on one image.

    Raises InputError, with what is due, when it fails or gives other things or other shapes.
    """
    image, code = torch.zeros((1, *shape)), torch.zeros((1, latent))
    try:
        encoder, decoder = make(shape, latent, width)
        with torch.no_grad():
            encoded, decoded = encoder.eval()(image), decoder.eval()(code)
        found = [tuple(t.shape) for t in (*encoded, decoded)]
    except Exception as e:  # a user's module may raise anything
        raise InputError(f"{name}: {one_line(f'{type(e).__name__}: {e}')}; {_DUE}") from e
    due = [(1, latent), (1, latent), (1, *shape)]
    require(found == due, f"{name}: one image and one code gave tensors {found}, {due} are due: {_DUE}")
    return encoder.train(), decoder.train()


_DUE = "an encoder gives mu and log variance (n, latent), a decoder logits (n, channels, height, width)"
Pair = Callable[[Shape, int, int], tuple[nn.Module, nn.Module]]
PAIRS: dict[str, Pair] = {"conv": conv, "dense": dense}
