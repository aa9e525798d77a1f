"""What a store of a run holds: its tables, and what is committed to it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from outcross.core.contracts import Reading, State
from outcross.core.statistics import Part

FORMAT = 1
Key = tuple[int, int]  # cell, chain

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE chains (cell INTEGER, chain INTEGER, generation INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT,
  seal TEXT NOT NULL, PRIMARY KEY (cell, chain)) WITHOUT ROWID;
CREATE TABLE metrics (cell INTEGER, chain INTEGER, generation INTEGER, measure TEXT, value REAL, low REAL, high REAL,
  why TEXT, PRIMARY KEY (cell, chain, generation, measure)) WITHOUT ROWID;
CREATE TABLE records (cell INTEGER, chain INTEGER, generation INTEGER, measure TEXT,
  PRIMARY KEY (cell, chain, generation, measure)) WITHOUT ROWID;
CREATE TABLE arrays (cell INTEGER, chain INTEGER, generation INTEGER, name TEXT, blob TEXT NOT NULL,
  entry TEXT NOT NULL, PRIMARY KEY (cell, chain, generation, name)) WITHOUT ROWID;
CREATE TABLE floor (cell INTEGER, replicate INTEGER, measure TEXT, value REAL, low REAL, high REAL, why TEXT,
  PRIMARY KEY (cell, replicate, measure)) WITHOUT ROWID;
CREATE TABLE floor_records (cell INTEGER, replicate INTEGER, measure TEXT,
  PRIMARY KEY (cell, replicate, measure)) WITHOUT ROWID;
CREATE TABLE blobs (digest TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE events (number INTEGER PRIMARY KEY, seconds REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
"""


class Checkpoint(NamedTuple):
    """Where a chain stands: its generation, model state, the pool if the policy needs it, and generation 0's state."""

    generation: int
    state: State
    first: State
    pool: tuple[Part, ...] = ()


class Row(NamedTuple):
    """One measured number of one chain."""

    cell: int
    chain: int
    generation: int
    measure: str
    value: float
    low: float | None
    high: float | None
    why: str | None


class Progress(NamedTuple):
    """What is new about one chain, to be committed together."""

    key: Key
    status: str  # running, done, degenerate, failed
    reason: str | None
    checkpoint: Checkpoint | None
    kept: Mapping[int, State]
    taken: Mapping[int, tuple[str, ...]]  # names of the measures, even those that had nothing to say
    readings: Mapping[int, Mapping[str, Reading]]
    arrays: Mapping[int, Mapping[str, NDArray[Any]]]


class Entry(NamedTuple):
    """One array of a progress."""

    generation: int
    name: str
    entry: str  # its name inside a blob
    array: NDArray[Any]


def entries(p: Progress) -> list[Entry]:
    """Every array of a progress: kept states, measured arrays, the checkpoint and its pool, batch by batch."""
    own = f"{p.key[0]}/{p.key[1]}"
    found = [Entry(g, f"state/{k}", f"{own}/{g}/{k}", a) for g, state in p.kept.items() for k, a in state.items()]
    found += [
        Entry(g, f"measure/{k}", f"{own}/{g}/measure/{k}", a) for g, named in p.arrays.items() for k, a in named.items()
    ]
    if p.checkpoint is not None:
        g = p.checkpoint.generation
        found += [Entry(g, f"checkpoint/{k}", f"{own}/{g}/{k}", a) for k, a in p.checkpoint.state.items()]
        found += [Entry(0, f"state/{k}", f"{own}/0/{k}", a) for k, a in p.checkpoint.first.items()]
        for i, part in enumerate(p.checkpoint.pool):
            for name, array in part.arrays().items():
                found.append(Entry(g, f"pool/{i:06d}/{name}", f"{own}/pool/{part.digest}/{name}", array))
    return found


def seal(db: sqlite3.Connection, key: Key, where: tuple[int, str, str | None]) -> str:
    """SHA-256 over where a chain stands, its every number and array name: a row lost or changed shows."""
    h = hashlib.sha256(repr(where).encode())
    for query in (
        "SELECT generation, measure, value, low, high, why FROM metrics "
        "WHERE cell = ? AND chain = ? ORDER BY generation, measure",
        "SELECT generation, measure FROM records WHERE cell = ? AND chain = ? ORDER BY generation, measure",
        "SELECT generation, name, entry FROM arrays WHERE cell = ? AND chain = ? ORDER BY generation, name",
    ):
        for row in db.execute(query, key):
            h.update(repr(row).encode())
    return h.hexdigest()
