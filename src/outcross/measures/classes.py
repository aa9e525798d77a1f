"""Classes of images, as a classifier of real images sees them: balance, classes lost, images between classes, and what
a classifier trained on the model's images is worth on real ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.core.corpus import Corpus, eight_bit
from outcross.core.rng import Purpose
from outcross.core.stats import share_interval
from outcross.families.neural.classifier import train
from outcross.measures.context import Context
from outcross.measures.gallery import CLEAR

LOST = 0.1  # of its true share: a class below it, interval and all, is lost
BALANCE = {
    "class_shares": Quantity("share", "none", None, "share of images of each class"),
    "class_tv": Quantity("share", "up", 0.0, "total variation distance between those shares and the true ones"),
    "classes_lost": Quantity("classes", "up", 0.0, f"classes whose share is surely below {LOST:g} of the true one"),
    "class_entropy_ratio": Quantity("ratio", "down", 1.0, "entropy of the predicted labels, relative to the true one"),
    "ambiguous": Quantity("share", "up", None, f"images whose likeliest class has a probability below {CLEAR:g}"),
}
WORTH = {
    "tstr_accuracy": Quantity("share", "down", None, "real images told right by a classifier trained on the model's"),
    "tstr_recall": Quantity("share", "down", None, "the same, class by class"),
}


def balance(generation: Generation, context: Context) -> Readings:
    """Shares of predicted labels; images that lie between classes are ambiguous: digits that merge."""
    gallery = context.reference.gallery
    if gallery.unlabelled:
        return _none(BALANCE, gallery.unlabelled, "class_shares")
    sight, truth = context.sight, gallery.shares
    counts = np.bincount(sight.label, minlength=gallery.classes)
    shares, n = counts / counts.sum(), int(counts.sum())
    lost = [share_interval(int(c), n).high < LOST * p for c, p in zip(counts, truth, strict=True)]
    unclear = share_interval(int((sight.confidence < CLEAR).sum()), n)
    return {
        "class_shares": shares,
        "class_tv": float(0.5 * np.abs(shares - truth).sum()),
        "classes_lost": float(sum(lost)),
        "class_entropy_ratio": _entropy(shares) / _entropy(truth),
        "ambiguous": Reading(*unclear),
    }


def _entropy(shares: NDArray[np.float64]) -> float:
    there = shares[shares > 0]
    return float(-(there * np.log(there)).sum())


def worth(generation: Generation, context: Context) -> Readings:
    """Train on synthetic, test on real (Esteban et al. 2017): labels are those that the real classifier sees.

    As many images as the classifier of real ones was trained on, at most as many as were drawn.
    """
    gallery = context.reference.gallery
    if gallery.unlabelled:
        return _none(WORTH, gallery.unlabelled, "tstr_recall")
    n = min(len(gallery.training), len(context.draws))
    made = Corpus.of(eight_bit(context.draws[:n]), 1, context.sight.label[:n])
    rng = context.streams.stream(context.generation, Purpose.CLASSIFIER)
    told = train(made, gallery.classes, rng).look(gallery.held.items).label
    right, label = told == gallery.held.label, gallery.held.label
    return {
        "tstr_accuracy": Reading(*share_interval(int(right.sum()), len(right))),
        "tstr_recall": np.array(
            [right[label == k].mean() if (label == k).any() else np.nan for k in range(gallery.classes)]
        ),
    }


def _none(quantities: dict[str, Quantity], why: str, array: str) -> Readings:
    return {name: Reading(np.nan, why=why) for name in quantities if name != array}


MEASURES = (
    Measure("classes", balance, BALANCE, False, "Shumailov et al. 2024; Santurkar et al. 2018", "images", True),
    Measure("train_on_synthetic", worth, WORTH, True, "Esteban et al. 2017", "images", True),
)
