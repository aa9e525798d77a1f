"""Training and sampling of autoencoders against the plain loop of the PyTorch examples, and coverage against prdc.

    python -m benchmarks.vae [--repeats 5] [--images 20000]

Same network, batch and optimiser on both sides, one thread on one core each, images of MNIST's size (noise: speed does
not depend on what they show). Ratios of images a second, medians over interleaved repeats, with the share of the
fastest matrix product measured that training reaches. The plain loop: DataLoader, eager, fp32, sigmoid and binary
cross-entropy apart, the loss read after every minibatch. `bf16` is an option that is recorded, as it gives other
numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from prdc import compute_prdc
from threadpoolctl import threadpool_limits
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from outcross.core.corpus import Corpus
from outcross.core.rng import Purpose, Streams
from outcross.families.neural import networks
from outcross.families.neural.linear import Linear, _product
from outcross.families.vae import Learner
from outcross.measures.neighbours import Manifold, overlap

MACS = {  # multiplications of one image forward through encoder and decoder
    "dense": 784 * 400 + 2 * 400 * 20 + 20 * 400 + 400 * 784,
    "conv": 196 * 64 * 16 + 49 * 128 * 1024 + 2 * 6272 * 20 + 20 * 6272 + 49 * 128 * 64 * 16 + 196 * 64 * 16,
}
TARGETS = {("dense", "fp32"): 2.2, ("dense", "bf16"): 2.8, ("conv", "fp32"): 1.15, ("conv", "bf16"): 1.6}
STREAM = Streams.of(0, 0).stream(0, Purpose.FIT)


class Images(Dataset[tuple[torch.Tensor, int]]):
    """8-bit images that become tensors one by one by way of Pillow, as torchvision's MNIST with ToTensor has it."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.pixels[index])
        tensor = torch.from_numpy(np.array(picture, np.uint8, copy=True)).view(picture.size[1], picture.size[0], 1)
        return tensor.permute(2, 0, 1).contiguous().to(torch.float32).div(255), 0


class Plain(nn.Module):
    """The example's autoencoder over a pair of networks."""

    def __init__(self, pair: tuple[nn.Module, nn.Module]) -> None:
        super().__init__()
        self.encoder, self.decoder = pair

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mu, logvar = self.encoder(x)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.decoder(z)), mu, logvar


def plain_pair(network: str) -> tuple[nn.Module, nn.Module]:
    """The networks with torch's own linear layers."""
    pair = networks.PAIRS[network]((1, 28, 28), 20, 64 if network == "conv" else 400)
    for side in pair:
        for layer in side.modules():
            if isinstance(layer, Linear):
                layer.__class__ = nn.Linear
    return pair


def plain_training(network: str, pixels: np.ndarray, batch: int) -> None:
    model = Plain(plain_pair(network))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    total = 0.0
    for x, _ in DataLoader(Images(pixels), batch_size=batch, shuffle=True):
        optimiser.zero_grad()
        made, mu, logvar = model(x)
        loss = F.binary_cross_entropy(made, x, reduction="sum") - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss.backward()
        total += loss.item()
        optimiser.step()


def our_training(network: str, precision: Any, pixels: np.ndarray, batch: int) -> None:
    Learner(network=network, precision=precision, epochs=1, batch=batch).fit(Corpus.of(pixels), STREAM)


def plain_sampling(decoder: nn.Module, n: int, batch: int) -> None:
    with torch.no_grad():
        [torch.sigmoid(decoder(torch.randn(batch, 20))) for _ in range(n // batch)]


def peak(dtype: torch.dtype) -> float:
    """Operations a second of a large matrix product."""
    a = torch.randn(2048, 2048).to(dtype)
    product = _product if dtype == torch.float32 else torch.matmul
    return 2 * 2048**3 / min(timed(lambda: product(a, a)) for _ in range(10))


def quietly(work: Callable[[], Any]) -> Any:
    with contextlib.redirect_stdout(None):
        return work()


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(works: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each, taken in turn; the first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for round_ in range(repeats + 1):
        for name, work in works.items():
            seconds = timed(work)
            found[name] += [seconds] if round_ else []
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def training(pixels: np.ndarray, batch: int, repeats: int) -> None:
    peaks = {"fp32": peak(torch.float32), "bf16": peak(torch.bfloat16)}
    print(f"matrix product: fp32 {peaks['fp32'] / 1e9:.0f}, bf16 {peaks['bf16'] / 1e9:.0f} GFLOP/s")
    for network, share in (("dense", 1.0), ("conv", 0.2)):
        some = pixels[: int(share * len(pixels))]
        works = {"plain": partial(plain_training, network, some, batch)}
        works |= {p: partial(our_training, network, p, some, batch) for p in peaks}
        seconds = interleaved(works, repeats)
        for name, took in seconds.items():
            pace = len(some) / took
            reached = 6 * MACS[network] * pace / peaks.get(name, peaks["fp32"])
            aim = f" (target {TARGETS[network, name]})" if name != "plain" else ""
            print(
                f"train {network:5} {name:5} {pace:8,.0f} images/s, {100 * reached:3.0f} % of peak, "
                f"ratio {seconds['plain'] / took:.2f}{aim}"
            )


def sampling(n: int, repeats: int) -> None:
    for network in ("dense", "conv"):
        learner = Learner(network=network)
        model = learner.model((28, 28), {k: v.numpy() for k, v in learner.build((1, 28, 28)).state_dict().items()})
        decoder = plain_pair(network)[1]
        works = {"plain": partial(plain_sampling, decoder, n, 128), "ours": partial(model.sample, n, STREAM)}
        seconds = interleaved(works, repeats)
        told = ", ".join(f"{name} {n / took:,.0f} images/s" for name, took in seconds.items())
        print(f"sample {n:,} {network}: {told}, ratio {seconds['plain'] / seconds['ours']:.2f}")


def covering(n: int, repeats: int) -> None:
    real, fake = (np.random.default_rng(s).standard_normal((n, 64)).astype(np.float32) for s in (0, 1))
    works = {
        "prdc": lambda: quietly(partial(compute_prdc, real, fake, 5)),
        "ours": lambda: overlap(Manifold.of(real, 5), Manifold.of(fake, 5), 5),
    }
    seconds = interleaved(works, repeats)
    print(
        f"coverage {n:,} x {n:,} x 64: prdc {seconds['prdc']:.2f} s, ours {seconds['ours']:.2f} s, "
        f"ratio {seconds['prdc'] / seconds['ours']:.1f} (target 5)"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--images", type=int, default=20_000)
    given = options.parse_args()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # prdc starts eight jobs: on one core they are one
    print(f"torch {torch.__version__}, Python {platform.python_version()}, one thread, {given.repeats} repeats")
    pixels = np.random.default_rng(0).integers(256, size=(given.images, 28, 28), dtype=np.uint8)
    with threadpool_limits(1):
        training(pixels, 128, given.repeats)
        sampling(3 * given.images, min(3, given.repeats))
        covering(10_000, min(3, given.repeats))


if __name__ == "__main__":
    main()
