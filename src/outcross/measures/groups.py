"""Groups: which of them a model still makes, and how wide. The smallest is a minority, and goes first.

Groups are the labels of rows, where truth and model have them; or the components of a true mixture, a row belonging
to that to which it most likely belongs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Generation, Measure, Quantity, Readings
from outcross.core.rng import Purpose
from outcross.measures.context import Context

_LOOKED_AT = 20_000  # rows of either side
QUANTITIES = {
    "group_worst": Quantity("ratio", "down", 1.0, "share of the group that lost most, relative to its true share"),
    "group_rarest": Quantity("ratio", "down", 1.0, "share of the smallest group, relative to its true share"),
    "group_spread": Quantity("ratio", "down", 1.0, "variance within the smallest group, mean over columns, over truth"),
    "group_shares": Quantity("share", "none", None, "share of each group"),
    "group_spreads": Quantity("ratio", "down", 1.0, "variance within each group, mean over columns, relative to truth"),
}


class _Grouped(NamedTuple):
    """Rows (n, d) and the group of each (n,)."""

    rows: NDArray[np.float64]
    group: NDArray[np.int64]


def groups(generation: Generation, context: Context) -> Readings:
    """Shares and spreads of groups over those of real rows; nothing unless there are groups and one is smallest."""
    sides = _labelled(context) or _components(context)
    if sides is None:
        return {}
    real, made = sides
    k = int(real.group.max()) + 1
    truth, shares = (np.bincount(side.group, minlength=k)[:k] / len(side.group) for side in sides)
    spreads = np.array([_spread(made, g) / _spread(real, g) for g in range(k)])
    rarest = int(truth.argmin())
    return {
        "group_worst": float((shares / truth).min()),
        "group_rarest": float(shares[rarest] / truth[rarest]),
        "group_spread": float(spreads[rarest]),
        "group_shares": shares,
        "group_spreads": spreads,
    }


def _labelled(context: Context) -> tuple[_Grouped, _Grouped] | None:
    """Real rows and rows of the model by their labels; None where either has none."""
    reference, model = context.reference, context.model
    if reference.label is None or reference.items != "numbers" or not hasattr(model, "labelled"):
        return None
    stream = context.streams.stream(context.generation, Purpose.MEASURE).another(1)
    return _Grouped(reference.rows, reference.label.astype(np.int64)), _Grouped(*model.labelled(_LOOKED_AT, stream))


def _components(context: Context) -> tuple[_Grouped, _Grouped] | None:
    """Real rows and rows of the model by component of the truth; None unless it is a mixture of unequal ones."""
    law = context.reference.law
    if law is None or (law.weights == law.weights[0]).all():
        return None
    real, made = (rows[:_LOOKED_AT] for rows in (context.reference.rows, context.draws))
    return _Grouped(real, law.members(real)), _Grouped(made, law.members(made))


def _spread(side: _Grouped, group: int) -> float:
    """Variance within a group, mean over columns; of fewer than two rows nothing is left."""
    rows = side.rows[side.group == group]
    return float(rows.var(axis=0).mean()) if len(rows) > 1 else 0.0


MEASURES = (Measure("groups", groups, QUANTITIES, False, "Wyllie et al., arXiv 2403.07857"),)
