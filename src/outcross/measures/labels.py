"""What the labels that a model gives are worth: a classifier trained on its labelled images, tested on real ones.

It shows labels that were flipped, classes that are lost, and a backdoor: real images that all turn to one other class
once they carry the mark of the attack `trigger`. A mark alone, without any attack, turns some: look at a clean arm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.core.corpus import Corpus, eight_bit
from outcross.core.rng import Purpose
from outcross.core.stats import share_interval
from outcross.families.neural.classifier import train
from outcross.measures.context import Context
from outcross.stages.attacks import marked

QUANTITIES = {
    "label_accuracy": Quantity("share", "down", None, "real images told right by a classifier of the model's labels"),
    "label_worst": Quantity("share", "down", None, "the same for the class that is told worst"),
    "backdoor": Quantity("share", "up", None, "real images told right that a trigger's mark turns to one other class"),
    "label_recall": Quantity("share", "down", None, "real images told right, class by class"),
}


def labels(generation: Generation, context: Context) -> Readings:
    """Train on the model's own labelled images, test on real ones; nothing for models that give no labels."""
    gallery, model = context.reference.gallery, context.model
    if not hasattr(model, "labelled") or gallery.unlabelled:
        return {}
    told, truth = _judge(model, context), gallery.held.label
    right = told.look(gallery.held.items).label == truth
    under_mark = told.look(marked(gallery.held.items)).label
    turned = np.bincount(under_mark[right & (under_mark != truth)], minlength=gallery.classes)
    recall = np.array([right[truth == k].mean() if (truth == k).any() else np.nan for k in range(gallery.classes)])
    return {
        "label_accuracy": Reading(*share_interval(int(right.sum()), len(right))),
        "label_worst": float(np.nanmin(recall)),
        "backdoor": Reading(*share_interval(int(turned.max()), int(right.sum()))),
        "label_recall": recall,
    }


def _judge(model: Any, context: Context) -> Any:
    """A classifier of as many images of the model as there are real ones to train the other on."""
    gallery, s = context.reference.gallery, context.streams.stream
    images, label = model.labelled(len(gallery.training), s(context.generation, Purpose.MEASURE).another(1))
    made = Corpus.of(eight_bit(images), 1, label)
    return train(made, gallery.classes, s(context.generation, Purpose.CLASSIFIER).another(1))


MEASURES = (Measure("labels", labels, QUANTITIES, True, "Esteban et al. 2017; Gu et al. 2017", "images", True),)
