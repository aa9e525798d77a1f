"""The child that parses an untrusted table: `python -m outcross.sources.parse REQUEST`.

Writes the column names as one line of JSON and the rows as NPY to standard output; a refusal is one line on standard
error and exit code 2. It limits its own memory, processor time and file writing first.
"""

from __future__ import annotations

import json
import math
import sys
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from outcross.core.errors import one_line

_SMALL, _MOST_INFLATION = 64 << 20, 200  # archives: bytes that are always fine, times the file's size beyond
_MEMORY, _CPU_SECONDS, _MOST_COLUMNS = 8 << 30, 600, 10_000


def refuse(message: str) -> NoReturn:
    """Say why on standard error, control characters made visible, and end with exit code 2."""
    print(one_line(message), file=sys.stderr)
    raise SystemExit(2)


def _limit() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that unpacks to far more than it is."""
    with zipfile.ZipFile(path) as archive:
        whole = sum(member.file_size for member in archive.infolist())
    if whole > max(_SMALL, _MOST_INFLATION * path.stat().st_size):
        refuse(f"would unpack to {whole:,} bytes, more than {_MOST_INFLATION} times its size")


def _from_numpy(path: Path, columns: list[str] | None) -> tuple[np.ndarray, list[str]]:
    if path.suffix == ".npz":
        _refuse_bomb(path)
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.lib.npyio.NpzFile):
        names = columns or sorted(loaded.files)
        for name in names:
            if name not in loaded.files:
                refuse(f"no array {name!r}; there are {', '.join(sorted(loaded.files))}")
        parts = [loaded[name] for name in names]
        if len(parts) == 1 and parts[0].ndim == 2:
            return parts[0], [f"x{j}" for j in range(parts[0].shape[1])]
        if any(p.ndim != 1 or len(p) != len(parts[0]) for p in parts):
            refuse("an NPZ holds one table, or columns of one length")
        return np.stack(parts, axis=1), names
    values = loaded[:, None] if loaded.ndim == 1 else loaded
    if values.ndim != 2:
        refuse(f"a table has two dimensions, this array has {values.ndim}")
    names = [f"x{j}" for j in range(values.shape[1])]
    if columns is None:
        return values, names
    for name in columns:
        if name not in names:
            refuse(f"no column {name!r}; the columns of an NPY file are x0 to x{values.shape[1] - 1}")
    return values[:, [names.index(name) for name in columns]], columns


def _arrow_table(path: Path, columns: list[str] | None) -> Any:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            wanted = _wanted(names, columns)
            table = file.read(columns=wanted)
        table.validate(full=True)
        return table.select(wanted)
    import pyarrow as pa
    import pyarrow.csv as csv

    with csv.open_csv(path) as reader:
        names = list(reader.schema.names)
    if names and all(_reads_as_number(n) for n in names):  # taken for names, that row would be lost without a word
        refuse("its first line holds numbers, not column names; put a header line on top")
    wanted = _wanted(names, columns)
    convert = csv.ConvertOptions(column_types={n: pa.string() for n in wanted}, include_columns=wanted)
    return csv.read_csv(path, convert_options=convert)


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _wanted(names: list[str], columns: list[str] | None) -> list[str]:
    twice = sorted({n for n in names if names.count(n) > 1}) if len(names) <= _MOST_COLUMNS else []
    if len(names) > _MOST_COLUMNS:
        refuse(f"{len(names):,} columns; at most {_MOST_COLUMNS:,} are read")
    if twice:
        refuse(f"two columns are named {twice[0]!r}")
    for name in columns or []:
        if name not in names:
            refuse(f"no column {name!r}; there are {', '.join(names[:20])}{' ...' if len(names) > 20 else ''}")
    return columns or names


def _numbers(name: str, column: Any) -> np.ndarray:
    """One Arrow column as floats, missing cells as NaN."""
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array([_number(name, i, text) for i, text in enumerate(column.to_pylist())], dtype=np.float64)
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        refuse(f"column {name!r} holds {column.type}, not numbers; choose numeric ones with source.columns=[...]")
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _number(name: str, row: int, text: str | None) -> float:
    if text is None or text.strip().lower() in ("", "na", "nan", "null"):
        return math.nan
    try:
        return float("" if "_" in text else text)  # Python reads 1_000 as a number, no table means it so
    except ValueError:
        refuse(
            f"column {name!r}, row {row + 1}: {text[:40]!r} is not a number; "
            "choose numeric columns with source.columns=[...]"
        )


def _whole(values: np.ndarray, names: list[str], missing: str) -> np.ndarray:
    """The rows with every cell finite, or a refusal that says where the first other one is."""
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        row, column = infinite[0]
        refuse(f"column {names[column]!r}, row {row + 1}: infinite; only finite numbers can be fitted")
    gaps = np.isnan(values)
    if not gaps.any() or missing == "drop":
        return np.asarray(values[~gaps.any(axis=1)])
    row, column = np.argwhere(gaps)[0]
    refuse(
        f"{int(gaps.sum())} missing values, the first in column {names[column]!r}, row {row + 1}; "
        "fill them in, or leave those rows out with source.missing=drop"
    )


def main(request: str) -> None:
    """Parse one file as the JSON request says."""
    _limit()
    wish = json.loads(request)
    path = Path(wish["path"])
    try:
        if path.suffix in (".npy", ".npz"):
            values, names = _from_numpy(path, wish["columns"])
            if values.dtype.kind not in "fiub":
                refuse(f"holds {values.dtype}, not numbers")
            values = values.astype(np.float64)
        else:
            table = _arrow_table(path, wish["columns"])
            names = list(table.column_names)
            columns = [_numbers(n, table.column(n)) for n in names]
            values = np.stack(columns, axis=1) if columns else np.empty((0, 0))
        values = _whole(values, names, wish["missing"])
    except Exception as e:  # readers raise anything on a broken file: this boundary turns it into one line
        refuse(f"cannot be read: {type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}")
    if not values.size:
        refuse("no rows")
    sys.stdout.buffer.write(json.dumps(names).encode() + b"\n")
    np.save(sys.stdout.buffer, np.ascontiguousarray(values), allow_pickle=False)


if __name__ == "__main__":
    main(sys.argv[1])
