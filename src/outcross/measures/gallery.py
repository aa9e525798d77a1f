"""Gallery: the real images that models are measured against, and what the classifier sees in them, looked at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.corpus import Corpus, intensities
from outcross.core.errors import InputError, one_line, require
from outcross.families.adapter import resolve
from outcross.families.neural.classifier import LEAST, Classifier, Sight, cached, real
from outcross.measures.neighbours import Manifold, nearest

NEIGHBOURS = 5
RARE = 0.1  # share of a class's images, those farthest from the class's mean, that are its rare styles
REACH = 0.75  # quantile of the real neighbourhoods that is the radius within which a rare style is covered
CLEAR = 0.8  # probability of the likeliest class below which an image is ambiguous
IMAGES = 10_000  # images of a model that are looked at, and of the reference at most
COPIED = 2000  # images whose nearest training image is looked for


@dataclass(frozen=True, eq=False)
class Gallery:
    """Held-out real images with labels, the images that can be drawn, and where features come from."""

    held: Corpus
    training: Corpus
    features: str | None = None
    names: tuple[str, ...] = ()  # of the classes

    @property
    def images(self) -> int:
        """How many of a model are looked at: ten times the reference, for shares of classes, within reason."""
        return min(IMAGES, 10 * len(self.held))

    @cached_property
    def unlabelled(self) -> str | None:
        """Why nothing can be said of classes, or None."""
        if self.training.label is None or self.held.label is None:
            return "the source has no labels"
        if min(self.training.shape[:2]) < LEAST:
            return f"the images have fewer than {LEAST} pixels a side"
        return None if self.classes > 1 else "the source has one class only"

    @cached_property
    def classes(self) -> int:
        """How many there are."""
        return 0 if self.training.label is None else int(self.training.label.max()) + 1

    @cached_property
    def classifier(self) -> Classifier:
        """The classifier trained on the real images that can be drawn. Raises InputError without torch."""
        return real(self.training, self.classes)

    @property
    def ready(self) -> bool:
        """Whether no classifier has to be trained first."""
        return self.unlabelled is not None or cached(self.training, self.classes) is not None

    @cached_property
    def sight(self) -> Sight:
        """What it sees in the held-out images."""
        return self.classifier.look(self.held.items)

    @cached_property
    def accuracy(self) -> float:
        """Share of the held-out images whose label it tells."""
        return float((self.sight.label == self.held.label).mean())

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of each class among the held-out images (classes,)."""
        assert self.held.label is not None
        return np.bincount(self.held.label, minlength=self.classes) / len(self.held)

    def vectors(self, images: NDArray[Any]) -> NDArray[Any]:
        """Images as vectors (n, k): by the user's function, the classifier, or as pixels where there are no labels."""
        if self.features is not None:
            return _own(self.features, images)
        if self.unlabelled is not None:
            return intensities(images).reshape(len(images), -1)
        return np.asarray(self.classifier.look(images).features)

    @cached_property
    def truth(self) -> NDArray[Any]:
        """The held-out images as vectors."""
        if self.features is None and self.unlabelled is None:
            return self.sight.features
        try:
            return self.vectors(self.held.items)
        except FloatingPointError as e:
            raise InputError(str(e)) from e

    def manifold(self, n: int) -> Manifold:
        """The first n held-out images with their neighbourhoods."""
        return self._manifold if n == len(self.truth) else Manifold.of(self.truth[:n], NEIGHBOURS)

    @cached_property
    def _manifold(self) -> Manifold:
        return Manifold.of(self.truth, NEIGHBOURS)

    @cached_property
    def rare(self) -> NDArray[np.bool_]:
        """The rare styles among the held-out images: the farthest from their class's mean, in each class."""
        label = np.zeros(len(self.held), dtype=np.int64) if self.held.label is None else self.held.label
        found = np.zeros(len(label), dtype=bool)
        for k in np.unique(label):
            mine = np.flatnonzero(label == k)
            distance = np.linalg.norm(self.truth[mine] - self.truth[mine].mean(axis=0), axis=1)
            found[mine[distance > np.quantile(distance, 1.0 - RARE)]] = True
        return found

    def rare_covered(self, fake: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the rare styles among the first len(fake) held-out images have a vector of fake near (rare,).

        Near is one radius for all: the neighbourhood of a rare image is large because nothing is near, not because
        everything is.
        """
        n = len(fake)
        reach = np.sqrt(np.quantile(self.manifold(n).radius, REACH))
        return np.asarray(nearest(self.truth[:n][self.rare[:n]], fake) < reach)

    @cached_property
    def rare_truth(self) -> float:
        """Share of the rare styles that as many real images cover; 0 where there is none."""
        n = min(len(self.truth), len(self.training), IMAGES)
        covered = self.rare_covered(self.vectors(self.training.items[:n]))
        return float(covered.mean()) if len(covered) else 0.0

    @cached_property
    def pixel_variance(self) -> float:
        """Variance of the held-out images, summed over pixels."""
        return float(intensities(self.held.items).var(axis=0).sum())

    @cached_property
    def flat(self) -> NDArray[np.float32]:
        """The training images as vectors of pixels."""
        return intensities(self.training.items).reshape(len(self.training), -1)

    @property
    def told(self) -> str:
        """Where features come from, in one line."""
        kind = f"features: {self.features or 'pixels'}, {self.truth.shape[1]} an image"
        if self.unlabelled is not None:
            return f"{kind} ({self.unlabelled}, so no classifier is trained)"
        text = f"classifier {self.classifier.digest[:12]}: {100 * self.accuracy:.2f} % of {len(self.held):,} real "
        return text + "held-out images right" + (f"; {kind}" if self.features else "")


def _own(path: str, images: NDArray[Any]) -> NDArray[Any]:
    """The user's features. Raises InputError unless they are vectors, one an image, FloatingPointError unless finite:
    of images that have collapsed they may not be, which is no number and no mistake.
    """
    try:
        found = np.asarray(resolve(path)(intensities(images).copy()))  # a copy: it may be changed in place
    except InputError:
        raise
    except Exception as e:  # a user's function may raise anything
        raise InputError(f"features {path}: {one_line(f'{type(e).__name__}: {e}')}") from e
    sound = found.dtype.kind in "fiu" and found.ndim == 2 and len(found) == len(images) and found.shape[1] > 0
    told = f"{found.dtype} {found.shape} for {len(images)} images"
    require(sound, f"features {path} gave {told}: numbers of shape ({len(images)}, k) are due")
    if not np.isfinite(found).all():
        raise FloatingPointError(f"features {path} gave numbers that are not finite")
    return found
