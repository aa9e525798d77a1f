"""A column of categories in the user's CSV (with a header line) or Parquet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from outcross.sources.finite_categories import FiniteCategories
from outcross.sources.tables import read_categories


class Source(FiniteCategories):
    """path: the file. column: which. missing: `error`, or `drop` rows whose cell is empty, NA, NaN or null.

    Values are taken as strings: of strings, integers, booleans, dates, dictionaries, and numbers with few different
    values. The categories are the sorted values.
    """

    def __init__(self, path: str, column: str, missing: Literal["error", "drop"] = "error") -> None:
        codes, labels = read_categories(Path(os.path.expanduser(path)), column, missing)
        super().__init__(path, column, codes, labels)
