"""The store of one run: a directory with an SQLite file, blobs named by their SHA-256, and the experiment.

Ordering, so that a kill or a power cut at any moment leaves a valid store: blobs first (temporary name, fsync, rename,
fsync of the directory), then one transaction that names them. A generation is acknowledged when its transaction is.
Rollback journal and synchronous=FULL; exactly one writer, which holds the lock; readers open read-only.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

from outcross.core.contracts import Reading, State
from outcross.core.errors import CorruptStore, InputError, ResourceError
from outcross.core.statistics import stored_part
from outcross.runs.disk import REMEDY, Lock, guarded, sync_folder, write_atomically
from outcross.runs.records import FORMAT, SCHEMA, Checkpoint, Key, Progress, Row, entries, seal

_PATIENCE = 600.0  # seconds to wait for another connection's transaction: a writer outwaits a long read


class Reader:
    """A run opened for reading; also while another process writes it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        if not (directory / "run.db").is_file():
            raise InputError(f"{directory} holds no run; `outcross ls` shows where there are some")
        with guarded(directory):
            self.db = self._connect()
        try:
            self._check_format()
        except BaseException:
            self.db.close()
            raise

    def _check_format(self) -> None:
        found = self.meta("format")
        if found != str(FORMAT):
            raise CorruptStore(
                f"{self.directory}: store format {found}, this version reads {FORMAT}: use the version that wrote it"
            )

    def _connect(self) -> sqlite3.Connection:
        uri = f"{(self.directory / 'run.db').resolve().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, timeout=_PATIENCE)

    def close(self) -> None:
        """Close the database."""
        self.db.close()

    def meta(self, key: str) -> str | None:
        """One fact about the run."""
        found = self.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return found[0][0] if found else None

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[Any]:
        """All rows of a query."""
        with guarded(self.directory):
            try:
                return self.db.execute(query, tuple(values)).fetchall()
            except sqlite3.OperationalError as e:
                if getattr(e, "sqlite_errorcode", None) != sqlite3.SQLITE_READONLY_ROLLBACK:
                    raise
                self._roll_back()
                return self.db.execute(query, tuple(values)).fetchall()

    def _roll_back(self) -> None:
        """Undo the transaction of a writer that was killed in its midst, which a read-only connection cannot."""
        db = sqlite3.connect(self.directory / "run.db", timeout=_PATIENCE)
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchall()
        finally:
            db.close()

    def chains(self) -> dict[Key, tuple[int, str, str | None]]:
        """Generation, status and reason of every chain begun."""
        rows = self.rows("SELECT cell, chain, generation, status, reason FROM chains ORDER BY cell, chain")
        return {(c, k): (g, s, r) for c, k, g, s, r in rows}

    def metrics(self) -> list[Row]:
        """Every measured number."""
        return [
            _row(r)
            for r in self.rows(
                "SELECT cell, chain, generation, measure, value, low, high, why FROM metrics "
                "ORDER BY cell, chain, generation, measure"
            )
        ]

    def floor(self) -> list[tuple[int, int, str, Reading]]:
        """The noise floor: cell, replicate, measure, reading."""
        rows = self.rows(
            "SELECT cell, replicate, measure, value, low, high, why FROM floor ORDER BY cell, replicate, measure"
        )
        return [(c, r, m, Reading(_float(v), low, high, why)) for c, r, m, v, low, high, why in rows]

    def floor_seal(self) -> str:
        """SHA-256 over the noise floor."""
        tables = ("floor", "floor_records")
        rows = [self.rows(f"SELECT * FROM {table} ORDER BY cell, replicate, measure") for table in tables]
        return hashlib.sha256(repr(rows).encode()).hexdigest()

    def floor_taken(self) -> set[tuple[int, int, str]]:
        """Cell, replicate and name of every measure taken for the noise floor."""
        return set(self.rows("SELECT cell, replicate, measure FROM floor_records"))

    def taken(self) -> dict[Key, dict[int, set[str]]]:
        """Names of the measures taken so far, by chain and generation."""
        found: dict[Key, dict[int, set[str]]] = {}
        for cell, chain, generation, measure in self.rows("SELECT cell, chain, generation, measure FROM records"):
            found.setdefault((cell, chain), {}).setdefault(generation, set()).add(measure)
        return found

    def arrays(self, key: Key, generation: int, prefix: str) -> dict[str, NDArray[Any]]:
        """Arrays of one generation whose name begins with prefix, by the rest of the name."""
        rows = self.rows(
            "SELECT name, blob, entry FROM arrays WHERE cell = ? AND chain = ? AND generation = ? "
            "AND substr(name, 1, ?) = ? ORDER BY name",
            (*key, generation, len(prefix), prefix),
        )
        return {name.removeprefix(prefix): self._from_pack(blob, entry) for name, blob, entry in rows}

    def states(self, key: Key) -> list[int]:
        """Generations of a chain from which it can go on: kept states and the checkpoint."""
        return [
            g
            for (g,) in self.rows(
                "SELECT DISTINCT generation FROM arrays WHERE cell = ? AND chain = ? AND "
                "(substr(name, 1, 6) = 'state/' OR substr(name, 1, 11) = 'checkpoint/') ORDER BY generation",
                key,
            )
        ]

    def kept(self, key: Key) -> set[int]:
        """Generations of a chain whose state is kept for good."""
        query = "SELECT generation FROM arrays WHERE cell = ? AND chain = ? AND substr(name, 1, 6) = 'state/'"
        return {g for (g,) in self.rows(query, key)}

    def checkpoint(self, key: Key, generation: int, with_pool: bool = True) -> Checkpoint:
        """Where a chain stood at one of its `states`."""
        state = self.arrays(key, generation, "checkpoint/") or self.arrays(key, generation, "state/")
        first = self.arrays(key, 0, "state/")
        if not state or not first:
            raise CorruptStore(
                f"{self.directory}: the state of cell {key[0]}, chain {key[1]}, generation {generation} "
                f"is gone; {REMEDY}"
            )
        pool = self.arrays(key, generation, "pool/") if with_pool else {}
        parts: dict[str, State] = {}
        for name, array in pool.items():
            number, _, rest = name.partition("/")
            parts.setdefault(number, {})[rest] = array
        return Checkpoint(generation, state, first, tuple(stored_part(parts[number]) for number in sorted(parts)))

    def blob(self, digest: str) -> Path:
        """Where a blob lies."""
        return self.directory / "blobs" / digest[:2] / digest

    _open_pack: tuple[str, dict[str, NDArray[Any]]] = ("", {})

    def _from_pack(self, digest: str, name: str) -> NDArray[Any]:
        if self._open_pack[0] != digest:
            self._open_pack = (digest, self._load(digest))
        try:
            return self._open_pack[1][name]
        except KeyError:
            raise CorruptStore(f"{self.blob(digest)}: holds no {name}; {REMEDY}") from None

    def _load(self, digest: str) -> dict[str, NDArray[Any]]:
        path = self.blob(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise CorruptStore(f"{path}: missing; {REMEDY}") from None
        except OSError as e:
            raise ResourceError(f"{path}: cannot be read ({e})") from e
        if hashlib.sha256(content).hexdigest() != digest:
            raise CorruptStore(f"{path}: its content does not match its name; {REMEDY}")
        try:
            return unpack(content)
        except SafetensorError as e:
            raise CorruptStore(f"{path}: not readable ({e}); {REMEDY}") from e

    def content_digest(self) -> str:
        """SHA-256 over every result and final state: equal for equal runs, however they were interrupted."""
        h = hashlib.sha256()
        for key, where in self.chains().items():
            h.update(f"{key}{seal(self.db, key, where)}".encode())
            for name, array in sorted(self.arrays(key, where[0], "checkpoint/").items()):
                h.update(name.encode() + array.tobytes())
        h.update(self.floor_seal().encode())
        return h.hexdigest()


class Writer(Reader):
    """A run opened for writing, under the lock."""

    def __init__(self, directory: Path, digest: str) -> None:
        self.directory = directory
        with guarded(directory):
            directory.mkdir(parents=True, exist_ok=True)
        self.lock = Lock(directory)
        try:
            if not (directory / "run.db").exists():
                self._create(digest)
            super().__init__(directory)
            if self.meta("digest") != digest:
                self.db.close()
                raise CorruptStore(f"{directory} belongs to another experiment: choose another --out")
        except BaseException:
            self.lock.release()
            raise

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.directory / "run.db", timeout=_PATIENCE, isolation_level=None)
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA synchronous = FULL")
        return db

    def _create(self, digest: str) -> None:
        """Make the database under another name first: it is whole or absent."""
        temporary = self.directory / ".run.db.tmp"
        with guarded(self.directory):
            temporary.unlink(missing_ok=True)
            db = sqlite3.connect(temporary)
            db.executescript(f"BEGIN; {SCHEMA} COMMIT;")
            db.executemany("INSERT INTO meta VALUES (?, ?)", [("format", str(FORMAT)), ("digest", digest)])
            db.commit()
            db.close()
            os.replace(temporary, self.directory / "run.db")
            sync_folder(self.directory)

    def close(self) -> None:
        """Close the database and let go of the lock."""
        super().close()
        self.lock.release()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable when it ends."""
        with guarded(self.directory):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def set_meta(self, **facts: str) -> None:
        """Record facts about the run."""
        with self.transaction():
            self.db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())

    def event(self, kind: str, text: str) -> None:
        """Append to the run's diary."""
        with self.transaction():
            self.db.execute("INSERT INTO events (seconds, kind, text) VALUES (?, ?, ?)", (time.time(), kind, text))

    def commit(self, news: Iterable[Progress]) -> None:
        """Acknowledge what several chains did: a blob of what stays and one of what the next commit replaces, then one
        transaction.
        """
        fresh = [(p, entries(p)) for p in news]
        if not fresh:
            return
        known = {
            entry: blob
            for p, _ in fresh
            for entry, blob in self.rows(
                "SELECT entry, blob FROM arrays WHERE cell = ? AND chain = ? AND "
                "(substr(name, 1, 5) = 'pool/' OR substr(name, 1, 6) = 'state/')",
                p.key,
            )
        }
        new = [e for _, parts in fresh for e in parts if e.entry not in known]
        stays = {e.entry: e.array for e in new if not e.name.startswith("checkpoint/")}
        goes = {e.entry: e.array for e in new if e.entry not in stays}
        with guarded(self.directory):
            digests = [self._write_pack(part) for part in (stays, goes)]
        known |= {entry: str(digest) for part, digest in zip((stays, goes), digests, strict=True) for entry in part}
        with self.transaction():
            for digest in digests:
                self._name_blob(digest)
            for p, parts in fresh:
                self._record(p, [(*p.key, e.generation, e.name, known[e.entry], e.entry) for e in parts])
        self._drop_unnamed()

    def commit_floor(self, cell: int, replicate: int, taken: Iterable[str], readings: Mapping[str, Reading]) -> None:
        """Record what some measures say of one replicate of the noise floor."""
        with self.transaction():
            self.db.executemany(
                "INSERT OR REPLACE INTO floor_records VALUES (?, ?, ?)", [(cell, replicate, name) for name in taken]
            )
            self.db.executemany(
                "INSERT OR REPLACE INTO floor VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(cell, replicate, name, _null(r.value), r.low, r.high, r.why) for name, r in readings.items()],
            )
            self.db.execute("INSERT OR REPLACE INTO meta VALUES ('floor_seal', ?)", (self.floor_seal(),))

    def compact(self, most_bytes: int = 1 << 28) -> None:
        """Gather all arrays into one blob, so that a finished run holds the same files however it came about.

        Blobs also hold the checkpoints of before, which nothing names any more. More than most_bytes of arrays stay.
        """
        named: dict[str, NDArray[Any]] = {}
        for entry, blob in self.rows("SELECT DISTINCT entry, blob FROM arrays ORDER BY blob"):
            named[entry] = self._from_pack(blob, entry).copy()  # a view would hold the whole blob in memory
            most_bytes -= named[entry].nbytes
            if most_bytes < 0:
                return
        with guarded(self.directory):
            digest = self._write_pack(named)
        with self.transaction():
            self._name_blob(digest)
            self.db.execute("UPDATE arrays SET blob = ?", (digest,))
        self._drop_unnamed()

    def _name_blob(self, digest: str | None) -> None:
        if digest is not None:
            size = self.blob(digest).stat().st_size
            self.db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?)", (digest, size))

    def _write_pack(self, arrays: Mapping[str, NDArray[Any]]) -> str | None:
        if not arrays:
            return None
        content = pack({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
        digest = hashlib.sha256(content).hexdigest()
        path = self.blob(digest)
        if not path.exists():
            for folder in (path.parent.parent, path.parent):
                if not folder.exists():
                    folder.mkdir()
                    sync_folder(folder.parent)
            write_atomically(path, content)
        return digest

    def _record(self, p: Progress, rows: list[tuple[Any, ...]]) -> None:
        past = self.db.execute("SELECT generation FROM chains WHERE cell = ? AND chain = ?", p.key).fetchone()
        generation = past[0] if past else -1
        if p.checkpoint is not None:
            generation = p.checkpoint.generation
            self.db.execute(
                "DELETE FROM arrays WHERE cell = ? AND chain = ? AND "
                "(substr(name, 1, 11) = 'checkpoint/' OR substr(name, 1, 5) = 'pool/')",
                p.key,
            )
        self.db.executemany(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)",
            [(*p.key, g, name) for g, names in p.taken.items() for name in names],
        )
        self.db.executemany(
            "INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (*p.key, g, name, _null(r.value), r.low, r.high, r.why)
                for g, readings in p.readings.items()
                for name, r in readings.items()
            ],
        )
        self.db.executemany("INSERT OR REPLACE INTO arrays VALUES (?, ?, ?, ?, ?, ?)", rows)
        where = (generation, p.status, p.reason)
        self.db.execute(
            "INSERT OR REPLACE INTO chains VALUES (?, ?, ?, ?, ?, ?)", (*p.key, *where, seal(self.db, p.key, where))
        )

    def _drop_unnamed(self) -> None:
        """Remove blobs that no row names any more."""
        unnamed = self.rows("SELECT digest FROM blobs WHERE digest NOT IN (SELECT blob FROM arrays)")
        if not unnamed:
            return
        with self.transaction():
            self.db.executemany("DELETE FROM blobs WHERE digest = ?", unnamed)
        for (digest,) in unnamed:
            self.blob(digest).unlink(missing_ok=True)


def _null(value: float) -> float | None:
    """SQLite has no NaN: NULL, with the reason beside it."""
    return None if not np.isfinite(value) else float(value)


def _float(value: float | None) -> float:
    return float("nan") if value is None else value


def _row(raw: tuple[Any, ...]) -> Row:
    cell, chain, generation, measure, value, low, high, why = raw
    return Row(cell, chain, generation, measure, _float(value), low, high, why)
