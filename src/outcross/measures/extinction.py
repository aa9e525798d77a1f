"""Extinction: what became of the categories that were rare in the first pool, beside what chance alone would do.

A category with c copies in a pool of n is lost after g further generations with probability f_g^c: neutral drift
(oracle D4). The first pool is that of generation 0, where the copies are counted; draws are independent in a chain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Generation, Measure, Quantity, Readings
from outcross.measures.context import Context
from outcross.theory.drift import holds, lost_by_drift

BINS = 24  # copies 1, 2, 3-4, 5-8, ... in the first pool
COLUMNS = ("types", "lost", "expected", "variance")


def extinction(generation: Generation, context: Context) -> Readings:
    """By copies in the first pool: how many categories there were, how many are lost, and how many chance would lose.

    An array (bins, 4) of COLUMNS. The last two are of neutral drift over as many generations, with no real data coming
    in, NaN outside that law: for too frequent categories and too many generations for the pool (`theory.drift`).
    """
    copies = getattr(context.first, "counts", None)
    if copies is None:
        return {}
    now = context.probabilities
    there = np.flatnonzero(copies)
    gone = np.ones(len(there), dtype=bool)
    gone[there < len(now)] = now[there[there < len(now)]] == 0.0
    return {"extinction": _table(copies[there], gone, generation.t)}


def _table(copies: NDArray[np.int64], gone: NDArray[np.bool_], generations: int) -> NDArray[np.float64]:
    which = np.minimum(np.ceil(np.log2(copies)).astype(np.int64), BINS - 1)
    rows = int(copies.sum())
    out = np.full((BINS, len(COLUMNS)), np.nan)
    out[:, 0] = np.bincount(which, minlength=BINS)
    out[:, 1] = np.bincount(which, weights=gone, minlength=BINS)
    for b in np.flatnonzero(out[:, 0]):
        mine = copies[which == b]
        if holds(int(mine.max()), generations, rows):
            out[b, 2:] = lost_by_drift(mine, generations, rows)
    return out


MEASURES = (
    Measure(
        "extinction",
        extinction,
        {"extinction": Quantity("categories", "none", None, "by copies in the first pool: types, lost, by chance")},
        False,
        "neutral drift: Kimura 1955; branching: oracle D4",
        "categories",
    ),
)
