"""What learners that train torch modules share: settings, the fit, loading, a trial. Rows are images unless said."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import numpy as np

from outcross.core.contracts import State, Trial
from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.core.streamed import Streamed
from outcross.families.neural import need_torch

if TYPE_CHECKING:
    import torch

    from outcross.families.neural.training import Plan

_TRIED = 8  # minibatches of a trial


@dataclass(frozen=True, eq=False)
class Weighted:
    """A model kept as its weights; a subclass says how to sample."""

    learner: Any
    shape: tuple[int, ...]  # of a row
    weights: State

    @cached_property
    def _network(self) -> Any:
        return self.learner.network_for(self.shape, self.weights)

    @property
    def trained(self) -> frozenset[str]:
        """Names of the weights that training moves by gradients: no buffers, no running statistics."""
        return frozenset(name for name, p in self._network.named_parameters() if p.requires_grad)

    def state(self) -> State:
        """Weights by name, and the shape of a row."""
        return {**self.weights, "shape": np.array(self.shape, dtype=np.int64)}


@dataclass(frozen=True)
class Trained:
    """epochs: passes over the pool. batch: images of a minibatch. optimiser, with its step size `rate` and weight
    `decay`; sgd has momentum 0.9. init: `scratch` in every generation, or the `previous` one's weights. device: `auto`
    takes CUDA where there is one. precision: `bf16` computes matrix products in 16 bits: faster, and other numbers.
    """

    trains_by: ClassVar[tuple[str, ...]] = ("epochs", "batch", "optimiser", "rate", "decay", "precision")

    epochs: int = 20
    batch: int = 128
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    rate: float = 1e-3
    decay: float = 0.0
    init: Literal["scratch", "previous"] = "scratch"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value, known = getattr(self, name, None), get_args(hint)
            if get_origin(hint) is Literal:
                require(value in known, f"{name} is {', '.join(known)}, got {value!r}")
        for name in ("epochs", "batch"):
            require(getattr(self, name) >= 1, f"{name} is 1 or more, got {getattr(self, name)}")
        require(self.rate > 0.0, f"rate is positive, got {self.rate:g}")
        require(self.decay >= 0.0, f"decay is at least 0, got {self.decay:g}")
        need_torch()

    @property
    def items(self) -> str:
        """What its rows are."""
        return "images"

    @property
    def streams(self) -> bool:
        """Whether it fits pools whose rows are drawn anew for every pass."""
        return True

    def build(self, shape: tuple[int, int, int]) -> Any:
        """A new module for images (channels, height, width), with `loss(images, generator)`."""
        raise NotImplementedError

    def model(self, shape: tuple[int, ...], weights: State) -> Any:
        """The model of rows of a shape with these weights."""
        raise NotImplementedError

    def fit(self, pool: Corpus | Streamed, rng: Stream, previous: Any = None) -> Any:
        """Train on a pool. Raises FitDegenerate when the loss diverges, InputError unless rows are what it fits."""
        from outcross.families.neural import training

        shape = previous.shape if isinstance(pool, Streamed) else pool.shape
        self.check_shape(shape)
        warm = previous.weights if self.init == "previous" and previous is not None else None
        network = self.begun(pool, shape, warm, rng)
        training.train(network, pool, rng._replace(shard=1), self.plan, self.on)
        return self.model(shape, training.to_state(network))

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise InputError unless rows of a shape are what this family fits."""
        require(len(shape) in (2, 3), "this family fits images: use a source such as digits, mnist or image_folder")

    def begun(self, pool: Corpus | Streamed, shape: tuple[int, ...], warm: State | None, rng: Stream) -> Any:
        """The module that training begins with; warm: the weights of the generation before, where those are wanted."""
        return self.network_for(shape, warm, rng)

    def load(self, state: State) -> Any:
        """The model whose state this is: weights by name, and the shape of a row."""
        weights = {name: value for name, value in state.items() if name != "shape"}
        return self.model(tuple(int(s) for s in state["shape"]), weights)

    def trial(self, pool: Corpus, rng: Stream) -> Trial:
        """How long a fit to the pool would take, from a few minibatches."""
        few = pool.take(slice(0, _TRIED * self.batch))
        short = replace(self, epochs=1)
        short.fit(few.take(slice(0, self.batch)), rng)  # the first minibatch pays for imports and memory
        began = time.perf_counter()
        model = short.fit(few, rng)
        seconds = (time.perf_counter() - began) / len(few) * len(pool) * self.epochs
        model.sample(2, rng)  # what it gives is checked now, not after hours of training
        return Trial(seconds, self.on.type, model)

    @property
    def on(self) -> torch.device:
        """The device that fits are made on."""
        from outcross.families.neural import training

        return training.device_of(self.device)

    @property
    def plan(self) -> Plan:
        """How a module is trained."""
        from outcross.families.neural.training import Plan

        return Plan(self.epochs, self.batch, self.optimiser, self.rate, self.decay, self.precision)

    def network_for(self, shape: tuple[int, ...], weights: State | None, rng: Stream | None = None) -> Any:
        """The module for rows of a shape: with these weights, or new ones drawn from the stream."""
        from outcross.families.neural import training

        network = self.made(shape, weights) if rng is None else training.seeded(lambda: self.made(shape, weights), rng)
        if weights is not None:
            training.from_state(network, weights)
        return self.placed(network)

    def made(self, shape: tuple[int, ...], weights: State | None) -> Any:
        """A new module for rows of a shape, into which the weights will go, if there are any."""
        from outcross.families.neural import training

        return self.build(training.sides(shape))

    def placed(self, network: Any) -> Any:
        """The module on its device, in the layout that it computes in."""
        import torch

        # channels last: convolutions are faster so, and a loaded network must compute what the trained one did
        network.to(self.on)
        network.to(memory_format=torch.channels_last)
        return network.eval()
