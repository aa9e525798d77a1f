"""The child that parses an untrusted file: `python -m outcross.sources.parse REQUEST`.

The JSON request says what is wanted: `numbers`, `categories`, `words`, `documents`
(the text itself), `pictures` (a folder of them) or `pixels` (an
array). Writes names (of columns, categories or classes) as one line of JSON, then arrays as NPY, to standard output; a
refusal is one line on standard error and exit code 2. It limits its own memory, processor time and file writing first.
"""

from __future__ import annotations

import io
import json
import math
import sys
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from outcross.sources.child import MEMORY, MOST_INFLATION, Found, limit, load, most_unpacked, refuse
from outcross.sources.parse_images import read_folder, read_pixels

_MOST_COLUMNS = 10_000
MOST_CATEGORIES, _MOST_NAMES = 1 << 20, 256 << 20  # categories, and characters in all their names together
_LONGEST_LINE = 64 << 20  # bytes
MARKS = '.,;:!?()[]{}"'  # at either end of a word each of them is a word of its own
RARE = "<rare>"


# ---- numbers ----


def _read_numbers(path: Path, wish: dict[str, Any]) -> Found:
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
    if not values.size:
        refuse("no rows")
    return names, [np.ascontiguousarray(values)]


def _from_numpy(path: Path, columns: list[str] | None) -> tuple[np.ndarray, list[str]]:
    loaded = load(path)
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


def _missing(text: str | None) -> bool:
    return text is None or text.strip().lower() in ("", "na", "nan", "null")


def _number(name: str, row: int, text: str | None) -> float:
    if text is None or _missing(text):
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


# ---- categories ----


def _read_categories(path: Path, wish: dict[str, Any]) -> Found:
    """The values of one column as codes (n,) into their sorted names."""
    name = wish["column"]
    column = _arrow_table(path, [name]).column(name)
    values = _texts(name, column)
    gaps = [i for i, v in enumerate(values) if _missing(v)]
    if gaps and wish["missing"] != "drop":
        refuse(
            f"{len(gaps)} missing values in column {name!r}, the first in row {gaps[0] + 1}; "
            "fill them in, or leave those rows out (source.missing=drop, or --missing drop)"
        )
    there = [v for v in values if v is not None and not _missing(v)]
    if not there:
        refuse("no rows")
    labels = sorted(set(there))
    if 2 * len(labels) > len(there) and len(labels) > 2 and _fractional(labels):
        refuse(f"column {name!r} looks continuous: {len(labels):,} different numbers in {len(there):,} rows")
    _countable(len(labels), sum(map(len, labels)))
    code = {v: i for i, v in enumerate(labels)}
    return labels, [np.fromiter((code[v] for v in there), dtype=np.int32, count=len(there))]


def _texts(name: str, column: Any) -> list[str | None]:
    """One Arrow column as strings, missing cells as None."""
    import pyarrow as pa

    is_a = pa.types
    kind = column.type.value_type if is_a.is_dictionary(column.type) else column.type
    known = (is_a.is_string, is_a.is_large_string, is_a.is_integer, is_a.is_boolean, is_a.is_floating, is_a.is_date)
    if not any(test(kind) for test in known):
        refuse(f"column {name!r} holds {column.type}, not categories; choose one of strings, integers or booleans")
    return column.cast(kind).cast(pa.large_string()).to_pylist()  # type: ignore[no-any-return]


def _fractional(labels: list[str]) -> bool:
    """Whether all are numbers, and not whole ones."""
    return all(map(_reads_as_number, labels)) and any(not float(v).is_integer() for v in labels)


def _countable(categories: int, characters: int) -> None:
    if categories > MOST_CATEGORIES:
        refuse(f"more than {MOST_CATEGORIES:,} categories: is it a column of names or numbers?")
    if characters > _MOST_NAMES:
        refuse(f"the names of its categories are longer than {_MOST_NAMES >> 20} million characters together")


# ---- words ----


def tokenise(text: str) -> list[str]:
    """The words of a text: what stands between white space, each of MARKS at either end a word of its own.

    `(as in "U.S.", 3.5 @-@ inch)` gives `(`, `as`, `in`, `"`, `U.S`, `.`, `"`, `,`, `3.5`, `@-@`, `inch`, `)`.
    """
    out: list[str] = []
    for word in text.split():
        if word[0] not in MARKS and word[-1] not in MARKS:
            out.append(word)
            continue
        tail = word.lstrip(MARKS)
        core = tail.rstrip(MARKS)
        out.extend(word[: len(word) - len(tail)])
        if core:
            out.append(core)
            out.extend(tail[len(core) :])
    return out


def is_heading(line: str) -> bool:
    """Whether a line opens an article: `= Title =` as in WikiText, or `# Title` as in Markdown."""
    bare = line.strip()
    wiki = bare.startswith("= ") and bare.endswith(" =") and not bare.startswith("= =") and len(bare) > 4
    return wiki or line.startswith("# ")


def in_documents(lines: Iterable[str], unit: str) -> Iterator[list[str]]:
    """Lines gathered into documents: each `line`, each `paragraph` between blank lines, or all from a `heading` on."""
    gathered: list[str] = []
    for line in lines:
        blank = not line.strip()
        if gathered and (unit == "line" or (unit == "paragraph" and blank) or (unit == "heading" and is_heading(line))):
            yield gathered
            gathered = []
        if not blank:
            gathered.append(line)
    if gathered:
        yield gathered


def encode(documents: Iterable[list[str]], lowercase: bool, least: int) -> Found:
    """Vocabulary, code of each word (n,) int32, and offsets (documents + 1,) int64: where each document begins.

    The vocabulary is sorted; words rarer than `least` in all documents together are one category, RARE, the last.
    Documents without a word are left out.
    """
    code: dict[str, int] = {}
    words, ends, characters = array("i"), array("q", [0]), 0
    for document in documents:
        for line in document:
            for word in tokenise(line.lower() if lowercase else line):
                found = code.get(word)
                if found is None:
                    found = code[word] = len(code)
                    characters += len(word)
                words.append(found)
        if len(words) > ends[-1]:
            ends.append(len(words))
        _countable(len(code), characters)
    return _in_order(code, np.frombuffer(words, dtype=np.int32), np.frombuffer(ends, dtype=np.int64), least)


def _in_order(code: dict[str, int], words: np.ndarray, offsets: np.ndarray, least: int) -> Found:
    first = list(code)
    common = np.bincount(words, minlength=len(first)) >= least
    kept = sorted(w for w, often in zip(first, common, strict=True) if often)
    place = {w: i for i, w in enumerate(kept)}
    merged = place.setdefault(RARE, len(kept)) if not common.all() else len(kept)
    names = kept if merged < len(kept) or common.all() else [*kept, RARE]
    new = np.fromiter((place.get(w, merged) for w in first), dtype=np.int32, count=len(first))
    return names, [new[words] if len(words) else words, offsets]


class _Metered(io.RawIOBase):
    """Bytes of an opened file, refused beyond `most` of them."""

    def __init__(self, file: Any, most: int) -> None:
        self._file, self._left = file, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0:
            refuse(f"unpacks to more than {MOST_INFLATION} times its size")
        buffer[: len(piece)] = piece
        return len(piece)


def _opened(path: Path) -> Any:
    """The bytes of a text file, unpacked."""
    if path.suffix == ".gz":
        import gzip

        return gzip.open(path)
    if path.suffix == ".xz":
        import lzma

        return lzma.open(path)
    if path.suffix == ".zst":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return open(path, "rb")


def _lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 text."""
    packed = path.suffix in (".gz", ".xz", ".zst")
    most = most_unpacked(path) if packed else sys.maxsize
    with _opened(path) as raw, io.BufferedReader(_Metered(raw, most), 1 << 20) as file:
        number = 0
        while True:
            number += 1
            content = file.readline(_LONGEST_LINE)
            if len(content) == _LONGEST_LINE:
                refuse(f"line {number:,} is longer than {_LONGEST_LINE >> 20} million bytes")
            try:
                line = content.decode("utf-8-sig" if number == 1 else "utf-8").replace("\r\n", "\n")
            except UnicodeDecodeError as e:
                refuse(f"is no UTF-8 text (line {number:,}: {e.reason}): save it as UTF-8")
            if "\0" in line:
                refuse(f"line {number:,} holds NUL characters: is it a text?")
            if not line:
                return
            yield line


def _records(lines: Iterable[str], key: str) -> Iterator[list[str]]:
    """The text under `key` in each line of JSON: one document each."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as e:
            refuse(f"line {number:,} is no JSON: {getattr(e, 'msg', 'nested too deeply')}")
        if not isinstance(record, dict):
            refuse(f"line {number:,} is no JSON object")
        if key not in record:
            refuse(f"line {number:,} has no key {key!r}; there are {', '.join(list(record)[:20]) or 'none'}")
        if not isinstance(record[key], str):
            refuse(f"line {number:,}: {key!r} holds {type(record[key]).__name__}, not text")
        yield [record[key]]


def _rows_of_text(path: Path, column: str) -> Iterator[list[str]]:
    """The text in each row of a Parquet file."""
    import pyarrow as pa

    held = _arrow_table(path, [column]).column(column)
    kind = held.type.value_type if pa.types.is_dictionary(held.type) else held.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        refuse(f"column {column!r} holds {held.type}, not text")
    for number, text in enumerate(_texts(column, held), 1):
        if text is None:
            refuse(f"row {number:,}: {column!r} is missing; fill it in, or leave that row out")
        yield [text]


def _documents(path: Path, wish: dict[str, Any]) -> Iterator[list[str]]:
    """The documents of a text, each as its lines."""
    bare = path.with_suffix("") if path.suffix in (".gz", ".xz", ".zst") else path
    if bare.suffix == ".parquet":
        return _rows_of_text(path, wish["column"])
    lines = _lines(path)
    return _records(lines, wish["column"]) if bare.suffix == ".jsonl" else in_documents(lines, wish["documents"])


def _read_words(path: Path, wish: dict[str, Any]) -> Found:
    found = encode(_documents(path, wish), wish["lowercase"], wish["least"])
    if not found[0]:
        refuse("no words")
    return found


def _read_documents(path: Path, wish: dict[str, Any]) -> Found:
    """All documents as UTF-8, one after the other, and where each begins (documents + 1,)."""
    return _laid(said for document in _documents(path, wish) if (said := "".join(document).strip()))


def _read_pairs(path: Path, wish: dict[str, Any]) -> Found:
    """The texts of two columns by turns, as `_read_documents` gives them, without rows that lack one of them."""
    sides = [_documents(path, {**wish, "column": column}) for column in wish["columns"]]
    pairs = (["".join(side).strip() for side in row] for row in zip(*sides, strict=True))
    return _laid(said for pair in pairs if all(pair) for said in pair)


def _laid(documents: Iterable[str]) -> Found:
    text, ends = bytearray(), array("q", [0])
    for said in documents:
        text += said.encode("utf-8", "replace")
        ends.append(len(text))
    if not text:
        refuse("no words")
    return [], [np.frombuffer(text, dtype=np.uint8), np.frombuffer(ends, dtype=np.int64)]


_READERS = {
    "numbers": _read_numbers,
    "categories": _read_categories,
    "words": _read_words,
    "documents": _read_documents,
    "pairs": _read_pairs,
    "pictures": read_folder,
    "pixels": read_pixels,
}


def answer(wish: dict[str, Any]) -> Found:
    """What a request asks for: names and arrays. Refuses in one line whatever a reader raises."""
    try:
        return _READERS[wish["what"]](Path(wish["path"]), wish)
    except MemoryError:
        refuse(f"cannot be read: it takes more than {MEMORY >> 30} GiB of memory; give less of it")
    except Exception as e:  # readers raise anything on a broken file: this boundary turns it into one line
        refuse(f"cannot be read: {type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}")


def main(request: str) -> None:
    """Parse one file as the JSON request says."""
    limit()
    names, arrays = answer(json.loads(request))
    sys.stdout.buffer.write(json.dumps(names).encode() + b"\n")
    for values in arrays:
        np.save(sys.stdout.buffer, values, allow_pickle=False)


if __name__ == "__main__":
    main(sys.argv[1])
