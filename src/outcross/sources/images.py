"""Images with labels, of which there are only so many. What every source of images shares."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import Stream
from outcross.sources.finite import LEAST, split

Pixels = NDArray[np.uint8]


class Images:
    """Images (n, h, w) or (n, h, w, 3) of 8 bits with labels (n,) from 0, in three parts: drawn, validation, reference.

    classes: names of the labels. features: `package.module:function` that turns images into vectors (n, k), in place of
    the features of the classifier that is trained on the drawn part; labels are still told by that.
    """

    items: ClassVar[str] = "images"
    columns: tuple[str, ...] = ()
    law = None

    def __init__(self, name: str, parts: tuple[Corpus, Corpus, Corpus], features: str | None = None) -> None:
        self.name, self._parts, self.features = name, parts, features
        self.shape = parts[0].shape
        known = parts[0].label
        self.classes = tuple(str(k) for k in range(0 if known is None else int(known.max()) + 1))

    @property
    def rows(self) -> int:
        """Images that can be drawn."""
        return len(self._parts[0])

    @property
    def training(self) -> Corpus:
        """Every image that can be drawn: what a classifier is trained on."""
        return self._parts[0]

    def draw(self, n: int, rng: Stream) -> Corpus:
        """N different images with their labels. Raises InputError if there are fewer."""
        require(
            n <= self.rows,
            f"{self.name}: {self.rows:,} images can be drawn (others are held out), {n:,} were asked for: "
            f"use samples={self.rows} or less, or samples=auto",
        )
        return self.training.subset(n, rng)

    def validation(self, n: int) -> Corpus:
        """Up to n images of the validation part."""
        return self._parts[1].take(slice(0, n))

    def reference(self, n: int) -> Corpus:
        """Up to n images of the reference part."""
        return self._parts[2].take(slice(0, n))

    def fingerprint(self) -> str:
        """SHA-256 of the images and labels: other data, other run."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return hashlib.sha256("".join(part.digest for part in self._parts).encode()).hexdigest()


def in_parts(name: str, pixels: Pixels, labels: NDArray[np.int32] | None) -> tuple[Corpus, Corpus, Corpus]:
    """Images that come without a split of their own, split like every finite table."""
    require(len(pixels) >= LEAST, f"{name}: {len(pixels)} images; at least {LEAST} are needed to hold a reference out")
    train, validation, reference = (
        Corpus.of(pixels[index], 0, None if labels is None else labels[index]) for index in split(len(pixels))
    )
    return train, validation, reference
