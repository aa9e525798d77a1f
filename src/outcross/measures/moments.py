"""Moments: mean, variance and generalised variance against the truth."""

from __future__ import annotations

import numpy as np

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.measures.context import Context

QUANTITIES = {
    "mean_shift": Quantity("sd", "up", 0.0, "Mahalanobis distance of the model's mean from the true mean"),
    "variance_ratio": Quantity("ratio", "down", 1.0, "mean over columns of the variance, relative to the true one"),
    "log_det_ratio": Quantity("nats", "down", 0.0, "log of the generalised variance (determinant), relative to truth"),
    "generalised_variance_ratio": Quantity("ratio", "down", 1.0, "determinant of the covariance, relative to truth"),
}


def moments(generation: Generation, context: Context) -> Readings:
    """Mean shift, variance ratio and generalised variance (Wilks) of the model."""
    reference = context.reference
    if reference.flat:
        return {name: Reading(np.nan, why=reference.flat) for name in QUANTITIES}
    mean, covariance = context.moments
    shift = reference.whitener @ (mean - reference.moments.mean)
    sign, log_det = np.linalg.slogdet(reference.whitener @ covariance @ reference.whitener.T)
    singular = "the model's covariance is singular"
    return {
        "mean_shift": float(np.sqrt(shift @ shift)),
        "variance_ratio": float(np.mean(np.diag(covariance) / reference.sd**2)),
        "log_det_ratio": float(log_det) if sign > 0 else Reading(np.nan, why=singular),
        "generalised_variance_ratio": float(np.exp(log_det)) if sign > 0 else 0.0,
    }


MEASURES = (Measure("moments", moments, QUANTITIES, False, "Shumailov et al. 2024; Wilks 1932"),)
