"""A linear model as the known truth: standard normal features, and a label with Gaussian noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcross.core.errors import require
from outcross.families.regression import linear_law
from outcross.sources import mixture


class Source(mixture.Source):
    """coefficients: one a feature. noise: standard deviation of a label about its mean, in label units."""

    def __init__(self, coefficients: Sequence[float] = (1.0, 1.0, 1.0, 1.0, 1.0), noise: float = 1.0) -> None:
        require(len(coefficients) > 0, "coefficients need one number a feature")
        require(noise > 0.0, f"noise is a positive standard deviation, got {noise:g}")
        self.coefficients = np.array(coefficients, dtype=np.float64)
        self.noise = float(noise)
        self.law = linear_law(self.coefficients, self.noise)
        self.columns = (*(f"x{j}" for j in range(len(coefficients))), "y")
