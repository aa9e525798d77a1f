"""The classifier through which measures see images: small, convolutional, trained on the real images that can be drawn.

Its last hidden layer gives features (n, 128), its output labels. The same images, labels and machine give the same
weights; they are kept in the user's cache, and their SHA-256 stands beside every figure that rests on them.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import State
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.rng import FIXED, Purpose, Stream
from outcross.families.neural import need_torch
from outcross.sources.fetch import cache

HIDDEN = 128
LEAST = 4  # pixels a side: it halves images twice
_STEPS, _LARGEST, _SMALLEST = 400, 256, 16  # minibatches at least, their sizes
_RATE, _EPOCHS = 3e-3, 4  # peak of the one-cycle schedule, epochs at least
_CHUNK = 500


class Sight(NamedTuple):
    """What the classifier sees in images: features (n, 128) and class probabilities (n, classes)."""

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    @property
    def label(self) -> NDArray[np.int64]:
        """The likeliest class of each image (n,)."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Its probability (n,)."""
        return np.asarray(self.probabilities.max(axis=1))


class Classifier:
    """A trained classifier."""

    def __init__(self, weights: State, shape: tuple[int, ...], classes: int) -> None:
        self._weights, self._shape, self._classes = weights, shape, classes

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""
        h = hashlib.sha256()
        for name in sorted(self._weights):
            h.update(name.encode() + self._weights[name].tobytes())
        return h.hexdigest()

    @property
    def weights(self) -> State:
        """Arrays by name."""
        return self._weights

    @lru_cache(maxsize=1)  # noqa: B019  a classifier lives as long as its process
    def _network(self) -> Any:
        from outcross.families.neural import training

        network = _network(self._shape, self._classes)
        training.from_state(network, self._weights)
        return network.eval()

    def look(self, images: NDArray[Any]) -> Sight:
        """Features and probabilities of images (n, h, w[, c]), 8 bits or float in [0, 1]."""
        import torch

        from outcross.families.neural import training

        body, head = self._network()
        found: list[tuple[Any, Any]] = []
        with torch.no_grad():
            for first in range(0, len(images), _CHUNK):
                features = body(training.images(torch.tensor(images[first : first + _CHUNK])))
                found.append((features, torch.softmax(head(features), dim=1)))
        return Sight(*(torch.cat(parts).numpy() for parts in zip(*found, strict=True)))


def _network(shape: tuple[int, ...], classes: int) -> Any:
    """Two 3 x 3 convolutions with pooling, one hidden layer, one output layer: 421,642 parameters at 28 x 28."""
    from torch import nn

    from outcross.families.neural.linear import Linear

    channels, height, width = (1 if len(shape) == 2 else shape[2]), shape[0], shape[1]
    body = nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        Linear(64 * (height // 4) * (width // 4), HIDDEN),
        nn.ReLU(),
    )
    return nn.Sequential(body, Linear(HIDDEN, classes))


def train(corpus: Corpus, classes: int, rng: Stream) -> Classifier:
    """A classifier of labelled images: fixed schedule (Adam, one cycle), no early stopping, no choice by any test."""
    import torch
    from torch import nn

    from outcross.families.neural import training

    assert corpus.label is not None
    pixels, labels = torch.tensor(corpus.items), torch.tensor(corpus.label, dtype=torch.int64)
    batch = min(_LARGEST, max(_SMALLEST, len(pixels) // 20))
    steps = -(-len(pixels) // batch)
    epochs = max(_EPOCHS, -(-_STEPS // steps))
    network = training.seeded(lambda: _network(corpus.shape, classes), rng)
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps * epochs)
    chance = training.generator(rng._replace(shard=1))
    for _ in range(epochs):
        for part in torch.randperm(len(pixels), generator=chance).split(batch):
            optimiser.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(network(training.images(pixels[part])), labels[part]).backward()
            optimiser.step()
            schedule.step()
    return Classifier(training.to_state(network), corpus.shape, classes)


def real(corpus: Corpus, classes: int) -> Classifier:
    """The classifier of real images: from the cache, or trained and put there. Raises InputError without torch."""
    found = cached(corpus, classes)
    if found is not None:
        return found
    made = train(corpus, classes, FIXED.stream(0, Purpose.CLASSIFIER))
    with suppress(OSError):  # a cache that cannot be written costs time, not the run
        _keep(_place(corpus, classes), made.weights)
    return made


def cached(corpus: Corpus, classes: int) -> Classifier | None:
    """The classifier of real images if the cache has it. Raises InputError without torch."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    with suppress(OSError, SafetensorError, InputError):  # damaged, it is made anew
        found = Classifier(load_file(_place(corpus, classes)), corpus.shape, classes)
        found.look(corpus.items[:1])
        return found
    return None


def _place(corpus: Corpus, classes: int) -> Path:
    need_torch()
    import torch

    schedule = (HIDDEN, _STEPS, _LARGEST, _SMALLEST, _RATE, _EPOCHS)
    name = f"{schedule}/{classes}/{torch.__version__}/{corpus.digest}"
    return cache() / "classifiers" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.safetensors"


def _keep(path: Path, weights: State) -> None:
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    save_file(weights, temporary)
    os.replace(temporary, path)
