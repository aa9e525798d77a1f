"""One Gaussian as the known truth: a mixture of one component."""

from __future__ import annotations

from collections.abc import Sequence

from outcross.core.errors import require
from outcross.sources import mixture


class Source(mixture.Source):
    """mean: one number a column. sd: the standard deviation of every column, in data units."""

    def __init__(self, mean: Sequence[float] = (0.0,), sd: float = 1.0) -> None:
        require(len(mean) > 0, "mean needs one number a column")
        require(sd > 0, f"sd is positive, got {sd:g}")
        super().__init__(means=[list(mean)], covariances=float(sd) ** 2)
