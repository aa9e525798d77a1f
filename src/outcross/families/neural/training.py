"""Training of torch modules: rows in memory, random numbers from named streams, the same bits again on one machine.

Rows go by in minibatches without a data loader: on one thread that alone nearly doubles the speed of small networks
(`benchmarks/vae.py`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outcross.core.contracts import State
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.rng import Stream
from outcross.core.streamed import Streamed

Device = Literal["auto", "cpu", "cuda", "mps", "all"]
Precision = Literal["fp32", "bf16"]
Optimiser = Literal["adam", "adamw", "sgd"]
_CHUNK = 250  # images made in one go: what they need fits into the processor's cache
_TRIM, _MAP, _MOST = -1, -3, (1 << 31) - 1  # glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD, and the largest of an int


@dataclass(frozen=True)
class Plan:
    """How a module is trained. bf16: matrix products in 16 bits, weights in 32. ema: how much of the running average of
    the weights, which is what is kept, stays at a step; 0 keeps the last weights.
    """

    epochs: int
    batch: int
    optimiser: Optimiser
    rate: float
    decay: float
    precision: Precision
    ema: float = 0.0


class _Average:
    """The running average of a module's weights, over at most 1 / (1 - ema) steps: less at first (Tan and Le 2019)."""

    def __init__(self, module: nn.Module, ema: float) -> None:
        self.weights: list[Tensor] = [p for p in module.parameters() if p.requires_grad]
        self.mean = [p.detach().clone() for p in self.weights]
        self.ema, self.steps = ema, 0

    def add(self) -> None:
        """Take in the weights of a step."""
        self.steps += 1
        stays = min(self.ema, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.mean, [p.detach() for p in self.weights], 1.0 - stays)

    def keep(self) -> None:
        """Make it the module's weights."""
        with torch.no_grad():
            torch._foreach_copy_(self.weights, self.mean)


def device_of(name: Device) -> torch.device:
    """The device meant; `auto` is CUDA where there is one, else the CPU, and of `all` GPUs the first.

    Raises InputError where it is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    there["all"] = there["cuda"]
    if name == "auto":
        return torch.device("cuda" if there["cuda"] else "cpu")
    if not there[name]:
        raise InputError(f"device={name}: this machine has none; use device=auto or device=cpu")
    return torch.device("cuda" if name == "all" else name)


@cache
def keep_freed() -> None:
    """Have glibc keep the memory that this process frees, to use it again.

    By default large buffers go back to the system after every step, and are faulted in again page by page: a seventh
    of the time of a small transformer's training. Another C library is left alone.
    """
    with suppress(AttributeError, OSError):
        for what in (_TRIM, _MAP):
            ctypes.CDLL("libc.so.6").mallopt(what, _MOST)


def generator(rng: Stream) -> torch.Generator:
    """Torch's random numbers at the start of a stream. They are made on the CPU, whatever the device."""
    return torch.Generator().manual_seed(rng.seed())


def seeded(make: Any, rng: Stream) -> Any:
    """What `make()` gives, torch's own random numbers in it fixed by the stream and afterwards as they were before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.seed())
        return make()


def train(module: nn.Module, pool: Corpus | Streamed, rng: Stream, plan: Plan, device: torch.device) -> float:
    """Minimise `module.loss(rows, generator)`, summed over a minibatch; returns the last epoch's loss a row.

    A module that is `conditional` gets the labels (n,) of the rows, -1 for none, as a third argument. Raises
    FitDegenerate when the loss stops being finite.
    """
    keep_freed()
    module.to(device).train()
    optimiser, chance = _optimiser(module, plan, device), generator(rng)
    average = _Average(module, plan.ema) if plan.ema else None
    fixed = None if isinstance(pool, Streamed) else _given(module, pool)
    loss = np.nan
    for epoch in range(plan.epochs):
        seen = [torch.from_numpy(pool.rows(epoch))] if isinstance(pool, Streamed) else fixed
        assert seen is not None
        loss = _epoch(module, seen, optimiser, chance, plan, device, average) / len(seen[0])
        if not np.isfinite(loss):
            raise FitDegenerate(f"the loss diverged in epoch {epoch + 1} of {plan.epochs}: {loss}")
    if average is not None:
        average.keep()
    module.eval()
    return loss


def _given(module: nn.Module, pool: Corpus) -> list[Tensor]:
    """The rows of a pool, and their labels where the module asks for them."""
    rows = torch.tensor(pool.items)
    return [rows, torch.tensor(pool.label).long()] if getattr(module, "conditional", False) else [rows]


def _optimiser(module: nn.Module, plan: Plan, device: torch.device) -> torch.optim.Optimizer:
    fused = device.type != "mps"
    if plan.optimiser == "sgd":
        return torch.optim.SGD(module.parameters(), plan.rate, momentum=0.9, weight_decay=plan.decay, fused=fused)
    kind = torch.optim.Adam if plan.optimiser == "adam" else torch.optim.AdamW
    return kind(module.parameters(), plan.rate, weight_decay=plan.decay, fused=fused)


def _epoch(
    module: nn.Module,
    seen: list[Tensor],
    optimiser: torch.optim.Optimizer,
    chance: torch.Generator,
    plan: Plan,
    device: torch.device,
    average: _Average | None,
) -> float:
    total = torch.zeros((), dtype=torch.float64)
    for part in torch.randperm(len(seen[0]), generator=chance).split(plan.batch):
        rows, *labels = (given[part].to(device) for given in seen)
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bf16"):
            loss = _scalar(module.loss(inputs(rows), chance, *labels))  # type: ignore[operator]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if average is not None:
            average.add()
        total += loss.detach().cpu()
    return float(total)


def _scalar(loss: Any) -> Tensor:
    """The loss of a minibatch. Raises InputError unless it is one number that weights can be trained by."""
    if isinstance(loss, Tensor) and loss.numel() == 1 and loss.requires_grad:
        return loss.reshape(())
    given = f"a tensor {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
    given += "" if not isinstance(loss, Tensor) or loss.requires_grad else " that depends on no weight"
    raise InputError(f"loss() gave {given}: a tensor of one number is due, by which weights can be trained")


def sides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width) of rows of a shape (h, w) or (h, w, channels)."""
    return (1 if len(shape) == 2 else shape[2], shape[0], shape[1])


def inputs(rows: Tensor) -> Tensor:
    """Rows as networks take them: numbers (n, d) as they are, images as below."""
    return rows if rows.dim() == 2 else images(rows)


def images(rows: Tensor) -> Tensor:
    """Images as networks take them: float32 (n, channels, height, width) in [0, 1], from (n, h, w) or (n, h, w, c)."""
    pixels = rows.float().div_(255.0) if rows.dtype == torch.uint8 else rows
    return pixels.unsqueeze(1) if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2)


def rows(pixels: Tensor) -> NDArray[np.float32]:
    """The other way round: an array (n, h, w) or (n, h, w, c)."""
    turned = pixels.squeeze(1) if pixels.shape[1] == 1 else pixels.permute(0, 2, 3, 1)
    return np.ascontiguousarray(turned.float().cpu().numpy())


def in_chunks(
    make: Callable[[int], NDArray[Any]], n: int, shape: tuple[int, ...], chunk: int = _CHUNK, kind: Any = np.float32
) -> NDArray[Any]:
    """N images, or rows of numbers, of a shape from a function that makes some: memory stays bounded.

    Raises FitDegenerate when one is not finite.
    """
    made = np.empty((n, *shape), dtype=kind)
    for first in range(0, n, chunk):
        size = min(chunk, n - first)
        part = make(size)
        if not np.isfinite(part).all():
            what = "pixels" if len(shape) > 1 else "numbers"
            raise FitDegenerate(f"the model makes {what} that are not finite")
        made[first : first + size] = part
    return made


def where(module: nn.Module) -> torch.device:
    """The device that a module is on."""
    return next(module.parameters()).device


def to_state(module: nn.Module) -> State:
    """Weights and buffers as arrays, by name."""
    return {name: value.detach().cpu().contiguous().numpy() for name, value in module.state_dict().items()}


def from_state(module: nn.Module, state: State) -> None:
    """Load weights and buffers. Raises InputError when they are not this module's."""
    try:
        module.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    except RuntimeError as e:
        why = str(e).splitlines()[-1].strip()
        raise InputError(
            f"the stored weights are not this network's ({why}): if its code was changed since, undo that, or run anew "
            "in another folder (--out)"
        ) from e
