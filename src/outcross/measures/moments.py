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
COLUMN = {
    "first_mean": Quantity("sd", "none", 0.0, "mean of the first column, from the true mean"),
    "first_variance": Quantity("ratio", "down", 1.0, "variance of the first column, relative to the true one"),
}
COEFFICIENTS = {
    "coefficient_error": Quantity(
        "squared", "up", 0.0, "squared distance of regression coefficients from the true ones"
    )
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


def column(generation: Generation, context: Context) -> Readings:
    """Exact mean and variance of the first column, which theory predicts; nothing for models that do not tell them."""
    reference = context.reference
    if getattr(context.law or context.model, "moments", None) is None or not reference.sd[0] > 0.0:
        return {}
    mean, covariance = context.moments
    return {
        "first_mean": float((mean[0] - reference.moments.mean[0]) / reference.sd[0]),
        "first_variance": float(covariance[0, 0] / reference.sd[0] ** 2),
    }


def coefficients(generation: Generation, context: Context) -> Readings:
    """Squared error of a regression, its excess risk for features of unit covariance; nothing for other models."""
    found = getattr(context.model, "coefficients", None)
    if found is None:
        return {}
    mean, covariance = context.reference.moments
    whole = covariance + np.outer(mean, mean)
    gap = found - np.linalg.solve(whole[:-1, :-1], whole[:-1, -1])
    return {"coefficient_error": float(gap @ gap)}


MEASURES = (
    Measure("moments", moments, QUANTITIES, False, "Shumailov et al. 2024; Wilks 1932"),
    Measure("column", column, COLUMN, False, "Shumailov et al. 2024"),
    Measure("coefficients", coefficients, COEFFICIENTS, False, "Gerstgrasser et al. 2024"),
)
