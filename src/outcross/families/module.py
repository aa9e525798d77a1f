"""Any torch module of images, by dotted path: also a Lightning module, a diffusers pipeline's parts (docs/images.md).

    learner: {kind: module, object: "mylab.flows:Flow", options: {depth: 4}, epochs: 10}

The object is called with `shape` (channels, height, width) and the options and gives a torch.nn.Module with

    loss(images, generator) -> a scalar to minimise; images (n, channels, height, width) in [0, 1]
    sample(n, generator) -> n images of that form

where `generator` is a torch.Generator on the CPU: the only chance that a run can repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from outcross.core.contracts import State
from outcross.core.errors import InputError, LearnerError, one_line, require
from outcross.core.rng import Stream
from outcross.families.adapter import resolve
from outcross.families.neural.learner import Trained, Weighted


class ModuleModel(Weighted):
    """A trained module as its weights."""

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N images float32. Raises InputError unless the module gives images of the right shape, LearnerError
        unless they lie in [0, 1]: that ends this chain alone.
        """
        import torch

        from outcross.families.neural import training

        chance = training.generator(rng)

        def some(size: int) -> np.ndarray:
            with torch.no_grad():
                made = self._network.sample(size, chance)
            self._check(made, (size, *training.sides(self.shape)))
            return training.rows(made)

        return training.in_chunks(some, n, self.shape)

    def _check(self, made: Any, due: tuple[int, ...]) -> None:
        import torch

        named = f"{self.learner.object}.sample({due[0]})"
        given = f"a tensor {tuple(made.shape)}" if isinstance(made, torch.Tensor) else f"a {type(made).__name__}"
        require(given == f"a tensor {due}", f"{named} gave {given}: a tensor {due} is due")
        low, high = (float(v) for v in torch.aminmax(made))
        if low < 0.0 or high > 1.0:  # false of what is not a number, which ends its chain later
            raise LearnerError(f"{named} gave pixels from {low:g} to {high:g}: [0, 1] is due, so clamp or scale them")


@dataclass(frozen=True)
class Learner(Trained):
    """object: dotted path of a class or function that gives the module. options: its arguments besides `shape`. The
    rest as for every trained module (`families/neural/learner.py`).
    """

    object: str = field(kw_only=True)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(":" in self.object, f"object is package.module:Name of a torch module, got {self.object!r}")
        resolve(self.object)

    def __hash__(self) -> int:
        return hash((self.object, repr(sorted(self.options.items()))))

    def build(self, shape: tuple[int, int, int]) -> Any:
        """A new module. Raises InputError when it is none, or lacks a method."""
        from torch import nn

        try:
            made = resolve(self.object)(shape=shape, **self.options)
        except Exception as e:  # a user's module may raise anything
            raise InputError(f"{self.object}: {one_line(f'{type(e).__name__}: {e}')}") from e
        require(isinstance(made, nn.Module), f"{self.object} gave a {type(made).__name__}, not a torch.nn.Module")
        for method in ("loss", "sample"):
            require(hasattr(made, method), f"{self.object} has no {method}(): see docs/images.md")
        require(any(True for _ in made.parameters()), f"{self.object} has no weights to train")
        return made

    def model(self, shape: tuple[int, ...], weights: State) -> ModuleModel:
        """The model of rows of a shape with these weights."""
        return ModuleModel(self, shape, weights)
