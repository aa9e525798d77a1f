"""Where the generation-0 encoder puts the images of later generations: the paper's own measure of the autoencoder."""

from __future__ import annotations

import numpy as np

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.measures.context import Context

EDGES = np.linspace(-4.0, 4.0, 81)
QUANTITIES = {
    "mu_sd": Quantity("latent units", "down", None, "standard deviation of all mu under the generation-0 encoder"),
    "mu_sd_real": Quantity("latent units", "none", None, "the same of the held-out real images"),
    "mu_histogram": Quantity("share", "none", None, "share of all mu in 80 bins from -4 to 4"),
}


def latent(generation: Generation, context: Context) -> Readings:
    """All coordinates of mu of the model's images, pooled (Shumailov et al. 2024, code)."""
    encode = getattr(context.first, "encode", None)
    if encode is None:
        why = "the generation-0 model has no encoder"
        return {name: Reading(np.nan, why=why) for name in ("mu_sd", "mu_sd_real")}
    found = encode(context.draws)
    real = encode(context.reference.gallery.held.items[: len(context.draws)])
    counts, _ = np.histogram(found, EDGES)
    return {"mu_sd": float(found.std()), "mu_sd_real": float(real.std()), "mu_histogram": counts / found.size}


MEASURES = (Measure("latent", latent, QUANTITIES, False, "Shumailov et al. 2024, autoencoder figure", "images"),)
