"""Denoising diffusion of numbers and of images: noise is taken away step by step, by a network that learned to.

Ho et al. 2020 ("DDPM"); preconditioning, levels of noise and samplers by Karras et al. 2022 ("EDM").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import State
from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.streamed import Streamed
from outcross.families.neural.learner import Trained, Weighted

if TYPE_CHECKING:
    from torch import Tensor

    from outcross.families.neural.diffusion import Way
    from outcross.families.neural.training import Plan

_ROWS = {"numbers": 4096, "images": 250}  # made in one go: what they need fits into the processor's cache
_WIDTH = {"mlp": 64, "unet": 32}
_DATA = {"numbers": 1.0, "images": 0.5}  # sd of rows in the network's coordinates


class DiffusionModel(Weighted):
    """A trained denoiser as its weights: rows are numbers (n, d), or images (n, h, w) or (n, h, w, channels) in [0, 1].

    One with labels is a `LabelledModel`.
    """

    def sample(self, n: int, rng: Stream) -> NDArray[Any]:
        """N rows: float64 (n, d), or images float32."""
        return self.drawn(n, rng)[0]

    def denoise(self, x: Tensor, sigma: Tensor, classes: Tensor | None) -> Tensor:
        """Expected rows given rows with noise of sd sigma, in the network's coordinates."""
        return self._network.denoise(x, sigma, classes)  # type: ignore[no-any-return]

    def drawn(self, n: int, rng: Stream, denoise: Any = None) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """N rows and labels, by this denoiser or one with its coordinates. Raises FitDegenerate if not finite."""
        import torch

        from outcross.families.neural import training

        chance, labels, step = training.generator(rng), [], denoise or self.denoise

        def some(size: int) -> NDArray[np.float32]:
            classes = self._classes(size, chance)
            labels.append(np.full(size, -1) if classes is None else classes.numpy() - 1)
            with torch.no_grad():
                return self._made(step, size, classes, chance)

        numbers = self.learner.rows == "numbers"
        made = training.in_chunks(some, n, self.shape, _ROWS[self.learner.rows], np.float64 if numbers else np.float32)
        return made, np.concatenate([*labels, np.empty(0)]).astype(np.int32)

    def _classes(self, n: int, chance: Any) -> Tensor | None:
        """Label + 1 of each row to make (n,), by frequency in the pool."""
        import torch

        if not self.learner.conditional:
            return None
        frequencies = torch.tensor(self.weights["counts"], dtype=torch.float64)
        return torch.multinomial(frequencies, n, replacement=True, generator=chance)

    def _made(self, denoise: Any, n: int, classes: Tensor | None, chance: Any) -> NDArray[Any]:
        import torch

        from outcross.families.neural import diffusion, training

        network = self._network
        on, images = training.where(network), len(self.shape) > 1
        noise = torch.randn((n, *(training.sides(self.shape) if images else self.shape)), generator=chance).to(on)
        told = None if classes is None else classes.to(on)
        x = network.rows(diffusion.solve(lambda x, s: denoise(x, s, told), noise, self.learner.way, chance))
        return training.rows(x.clamp(0.0, 1.0)) if images else np.asarray(x.cpu().numpy())


class LabelledModel(DiffusionModel):
    """A denoiser that was told labels (`conditional`): it draws them by their frequency in the pool.

    So it also offers `labelled(n, rng)` -> (items, labels (n,) int32): the rows that `sample` gives for this stream,
    and the label that each was made for, -1 for a row made as those without one.
    """

    def labelled(self, n: int, rng: Stream) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """N rows as of `sample`, and their labels (n,)."""
        return self.drawn(n, rng)


@dataclass(frozen=True)
class Learner(Trained):
    """rows: what they are, `numbers` (brought to mean 0 and sd 1 by the pool's, which a warm start keeps) or `images`.
    network: dense blocks (`mlp`), or diffusers' U-Net of images (`unet`); `auto` is what suits the rows. width: units,
    64, or channels at full size, 32. depth: blocks, or layers a level. levels of a U-Net: each doubles the channels
    and all but the last halve the sides.

    noise_mean, noise_sd: of ln sigma in training, normal. ema: how much of the running average of weights, which is
    what is kept, stays at a step. conditional: train with the pool's labels and draw by them.

    sampler: `heun` or `euler` (deterministic, unless `churn` stirs fresh noise in), or `ancestral`; steps: from noise
    of sd sigma_max to sigma_min, then 0. In few steps `euler` narrows what is made and `heun` widens it. The rest as
    for every trained module (`families/neural/learner.py`).
    """

    trains_by: ClassVar[tuple[str, ...]] = (*Trained.trains_by, "ema", "noise_mean", "noise_sd")

    epochs: int = 100
    rows: Literal["numbers", "images"] = "numbers"
    network: Literal["auto", "mlp", "unet"] = "auto"
    width: int | None = None
    depth: int = 2
    levels: int = 2
    noise_mean: float = -1.2
    noise_sd: float = 1.2
    ema: float = 0.999
    conditional: bool = False
    sampler: Literal["heun", "euler", "ancestral"] = "heun"
    steps: int = 40
    churn: float = 0.0
    sigma_min: float = 0.002
    sigma_max: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("depth", "levels", "steps"):
            require(getattr(self, name) >= 1, f"{name} is 1 or more, got {getattr(self, name)}")
        require(self.width is None or self.width >= 1, f"width is 1 or more, got {self.width}")
        require(0.0 <= self.ema < 1.0, f"ema is in [0, 1), got {self.ema:g}")
        require(self.noise_sd > 0.0, f"noise_sd is positive, got {self.noise_sd:g}")
        ordered = 0.0 < self.sigma_min < self.sigma_max
        require(ordered, f"sigma_min and sigma_max rise from above 0, got {self.sigma_min:g} and {self.sigma_max:g}")
        require(self.churn >= 0.0, f"churn is at least 0, got {self.churn:g}")
        stirs = self.churn == 0.0 or self.sampler != "ancestral"
        require(stirs, "churn is of sampler=heun and euler; ancestral stirs by itself")
        require(
            self.kind == "mlp" or self.rows == "images", "network=unet is of images: use rows=images, or network=mlp"
        )
        exact = self.rows == "images" or self.device != "mps"
        require(exact, "device=mps has no numbers of 64 bits, which rows=numbers is: use device=cpu")
        if self.kind == "unet":
            need_diffusers()

    @property
    def kind(self) -> str:
        """The network: mlp or unet."""
        return self.network if self.network != "auto" else {"numbers": "mlp", "images": "unet"}[self.rows]

    @property
    def items(self) -> str:
        """What its rows are."""
        return self.rows

    @property
    def streams(self) -> bool:
        """Whether it fits pools whose rows are drawn anew for every pass: those have no labels."""
        return not self.conditional

    @property
    def remedies(self) -> dict[str, dict[str, Any]]:
        """What removes each cause of error: twice the width, four times the training, fine steps along the flow."""
        fine = {"sampler": "heun", "churn": 0.0, "steps": max(64, 4 * self.steps)}
        wider = {"width": 2 * (self.width or _WIDTH[self.kind])}
        return {"expressivity": wider, "approximation": {"epochs": 4 * self.epochs}, "sampler": fine}

    def least(self, columns: int) -> int:
        """Rows that a fit needs at least: two have a spread."""
        return 2

    @property
    def way(self) -> Way:
        """How rows are made from noise."""
        from outcross.families.neural.diffusion import Way

        return Way(self.sampler, self.steps, self.churn, self.sigma_min, self.sigma_max)

    @property
    def plan(self) -> Plan:
        """How the denoiser is trained."""
        return replace(super().plan, ema=self.ema)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise InputError unless rows of a shape are what it fits."""
        if self.rows == "images":
            super().check_shape(shape)
            halves = 2 ** (self.levels - 1)
            fits = self.kind == "mlp" or (shape[0] % halves == 0 and shape[1] % halves == 0)
            sides = f"{shape[0]} x {shape[1]}"
            require(
                fits, f"levels={self.levels}: sides are halved to multiples of {halves}, got {sides}; use fewer levels"
            )
        else:
            require(len(shape) == 1, "rows=numbers: this pool has images; use rows=images")

    def begun(self, pool: Corpus | Streamed, shape: tuple[int, ...], warm: State | None, rng: Stream) -> Any:
        """The denoiser that training begins with. Raises InputError where labels lack, or are new to a warm start."""
        from outcross.families.neural import diffusion, training

        labels = diffusion.labels_of(pool) if self.conditional and isinstance(pool, Corpus) else None
        if warm is not None:
            known = len(warm["counts"]) - 2
            inside = labels is None or int(labels.max()) <= known
            require(inside, f"init=previous: the model before knows labels to {known}, this pool has more; use scratch")
            network = self.network_for(shape, warm, rng)
        else:
            classes = 0 if labels is None else int(labels.max()) + 2
            network = self.placed(training.seeded(lambda: self._new(shape, classes), rng))
            if self.rows == "numbers":
                network.settle(pool.rows(0) if isinstance(pool, Streamed) else pool.items)
        if labels is not None:
            network.count(labels)
        return network

    def made(self, shape: tuple[int, ...], weights: State | None) -> Any:
        """A new denoiser for rows of a shape, with as many classes as the weights have."""
        return self._new(shape, 0 if weights is None else len(weights["counts"]))

    def _new(self, shape: tuple[int, ...], classes: int) -> Any:
        from outcross.families.neural import diffusion, training

        width = self.width or _WIDTH[self.kind]
        if self.kind == "unet":
            network: Any = diffusion.Unet(training.sides(shape), width, self.depth, self.levels, classes)
        else:
            sides = training.sides(shape) if self.rows == "images" else shape
            network = diffusion.Mlp(sides, width, self.depth, classes)
        noise = diffusion.Noise(_DATA[self.rows], self.noise_mean, self.noise_sd)
        return diffusion.Denoiser(network, noise, None if self.rows == "images" else shape[0], classes)

    def model(self, shape: tuple[int, ...], weights: State) -> DiffusionModel:
        """The model of rows of a shape with these weights."""
        return (LabelledModel if self.conditional else DiffusionModel)(self, shape, weights)


def need_diffusers() -> None:
    """Raise InputError, naming the extra, where diffusers is not installed."""
    there = find_spec("diffusers") is not None
    require(there, "network=unet needs diffusers, which is not installed: pip install 'outcross[diffusion]'")
