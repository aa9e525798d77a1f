"""Laws on categories: how many are left, how even, how far from the truth, and what became of the rare ones."""

from __future__ import annotations

import numpy as np

from outcross.core.contracts import Generation, Measure, Quantity, Readings
from outcross.measures.context import Array, Context

RARE = {"99": 0.01, "95": 0.05}  # the truth's rarest categories that together hold so much mass
QUANTITIES = {
    "survivors": Quantity("categories", "down", None, "categories that the model still gives mass"),
    "survivors_ratio": Quantity("ratio", "down", 1.0, "the same, relative to the truth's"),
    "heterozygosity_ratio": Quantity(
        "ratio", "down", 1.0, "chance that two draws differ, relative to the truth's (Gini diversity)"
    ),
    "entropy_ratio": Quantity("ratio", "down", 1.0, "entropy relative to the truth's"),
    "total_variation": Quantity("probability", "up", 0.0, "half the sum of absolute differences from the truth"),
    "lost_mass": Quantity("probability", "up", 0.0, "true mass of the categories that the model has lost"),
    "rare_kept_99": Quantity("ratio", "down", 1.0, "share left of the true mass of the rarest 1 %"),
    "rare_kept_95": Quantity("ratio", "down", 1.0, "share left of the true mass of the rarest 5 %"),
}


def categories(generation: Generation, context: Context) -> Readings:
    """Survivors, heterozygosity (Nei 1973), entropy, total variation, and the true mass of what is lost."""
    truth, model = _aligned(context)
    alive = model > 0.0
    rare = {name: context.reference.rarest(mass) for name, mass in RARE.items()}
    return {
        "survivors": float(alive.sum()),
        "survivors_ratio": float(alive.sum() / np.count_nonzero(truth)),
        "heterozygosity_ratio": heterozygosity(model) / heterozygosity(truth),
        "entropy_ratio": _entropy(model) / _entropy(truth),
        "total_variation": float(0.5 * np.abs(model - truth).sum()),
        "lost_mass": float(truth[~alive].sum()),
        **{f"rare_kept_{name}": float(w @ alive[: len(w)] / w.sum()) for name, w in rare.items()},
    }


def _aligned(context: Context) -> tuple[Array, Array]:
    """Probabilities of truth and model over the same categories (K,)."""
    truth, model = context.reference.frequencies, context.probabilities
    assert truth is not None
    size = max(len(truth), len(model))
    return np.pad(truth, (0, size - len(truth))), np.pad(model, (0, size - len(model)))


def heterozygosity(p: Array) -> float:
    """1 - sum p^2, without cancellation where one category holds nearly all: sum p (1 - p), its 1 - p from the rest."""
    top = int(p.argmax())
    rest = np.delete(p, top)
    return float(p[top] * rest.sum() + rest @ (1.0 - rest))


def _entropy(p: Array) -> float:
    there = p[p > 0.0]
    return float(-(there @ np.log(there)))


MEASURES = (Measure("categories", categories, QUANTITIES, False, "Nei 1973; Shumailov et al. 2024", "categories"),)
