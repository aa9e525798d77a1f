"""Export: a table of numbers as Parquet, CSV or JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from outcross.core.errors import require
from outcross.runs.disk import io_error, write_atomically

if TYPE_CHECKING:
    import pyarrow as pa

_FORMATS = (".parquet", ".csv", ".json")


def export(table: pa.Table, to: Path) -> int:
    """Write a table by the suffix of the file, whole or not at all; returns its rows."""
    known = f"{', '.join(_FORMATS)}; .safetensors for a model"
    require(to.suffix in _FORMATS, f"{to}: the suffix says the format: {known}")
    write(to, _bytes(table, to.suffix))
    return int(table.num_rows)


def write(to: Path, content: bytes) -> None:
    """Write a file for the user, whole or not at all. Raises InputError where there is no such folder."""
    require(to.parent.is_dir(), f"{to}: there is no folder {to.parent}")
    try:
        write_atomically(to, content)
    except OSError as e:
        raise io_error(e, to) from e


def _bytes(table: pa.Table, suffix: str) -> bytes:
    out = io.BytesIO()
    if suffix == ".json":
        rows = [{k: None if v != v else v for k, v in row.items()} for row in table.to_pylist()]
        return json.dumps(rows, allow_nan=False, indent=0).encode()
    if suffix == ".csv":
        from pyarrow import csv

        csv.write_csv(table, out)
    else:
        from pyarrow import parquet

        parquet.write_table(table, out)
    return out.getvalue()
