"""A file of the user's: CSV with a header line, Parquet, NPY or NPZ; numeric columns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from outcross.sources.finite import Finite
from outcross.sources.tables import read_rows


class Source(Finite):
    """path: the file. columns: which, all by default. missing: `error`, or `drop` rows with empty cells."""

    def __init__(
        self, path: str, columns: Sequence[str] | None = None, missing: Literal["error", "drop"] = "error"
    ) -> None:
        items, names = read_rows(Path(os.path.expanduser(path)), columns, missing)
        super().__init__(path, items, names)
