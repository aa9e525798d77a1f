"""Measures of models that are Gaussian mixtures: the paper's density distance, components, and how the fit went."""

from __future__ import annotations

import numpy as np

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.core.mixture import Mixture
from outcross.measures.context import Context

QUANTITIES = {
    "l2_to_truth": Quantity("density", "up", 0.0, "squared L2 distance to the true mixture density; unbounded"),
    "l2_to_first": Quantity("density", "up", 0.0, "the same to the chain's own generation 0, as the paper plots"),
    "component_sd_smallest": Quantity("data units", "down", None, "sd of the narrowest component, sqrt(trace/d)"),
    "component_sd_largest": Quantity("data units", "down", None, "sd of the widest component, sqrt(trace/d)"),
    "weight_largest": Quantity("share", "none", None, "weight of the heaviest component"),
    "em_iterations": Quantity("steps", "none", None, "expectation-maximisation steps of this fit"),
    "em_converged": Quantity("share", "none", None, "whether this fit converged"),
}


def mixture(generation: Generation, context: Context) -> Readings:
    """Squared L2 between densities (Shumailov et al. 2024), component widths and weights; nothing for other models."""
    law = context.law
    if law is None:
        return {}
    sd = np.sqrt(np.einsum("caa->c", law.covariances) / law.dimension)
    info = {f"em_{k.removeprefix('em_')}": v for k, v in getattr(context.model, "info", {}).items()}
    return {
        "l2_to_truth": _l2(law, context.reference.law, "the true density is not known"),
        "l2_to_first": _l2(law, getattr(context.first, "law", None), "generation 0 has no known density"),
        "component_sd_smallest": float(sd.min()),
        "component_sd_largest": float(sd.max()),
        "weight_largest": float(law.weights.max()),
        **{name: value for name, value in info.items() if name in QUANTITIES},
    }


def _l2(law: Mixture, other: Mixture | None, why: str) -> Reading:
    return Reading(np.nan, why=why) if other is None else Reading(law.l2_squared(other))


MEASURES = (Measure("mixture", mixture, QUANTITIES, False, "Shumailov et al. 2024, mixture experiment"),)
