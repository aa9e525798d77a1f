"""Images with labels, of which there are only so many. What every source of images shares."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.sources.finite import LEAST, split
from outcross.sources.parted import Parted

Pixels = NDArray[np.uint8]


class Images(Parted):
    """Images (n, h, w) or (n, h, w, 3) of 8 bits with labels (n,) from 0, in three parts: drawn, validation, reference.

    classes: names of the labels. features: `package.module:function` that turns images into vectors (n, k), in place of
    the features of the classifier that is trained on the drawn part; labels are still told by that.
    """

    items: ClassVar[str] = "images"

    def __init__(self, name: str, parts: tuple[Corpus, Corpus, Corpus], features: str | None = None) -> None:
        super().__init__(name, parts, "images")
        self.features = features
        known = parts[0].label
        self.classes = tuple(str(k) for k in range(0 if known is None else int(known.max()) + 1))

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
