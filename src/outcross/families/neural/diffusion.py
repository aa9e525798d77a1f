"""Denoisers and samplers of diffusion models, by Karras et al. 2022 ("EDM"). Noise has standard deviation sigma.

The samplers are written out here: what they step with is a function, so that two models' denoisers can be combined
(`families/sims.py`), and numbers need no library of images. Euler's equals diffusers' EDMEulerScheduler (a test).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.families.neural.linear import Linear

Denoise = Callable[[Tensor, Tensor], Tensor]  # rows with noise (n, ...), its sd (1,) or (n,) -> expected rows
_RHO = 7.0  # how levels of noise are spaced in sampling (Karras et al. 2022, table 1)
_FREQUENCIES = 8  # of the features of the level of noise
_TURN = 100.0  # ln sigma as a "time step" of a U-Net: its embedding was made for numbers up to a thousand


class Noise(NamedTuple):
    """What a denoiser assumes: sd of the rows in its coordinates; ln sigma in training is normal (mean, sd)."""

    data: float
    mean: float
    sd: float


class Mlp(nn.Module):
    """Residual blocks of dense layers, each told the level of noise and the class."""

    def __init__(self, shape: tuple[int, ...], width: int, depth: int, classes: int) -> None:
        super().__init__()
        self.shape = shape
        self.first, self.last = Linear(math.prod(shape), width), Linear(width, math.prod(shape))
        self.level = nn.Sequential(Linear(2 * _FREQUENCIES, width), nn.SiLU())
        self.classes = nn.Embedding(classes, width) if classes else None
        self.told = nn.ModuleList(Linear(width, width) for _ in range(depth))
        self.inner = nn.ModuleList(Linear(width, width) for _ in range(depth))
        self.outer = nn.ModuleList(Linear(width, width) for _ in range(depth))
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, level: Tensor, classes: Tensor | None) -> Tensor:
        """Rows (n, ...) and levels of noise ln sigma, (n,) or (1,), to rows (n, ...)."""
        told = self.level(_waves(level))
        if self.classes is not None:
            told = told + self.classes(classes)
        h = self.first(x.flatten(1))
        for tell, inner, outer in zip(self.told, self.inner, self.outer, strict=True):
            h = h + outer(F.silu(inner(h) + tell(told)))
        return self.last(F.silu(h)).view(-1, *self.shape)  # type: ignore[no-any-return]


def _waves(level: Tensor) -> Tensor:
    """Sines and cosines of ln sigma (n, 2 x 8), of periods 50 down to a half: sigma spans 10 in ln sigma."""
    turns = torch.logspace(math.log10(0.125), math.log10(12.5), _FREQUENCIES, device=level.device)
    return torch.cat([torch.sin(level[:, None] * turns), torch.cos(level[:, None] * turns)], dim=1)


class Unet(nn.Module):
    """The library's U-Net (`diffusers.UNet2DModel`): `levels` of `depth` layers, channels doubling, sides halving."""

    def __init__(self, shape: tuple[int, int, int], width: int, depth: int, levels: int, classes: int) -> None:
        from diffusers import UNet2DModel  # seconds of import

        super().__init__()
        channels, *sides = shape
        make: Any = UNet2DModel
        self.net = make(
            sample_size=tuple(sides),
            in_channels=channels,
            out_channels=channels,
            layers_per_block=depth,
            block_out_channels=tuple(width << level for level in range(levels)),
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            norm_num_groups=math.gcd(width, 8),
            num_class_embeds=classes or None,
        )

    def forward(self, x: Tensor, level: Tensor, classes: Tensor | None) -> Tensor:
        """Images (n, channels, height, width) and ln sigma, (n,) or (1,), to images."""
        found: Tensor = self.net(x, _TURN * level.expand(len(x)), class_labels=classes).sample
        return found


class Denoiser(nn.Module):
    """A network with the preconditioning of Karras et al. 2022 (table 1) in coordinates of its own.

    centre, scale: rows are centre + scale x. counts: how many rows of the pool had no label, and each class from 0.
    """

    centre: Tensor
    scale: Tensor
    counts: Tensor

    def __init__(self, network: nn.Module, noise: Noise, columns: int | None, classes: int) -> None:
        super().__init__()
        self.network, self.noise, self.conditional = network, noise, classes > 0
        shape = () if columns is None else (columns,)
        kind = torch.float32 if columns is None else torch.float64  # pixels are coarse; a column may lie far from 0
        self.register_buffer("centre", torch.full(shape, 0.5, dtype=kind))  # [0, 1] to [-1, 1]
        self.register_buffer("scale", torch.full(shape, 0.5, dtype=kind))
        self.register_buffer("counts", torch.zeros(classes, dtype=torch.int64))

    def settle(self, rows: NDArray[np.float64]) -> None:
        """Take the coordinates from rows of numbers (n, d): to mean 0 and sd 1 where they have a spread."""
        spread = rows.std(axis=0)
        self.centre.copy_(torch.tensor(rows.mean(axis=0)))
        self.scale.copy_(torch.tensor(np.where(spread > 0.0, spread, 1.0)))

    def count(self, labels: NDArray[np.int32]) -> None:
        """Take the counts from labels (n,)."""
        self.counts.copy_(torch.tensor(np.bincount(labels + 1, minlength=len(self.counts))))

    def loss(self, rows: Tensor, chance: torch.Generator, labels: Tensor | None = None) -> Tensor:
        """Squared error of the denoised rows, weighted so that every level of noise counts alike; summed."""
        x = ((rows - self.centre) / self.scale).float()
        level = self.noise.mean + self.noise.sd * torch.randn(len(x), generator=chance)
        sigma = level.exp().to(x.device)
        added = torch.randn(x.shape, generator=chance).to(x.device)
        wide = sigma.view(-1, *(1,) * (x.dim() - 1))
        weight = (wide**2 + self.noise.data**2) / (wide * self.noise.data) ** 2
        found = self.denoise(x + wide * added, sigma, None if labels is None else labels + 1)
        return torch.sum(weight * (found - x).square())

    def denoise(self, x: Tensor, sigma: Tensor, classes: Tensor | None = None) -> Tensor:
        """Expected rows given rows with noise of sd sigma, (n,) or (1,), in its coordinates; classes: label + 1."""
        wide, data = sigma.view(-1, *(1,) * (x.dim() - 1)), self.noise.data
        total = wide**2 + data**2
        found = self.network(x / total.sqrt(), sigma.log(), classes).float()
        return data**2 / total * x + wide * data / total.sqrt() * found  # type: ignore[no-any-return]

    def rows(self, x: Tensor) -> Tensor:
        """Rows of the data from its coordinates."""
        return self.centre + self.scale * x


def labels_of(pool: Corpus) -> NDArray[np.int32]:
    """Labels (n,) of a pool, -1 for none. Raises InputError where no row has one."""
    require(
        pool.label is not None and bool((pool.label >= 0).any()),
        "conditional=true trains with labels, and no row of this pool has one: use a source with labels, or "
        "conditional=false",
    )
    assert pool.label is not None
    return pool.label


class Way(NamedTuple):
    """How rows are made from noise. low, high: its sd at the last step but one and at the start.

    sampler: `euler` or `heun` (of second order) along the probability flow, with fresh noise at every step as far as
    `churn` says (Karras et al. 2022, algorithm 2); or `ancestral`: the reverse of the forward chain of Ho et al. 2020.
    """

    sampler: str
    steps: int
    churn: float
    low: float
    high: float


def levels(way: Way) -> list[float]:
    """Levels of noise from high to low, then 0 (Karras et al. 2022, eq. 5)."""
    rising = np.linspace(way.high ** (1 / _RHO), way.low ** (1 / _RHO), way.steps) ** _RHO
    return [*map(float, rising), 0.0]


def solve(denoise: Denoise, noise: Tensor, way: Way, chance: torch.Generator) -> Tensor:
    """Rows from standard normal noise (n, ...), in the coordinates of the denoiser."""
    x, stirred = way.high * noise, min(way.churn / way.steps, math.sqrt(2.0) - 1.0)
    for high, low in pairwise(levels(way)):
        if way.sampler == "ancestral":
            x = _ancestral(denoise, x, high, low, chance)
            continue
        above = high * (1.0 + stirred)
        if stirred:
            x = x + math.sqrt(above**2 - high**2) * _normal(x, chance)
        x = _flow(denoise, x, above, low, way.sampler == "heun")
    return x


def _normal(x: Tensor, chance: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=chance).to(x.device)


def _slope(denoise: Denoise, x: Tensor, sigma: float) -> Tensor:
    return (x - denoise(x, torch.full((1,), sigma, device=x.device))) / sigma


def _flow(denoise: Denoise, x: Tensor, high: float, low: float, second: bool) -> Tensor:
    """A step of dx/dsigma = (x - D(x, sigma)) / sigma."""
    slope = _slope(denoise, x, high)
    there = x + (low - high) * slope
    if not (second and low):
        return there
    return x + (low - high) * 0.5 * (slope + _slope(denoise, there, low))


def _ancestral(denoise: Denoise, x: Tensor, high: float, low: float, chance: torch.Generator) -> Tensor:
    """Less noise than asked for, and the rest of it afresh: variance low^2 (high^2 - low^2) / high^2."""
    fresh = low * math.sqrt(high**2 - low**2) / high
    x = _flow(denoise, x, high, math.sqrt(low**2 - fresh**2), False)
    return x + fresh * _normal(x, chance) if low else x
