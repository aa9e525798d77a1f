"""Likelihood of real rows: divergence of the model from a known law, loss on held-out rows where none is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.measures.context import Context

ROWS, DEAR = 1 << 16, 1 << 11  # held-out rows that are looked at: of a mixture, of a model whose density is dear

QUANTITIES = {
    "kl_divergence": Quantity("nats a row", "up", 0.0, "Kullback-Leibler divergence of the model from a known law"),
    "log_loss": Quantity("nats a row", "up", None, "mean of - log density of held-out real rows"),
}


def likelihood(generation: Generation, context: Context) -> Readings:
    """Both over the same held-out rows in every generation of every chain; nothing for models without a density."""
    density = getattr(context.law or context.model, "log_prob", None)
    if density is None:
        return {}
    rows = context.reference.rows[: DEAR if context.law is None else ROWS]
    found = -np.asarray(density(rows), dtype=np.float64)
    return {"log_loss": _mean(found), "kl_divergence": _divergence(found, context, rows)}


def _divergence(loss: NDArray[np.float64], context: Context, rows: NDArray[np.float64]) -> Reading:
    law = context.reference.law
    if law is None:
        return Reading(np.nan, why="the true density is not known")
    return _mean(loss + law.log_prob(rows))


def _mean(values: NDArray[np.float64]) -> Reading:
    """The mean; infinite where the model holds a real row for impossible, which is told."""
    mean = float(values.mean())
    return Reading(mean) if np.isfinite(mean) else Reading(np.nan, why="the model holds a real row for impossible")


MEASURES = (Measure("likelihood", likelihood, QUANTITIES, False, "Kullback and Leibler 1951"),)
