"""What files hold: numeric rows, a column of categories, the words of a text; read in a child process with limits.

A hostile or broken file can crash its parser; then the child dies, and this process says which file it was.
"""

from __future__ import annotations

import io
import itertools
import json
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from outcross.core.errors import InputError, require

FORMATS = (".csv", ".parquet", ".npy", ".npz")
TABLES = (".csv", ".parquet")
TEXTS, PACKINGS = (".txt", ".jsonl"), (".gz", ".xz", ".zst")
_SECONDS = 600


def read_rows(path: Path, columns: Sequence[str] | None = None, missing: str = "error") -> tuple[Any, tuple[str, ...]]:
    """Rows (n, d) float64 and their column names.

    columns: which, None for all. missing: `error` refuses empty and NaN cells, `drop` leaves their rows out.
    Raises InputError naming file, column and row.
    """
    known_file(path, path.suffix, FORMATS)
    names, (rows,) = parsed(path, 1, what="numbers", columns=chosen(columns), missing=missing)
    return rows, names


def chosen(columns: Sequence[str] | None) -> list[str] | None:
    """The columns that are asked for, each once; None for all."""
    if columns is None:
        return None
    require(len(columns) > 0, "columns is an empty list; leave it out for all columns")
    for name in columns:
        require(list(columns).count(name) == 1, f"columns has {name!r} twice")
    return list(columns)


def read_categories(path: Path, column: str, missing: str = "error") -> tuple[Any, tuple[str, ...]]:
    """The values of one column of a CSV or Parquet file: codes (n,) int32 and the sorted names they stand for.

    Raises InputError naming file, column and row: no such column, missing cells, numbers that look continuous.
    """
    known_file(path, path.suffix, TABLES)
    names, (codes,) = parsed(path, 1, what="categories", column=column, missing=missing)
    return codes, names


class Words(NamedTuple):
    """A text as codes (n,) int32 into the sorted labels; document d is codes[offsets[d] : offsets[d + 1]]."""

    codes: Any
    offsets: Any
    labels: tuple[str, ...]


def is_text(path: Path) -> bool:
    """Whether the name of a file is that of a text, packed or not."""
    return _unpacked(path).suffix in TEXTS


def read_words(
    path: Path, documents: str = "paragraph", lowercase: bool = False, least: int = 1, column: str = "text"
) -> Words:
    """The words of a UTF-8 text (.txt, or .jsonl with the text under `column`; packed as .gz, .xz or .zst).

    Raises InputError naming file and line: no text, damaged, unpacking to far more than it is.
    """
    known_file(path, _unpacked(path).suffix, TEXTS)
    wish = {"documents": documents, "lowercase": lowercase, "least": least, "column": column}
    names, (codes, offsets) = parsed(path, 2, what="words", **wish)
    return Words(codes, offsets, names)


def read_documents(path: Path, documents: str = "paragraph", column: str = "text") -> list[str]:
    """The documents of a text, as they are: of the files of `read_words`, or of a .parquet with the text in `column`.

    Raises InputError as that does.
    """
    _known_text(path, (*TEXTS, ".parquet"))
    return _texts(path, what="documents", documents=documents, column=column)


def read_pairs(path: Path, columns: tuple[str, str]) -> list[tuple[str, str]]:
    """The texts of two columns of a .jsonl, packed or not, or of a .parquet; rows that lack one are left out.

    Raises InputError as `read_words` does.
    """
    _known_text(path, (".jsonl", ".parquet"))
    found = iter(_texts(path, what="pairs", columns=columns))
    return list(zip(found, found, strict=True))


def _known_text(path: Path, known: Sequence[str]) -> None:
    packed = _unpacked(path).suffix
    known_file(path, path.suffix if packed == ".parquet" else packed, known)


def _texts(path: Path, **wish: Any) -> list[str]:
    _, (text, ends) = parsed(path, 2, **wish)
    whole = text.tobytes()
    return [whole[a:b].decode() for a, b in itertools.pairwise(ends.tolist())]


def _unpacked(path: Path) -> Path:
    return path.with_suffix("") if path.suffix in PACKINGS else path


def known_file(path: Path, suffix: str, known: Sequence[str]) -> None:
    """Raise InputError unless it is a file of a known kind."""
    require(stat.S_ISREG(mode_of(path)), f"{path}: not a file")
    require(suffix in known, f"{path}: unknown kind of file {suffix!r}; known: {', '.join(known)}")


def mode_of(path: Path) -> int:
    """What is at a path, as `stat` says it. Raises InputError where nothing is."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError) as e:
        raise InputError(f"{path}: {getattr(e, 'strerror', None) or e}") from e


def parsed(path: Path, arrays: int, **wish: Any) -> tuple[tuple[str, ...], list[Any]]:
    """Names and so many arrays, as the child gives them. Raises InputError with what it says when it refuses."""
    request = json.dumps({"path": str(path), **wish})
    try:
        child = subprocess.run(
            [sys.executable, "-m", "outcross.sources.parse", request],
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{path}: not read within {_SECONDS} s; give less of it") from None
    if child.returncode < 0:
        raise InputError(f"{path}: its parser crashed (signal {-child.returncode}); the file is damaged or too large")
    if child.returncode != 0:
        said = child.stderr.decode(errors="replace").strip().splitlines() or ["unreadable"]
        raise InputError(f"{path}: {said[-1]}")
    file = io.BytesIO(child.stdout)
    head = file.readline()
    return tuple(json.loads(head)), [np.load(file, allow_pickle=False) for _ in range(arrays)]


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
