"""Linear layers whose products oneDNN computes, in fp32, on a CPU.

PyTorch leaves them to the BLAS it was built with, which on processors of another maker runs at half their speed
(`benchmarks/vae.py` has the ratio). Where oneDNN's operator is not there, on another device, and under autocast, these
are the layers of torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Linear(nn.Linear):
    """A `torch.nn.Linear` in everything but its speed."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        if not _served(input, self.weight):
            return super().forward(input)
        rows: Tensor = _Product.apply(input.reshape(-1, input.shape[-1]), self.weight, self.bias)
        return rows.view(*input.shape[:-1], rows.shape[-1])


def swap(network: nn.Module) -> nn.Module:
    """The same network with every linear layer one of these; weights, names and ties stay as they are."""
    for layer in network.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = Linear
    return network


def _served(x: Tensor, weight: Tensor) -> bool:
    plain = x.dtype == weight.dtype == torch.float32 and x.device.type == "cpu"
    return plain and not torch.is_autocast_enabled("cpu") and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """X weight' + bias."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]


def by_transposed(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """X y' of arrays of float32 (n, k) and (m, k)."""
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    return np.asarray((_product(left, right) if _served(left, right) else left @ right.t()).numpy())


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        context.save_for_backward(x, weight)
        context.shifts = bias is not None
        return _product(x, weight, bias)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = context.saved_tensors
        (g,) = gradients
        back = _product(g, weight.t()) if context.needs_input_grad[0] else None
        return back, _product(g.t(), x.t()), g.sum(dim=0) if context.shifts else None
