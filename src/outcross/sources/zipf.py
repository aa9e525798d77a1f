"""Zipf's law as the known truth: the word frequencies of a language, the categories of a catalogue."""

from __future__ import annotations

import numpy as np

from outcross.core.errors import require
from outcross.sources import categorical


class Source(categorical.Source):
    """categories: how many. exponent: probability of rank i is proportional to i ^ -exponent."""

    def __init__(self, categories: int = 100_000, exponent: float = 1.0) -> None:
        require(exponent >= 0.0, f"exponent is at least 0, got {exponent:g}")
        require(categories >= 1, f"categories number 2 to {categorical.MOST:,}, got {categories:,}")
        require(categories <= categorical.MOST, f"categories number 2 to {categorical.MOST:,}, got {categories:,}")
        share = np.arange(1.0, categories + 1.0) ** -exponent
        require(bool((share > 0.0).all()), f"exponent {exponent:g} leaves some category no mass: use a smaller one")
        self._settle(share / share.sum(), None)
