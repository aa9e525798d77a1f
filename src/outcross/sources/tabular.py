"""Real tables that come with scikit-learn: no download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from outcross.core.errors import require
from outcross.sources.finite import Finite
from outcross.sources.tables import chosen

NAMES = ("breast_cancer", "digits", "iris", "wine")


class Source(Finite):
    """name: iris, wine, breast_cancer or digits. columns: which, all by default."""

    def __init__(
        self, name: Literal["breast_cancer", "digits", "iris", "wine"] = "iris", columns: Sequence[str] | None = None
    ) -> None:
        require(name in NAMES, f"name is one of {', '.join(NAMES)}, got {name!r}")
        from sklearn import datasets  # seconds of import: only when it is used

        table = getattr(datasets, f"load_{name}")()
        names = [_plain(c) for c in table.feature_names]
        wanted = chosen(columns) or names
        for c in wanted:
            require(c in names, f"{name} has no column {c!r}; it has {', '.join(names[:12])}")
        items = np.asarray(table.data, dtype=np.float64)[:, [names.index(c) for c in wanted]]
        super().__init__(name, items, tuple(wanted))


def _plain(column: str) -> str:
    return str(column).replace(" (cm)", "").replace(" ", "_").replace("/", "_per_")
