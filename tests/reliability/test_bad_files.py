"""Hostile and broken data files: refused in one line, or their oddity is a recorded result; never a crash."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands import Shell, is_one_line
from outcross.core.errors import InputError
from outcross.sources.tables import read_rows

_ROWS = np.random.Generator(np.random.Philox(5)).standard_normal((60, 2))


def _csv(header: str = "a,b", rows: object = None) -> str:
    lines = [",".join(map(repr, map(float, r))) for r in _ROWS] if rows is None else rows
    return "\n".join([header, *lines, ""])  # type: ignore[misc]


def _parquet(**columns: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns or {"a": _ROWS[:, 0], "b": _ROWS[:, 1]}), out)
    return out.getvalue()


def _npy(array: np.ndarray, **options: bool) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def _header(text: str) -> bytes:
    """An NPY file that is only its header."""
    body = text.encode() + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(body)) + body


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


class _Canary:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("canary",)


_FOOTER = len(_parquet()) - 8 - struct.unpack("<I", _parquet()[-8:-4])[0]
TABLES: dict[str, tuple[str, bytes | str, str]] = {  # name -> suffix, content, what the refusal names
    "text-in-a-numeric-column": ("csv", _csv(rows=["1,2", "x,4"]), "column 'a', row 2"),
    "empty-cells": ("csv", _csv(rows=["1,", "2,3"]), "row 1"),
    "nan-cells": ("csv", _csv(rows=["1,nan", "2,3"]), "row 1"),
    "infinite-cells": ("csv", _csv(rows=["1,2", "-Infinity,3"]), "row 2"),
    "number-beyond-double": ("csv", _csv(rows=["1,2", "9" * 400 + ",3"]), "row 2"),
    "thousands-with-underscores": ("csv", _csv(rows=["1,2", "1_000,3"]), "row 2"),
    "decimal-commas": ("csv", _csv(rows=["1,5;2", "2,5;3"]), "'5;2'"),
    "header-only": ("csv", "a,b\n", "no rows"),
    "csv-empty": ("csv", "", "cannot be read"),
    "one-row": ("csv", "a,b\n1,2\n", "1 rows"),
    "duplicate-header": ("csv", _csv("a,a"), "two columns"),
    "latin-1": ("csv", b"a,b\n1,2\n\xe9,3\n", "UTF8"),
    "utf-16": ("csv", _csv().encode("utf-16"), "table.csv"),
    "nul-bytes": ("csv", b"a,b\n1,2\n1\x002,3\n", "row 2"),
    "ragged-long": ("csv", _csv(rows=["1,2", "1,2,3"]), "cannot be read"),
    "ragged-short": ("csv", _csv(rows=["1,2", "1"]), "cannot be read"),
    "control-characters": ("csv", _csv("a,\x1b[2Jb", ["1,2", "1,x"]), "\\x1b[2Jb"),
    "parquet-empty": ("parquet", b"", "cannot be read"),
    "parquet-magic-only": ("parquet", b"PAR1PAR1", "cannot be read"),
    "parquet-truncated": ("parquet", _parquet()[:-20], "cannot be read"),
    "parquet-garbage-footer": (
        "parquet",
        _parquet()[:_FOOTER] + random.Random(1).randbytes(len(_parquet()) - _FOOTER - 8) + _parquet()[-8:],
        "table.parquet",
    ),
    "parquet-footer-length-huge": ("parquet", _parquet()[:-8] + b"\xff\xff\xff\x7fPAR1", "cannot be read"),
    "parquet-text-column": ("parquet", _parquet(a=["x"] * 20), "column 'a'"),
    "parquet-list-column": ("parquet", _parquet(a=[[1.0]] * 20), "numeric ones"),
    "parquet-null-column": ("parquet", _parquet(a=pa.nulls(20)), "column 'a'"),
    "parquet-zero-rows": ("parquet", _parquet(a=pa.array([], pa.float64())), "no rows"),
    "npy-object": ("npy", _npy(np.array([_Canary()] * 20), allow_pickle=True), "cannot be read"),
    "npy-huge-shape": ("npy", _header("{'descr': '<f8', 'fortran_order': False, 'shape': (1125899906842624, 2)}"), ""),
    "npy-negative-shape": ("npy", _header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2)}"), ""),
    "npy-code-in-the-header": ("npy", _header("__import__('os').mkdir('canary')"), "cannot be read"),
    "npy-garbage": ("npy", bytes(range(256)) * 9, "no plain array of numbers"),
    "npy-parentheses": ("npy", _header("(" * 9000), "cannot be read"),
    "npy-truncated": ("npy", _npy(_ROWS)[:-9], "cannot be read"),
    "npy-three-dimensions": ("npy", _npy(np.zeros((20, 2, 2))), "3"),
    "npy-structured": ("npy", _npy(np.zeros(20, dtype=[("a", "f8")])), "not numbers"),
    "npy-dates": ("npy", _npy(np.zeros((20, 1), dtype="M8[s]")), "not numbers"),
    "npy-complex": ("npy", _npy(np.zeros((20, 1), dtype=complex)), "not numbers"),
    "npy-pickle": ("npy", pickle.dumps(_Canary()), "cannot be read"),
    "npz-pickle": ("npz", pickle.dumps(_Canary()), "cannot be read"),
    "npz-empty": ("npz", _zip({}), "table.npz"),
    "npz-bomb": ("npz", _zip({"a.npy": _npy(np.zeros(20_000_000))}), "times its size"),
    "npz-traversal": ("npz", _zip({"../../canary.npy": b"x" * 100}), "table.npz"),
    "npz-object": ("npz", _zip({"a.npy": _npy(np.array([_Canary()] * 20), allow_pickle=True)}), "cannot be read"),
    "npz-lengths-differ": ("npz", _zip({"a.npy": _npy(np.zeros(20)), "b.npy": _npy(np.zeros(9))}), "one length"),
    "npz-truncated": ("npz", _zip({"a.npy": _npy(np.zeros(20))})[:-30], "cannot be read"),
    "of-no-known-kind": ("xyz", "a,b\n", "unknown kind"),
}


def _run(shell: Shell, path: object, *more: str) -> object:
    return shell(
        "run", "gmm", "source.kind=file", f"source.path={path}", "chains=2", "generations=2", "floor=0",
        "snapshots.chains=0", "--no-report", "-q", "--workers", "1", *more,
    )  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_broken_table_is_refused(name: str, shell: Shell) -> None:
    suffix, content, named = TABLES[name]
    path = shell.folder / f"table.{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = _run(shell, path.name)
    assert (said.code, is_one_line(said)) == (2, True), said
    assert path.name in said.err
    assert named in said.err
    assert os.listdir(shell.folder) == [path.name]


@pytest.mark.parametrize("name", ["missing.csv", "folder.csv", "fifo.csv", "/dev/zero", "loop.csv", "x" * 300 + ".csv",
                                  "new\\nline\\e[2J.csv", "nul\\0.csv"])  # fmt: skip
def test_what_is_no_file_is_refused_and_never_waited_for(name: str, shell: Shell) -> None:
    os.mkdir("folder.csv")
    os.mkfifo("fifo.csv")
    os.symlink("loop.csv", "loop.csv")
    said = _run(shell, f'"{name}"')
    assert (said.code, is_one_line(said)) == (2, True), said


def test_odd_names_of_files_are_no_obstacle(shell: Shell) -> None:
    for name in ("-dash.csv", "new\\nline.csv", "\u202eb\u00e9.csv"):
        Path(name.replace("\\n", "\n")).write_text(_csv())
        assert _run(shell, f'"{name}"').code == 0


def test_missing_columns_name_those_that_there_are(shell: Shell) -> None:
    Path("t.csv").write_text(_csv())
    said = _run(shell, "t.csv", "source.columns=[a,c]")
    assert (said.code, is_one_line(said)) == (2, True), said
    assert "no column 'c'; there are a, b" in said.err


def test_rows_with_gaps_are_left_out_only_when_asked(shell: Shell) -> None:
    Path("t.csv").write_text(_csv(rows=["1,", *[f"{a},{b}" for a, b in _ROWS]]))
    assert _run(shell, "t.csv").code == 2
    assert len(read_rows(Path("t.csv"), missing="drop")[0]) == len(_ROWS)
    assert _run(shell, "t.csv", "source.missing=drop").code == 0


@pytest.mark.parametrize("family", ["gmm learner.components=50", "gaussian samples=1", "regression samples=1"])
def test_fewer_rows_than_a_family_needs_are_refused(family: str, shell: Shell) -> None:
    Path("t.csv").write_text(_csv())
    kind, more = family.split()
    said = _run(shell, "t.csv", f"learner.kind={kind}", more)
    assert (said.code, is_one_line(said)) == (2, True), said
    assert f"the family {kind} needs at least" in said.err


@pytest.mark.parametrize(
    ("learner", "says"),
    [
        (["learner.kind=regression", "source.columns=[a]"], "the source has one column"),
        (["learner={kind: exponential_family, family: bernoulli}"], "a bernoulli column cannot have the mean"),
    ],
)
def test_a_learner_that_no_such_data_can_be_fitted_by_is_refused(learner: list[str], says: str, shell: Shell) -> None:
    Path("t.csv").write_text(_csv(rows=[f"{10 + i},{20 + i}" for i in range(20)]))
    said = _run(shell, "t.csv", *learner)
    assert (said.code, is_one_line(said)) == (2, True), said
    assert says in said.err


def test_a_fit_without_an_answer_is_recorded_not_refused(shell: Shell) -> None:
    Path("t.csv").write_text(_csv(rows=[f"{a},7" for a, _ in _ROWS]))
    said = _run(shell, "t.csv", "learner.kind=gaussian", "--json")
    assert said.code == 0, said
    assert said.json["chains"] == {"done": 0, "degenerate": 4, "failed": 0}
    assert "degenerate" in shell("show", "gmm").out
    assert shell("fsck").code == 0


def test_a_constant_column_is_run_by_a_mixture_with_a_floor(shell: Shell) -> None:
    Path("t.csv").write_text(_csv(rows=[f"{a},7" for a, _ in _ROWS]))
    assert _run(shell, "t.csv", "--json").code == 0


def _fuzz(folder: Path, seed: int) -> None:
    """Flip a few bits of a good file: either the numbers come back whole, or one line says why not."""
    chance = random.Random(seed)
    suffix, good = chance.choice(
        [("parquet", _parquet()), ("npy", _npy(_ROWS)), ("npz", _zip({"a.npy": _npy(_ROWS)})), ("csv", _csv().encode())]
    )
    broken = bytearray(good)
    for _ in range(chance.choice([1, 1, 4, 40])):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    path = folder / f"t.{suffix}"
    path.write_bytes(broken)
    try:
        rows, names = read_rows(path)
        assert rows.ndim == 2
        assert rows.shape[1] == len(names)
        assert np.isfinite(rows).all()
    except InputError as e:
        if str(path) not in str(e):
            raise


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bits_never_crash_the_reader(seed: int, tmp_path: Path) -> None:
    _fuzz(tmp_path, seed)


@pytest.mark.slow
def test_many_more_flipped_bits_never_crash_the_reader(tmp_path: Path) -> None:
    for seed in range(100, 300):
        _fuzz(tmp_path, seed)
