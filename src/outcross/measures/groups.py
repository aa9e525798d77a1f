"""Groups of a known mixture: which of them a model still makes. The smallest is a minority, and goes first.

A row belongs to the component of the true mixture to which it most likely belongs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Generation, Measure, Quantity, Readings
from outcross.core.mixture import Mixture
from outcross.measures.context import Context

_LOOKED_AT = 20_000  # rows of either side

QUANTITIES = {
    "group_worst": Quantity("ratio", "down", 1.0, "share of the group that lost most, relative to its true share"),
    "group_rarest": Quantity("ratio", "down", 1.0, "share of the smallest group, relative to its true share"),
    "group_shares": Quantity("share", "none", None, "share of each group"),
}


def groups(generation: Generation, context: Context) -> Readings:
    """Shares of rows by group, over those of real rows judged in the same way; nothing unless one group is smallest."""
    law = context.reference.law
    if law is None or (law.weights == law.weights[0]).all():
        return {}
    truth, shares = _shares(law, context.reference.rows), _shares(law, context.draws)
    ratios = shares / truth
    return {
        "group_worst": float(ratios.min()),
        "group_rarest": float(ratios[law.weights.argmin()]),
        "group_shares": shares,
    }


def _shares(law: Mixture, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each component among the first rows (k,)."""
    few = rows[:_LOOKED_AT]
    return np.asarray(np.bincount(law.members(few), minlength=len(law.weights)) / len(few))


MEASURES = (Measure("groups", groups, QUANTITIES, False, "Wyllie et al., arXiv 2403.07857"),)
