"""Numeric rows in files: Parquet, NPY, NPZ and CSV, read in a child process with limits.

A hostile or broken file can crash its parser; then the child dies, and this process says which file it was.
"""

from __future__ import annotations

import io
import json
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from outcross.core.errors import InputError, require

FORMATS = (".csv", ".parquet", ".npy", ".npz")
_SECONDS = 600


def read_rows(path: Path, columns: Sequence[str] | None = None, missing: str = "error") -> tuple[Any, tuple[str, ...]]:
    """Rows (n, d) float64 and their column names.

    columns: which, None for all. missing: `error` refuses empty and NaN cells, `drop` leaves their rows out.
    Raises InputError naming file, column and row.
    """
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError) as e:
        raise InputError(f"{path}: {getattr(e, 'strerror', None) or e}") from e
    require(stat.S_ISREG(kind), f"{path}: not a file")
    require(path.suffix in FORMATS, f"{path}: unknown kind of file {path.suffix!r}; known: {', '.join(FORMATS)}")
    request = json.dumps({"path": str(path), "columns": list(columns) if columns else None, "missing": missing})
    try:
        child = subprocess.run(
            [sys.executable, "-m", "outcross.sources.parse", request],
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{path}: not read within {_SECONDS} s") from None
    if child.returncode < 0:
        raise InputError(f"{path}: its parser crashed (signal {-child.returncode}); the file is damaged or too large")
    if child.returncode != 0:
        said = child.stderr.decode(errors="replace").strip().splitlines() or ["unreadable"]
        raise InputError(f"{path}: {said[-1]}")
    head, _, body = child.stdout.partition(b"\n")
    return np.load(io.BytesIO(body), allow_pickle=False), tuple(json.loads(head))


def write_rows(path: Path, items: Any, columns: Sequence[str]) -> None:
    """Write rows (n, d) as Parquet, NPY or CSV with a header, by the suffix of path."""
    if path.suffix == ".npy":
        np.save(path, items, allow_pickle=False)
        return
    import pyarrow as pa

    table = pa.table({name: items[:, j] for j, name in enumerate(columns)})
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, path)
    else:
        import pyarrow.csv as csv

        csv.write_csv(table, path)
