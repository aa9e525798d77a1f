"""Upkeep of stores: check them, collect what no row names, remove, export, list."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from safetensors import safe_open

from outcross.core.errors import CorruptStore, InputError, OutcrossError, require
from outcross.runs.disk import Lock, io_error
from outcross.runs.records import seal
from outcross.runs.spec import Experiment
from outcross.runs.store import Reader


class Health(NamedTuple):
    """What a check found: damage, and harmless leftovers."""

    damage: list[str]
    leftovers: list[Path]


def check(directory: Path) -> Health:
    """Read a run whole: the database's own check, every seal, every blob, every count.

    Raises CorruptStore when the run cannot even be opened.
    """
    reader = Reader(directory)
    try:
        reader.rows("BEGIN")  # one moment of a run that may be under way
        damage = [*_database(reader), *_seals(reader), *_counts(reader), *_blobs(reader), *_floor(reader)]
        return Health(damage, _leftovers(reader))
    finally:
        reader.close()


def _database(reader: Reader) -> Iterator[str]:
    for (said,) in reader.rows("PRAGMA integrity_check"):
        if said != "ok":
            yield f"run.db: {said}"


def _seals(reader: Reader) -> Iterator[str]:
    for cell, chain, told, *where in reader.rows("SELECT cell, chain, seal, generation, status, reason FROM chains"):
        if seal(reader.db, (cell, chain), (where[0], where[1], where[2])) != told:
            yield f"run.db: rows of cell {cell}, chain {chain} are missing or changed"


def _counts(reader: Reader) -> Iterator[str]:
    """Numbers and states that belong to no chain, chains that lack what they must have."""
    for table in ("metrics", "records", "arrays"):
        for cell, chain in reader.rows(
            f"SELECT DISTINCT cell, chain FROM {table} EXCEPT SELECT cell, chain FROM chains"
        ):
            yield f"run.db: {table} of cell {cell}, chain {chain}, but no such chain"
    told, chains = reader.meta("experiment"), reader.chains()
    if told is None:
        if chains:
            yield "run.db: chains, but no experiment"
        return
    try:
        experiment = Experiment.parse(json.loads(told), str(reader.directory))
    except (InputError, ValueError) as e:
        yield f"run.db: the experiment cannot be read ({e})"
        return
    finished = reader.meta("finished") == told
    for cell in range(len(experiment.settled)):
        for chain in range(experiment.chains):
            if finished and (cell, chain) not in chains:
                yield f"run.db: cell {cell}, chain {chain} is missing from a finished run"
    for key, (generation, _, _) in chains.items():
        if generation >= 0 and generation not in reader.states(key):
            yield f"run.db: cell {key[0]}, chain {key[1]} has no state at generation {generation}"


def _blobs(reader: Reader) -> Iterator[str]:
    named: dict[str, set[str]] = {}
    for digest, entry in reader.rows("SELECT DISTINCT blob, entry FROM arrays ORDER BY blob"):
        named.setdefault(digest, set()).add(entry)
    sizes = dict(reader.rows("SELECT digest, bytes FROM blobs"))
    for digest, entries in named.items():
        path = reader.blob(digest)
        if not path.is_file():
            yield f"{path}: missing"
        elif _sha256(path) != digest:
            yield f"{path}: its content does not match its name"
        elif sizes.get(digest) != path.stat().st_size:
            yield f"run.db: blob {digest} is not told of as it is"
        else:
            with safe_open(path, "numpy") as blob:
                lost = entries - set(blob.keys())
            if lost:
                yield f"{path}: holds no {min(lost)}"


def _floor(reader: Reader) -> Iterator[str]:
    told = reader.meta("floor_seal")
    if told != reader.floor_seal() and (told is not None or reader.floor()):
        yield "run.db: rows of the noise floor are missing or changed"


def _sha256(path: Path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _leftovers(reader: Reader) -> list[Path]:
    """Files that nothing refers to: what a kill left behind."""
    named = {reader.blob(b) for (b,) in reader.rows("SELECT DISTINCT blob FROM arrays")}
    files = [p for p in (reader.directory / "blobs").rglob("*") if p.is_file()]
    temporary = [p for p in reader.directory.glob(".*.tmp")]
    return sorted([p for p in files if p not in named] + temporary)


def collect(directory: Path) -> int:
    """Remove leftovers; returns the bytes freed. Refuses a damaged run, and one that is being written."""
    lock = Lock(directory)
    try:
        health = check(directory)
        if health.damage:
            raise CorruptStore(f"{directory}: {health.damage[0]}: nothing was removed")
        freed = sum(p.stat().st_size for p in health.leftovers)
        for path in health.leftovers:
            path.unlink()
        return freed
    except OSError as e:
        raise io_error(e, directory) from e
    finally:
        lock.release()


def remove(directory: Path) -> None:
    """Delete a run. Refuses a folder that is none, and one that is being written."""
    require((directory / "run.db").exists() or (directory / "LOCK").exists(), f"{directory} holds no run")
    lock = Lock(directory)
    try:
        shutil.rmtree(directory)
    except OSError as e:
        raise io_error(e, directory) from e
    finally:
        lock.release()


class Listed(NamedTuple):
    """A run in a listing."""

    directory: Path
    state: str
    title: str
    chains: str
    generations: int
    bytes: int


def listing(root: Path) -> list[Listed]:
    """Every run under a folder, damaged ones included."""
    if not root.is_dir():
        return []
    return [_listed(p.parent) for p in sorted(root.glob("*/run.db"))]


def _listed(directory: Path) -> Listed:
    size = sum(p.stat().st_size for p in directory.rglob("*") if p.is_file())
    try:
        reader = Reader(directory)
        told = reader.meta("experiment")
        experiment = Experiment.parse(json.loads(told), str(directory)) if told else Experiment()
        chains = reader.chains()
        ended = sum(1 for g, s, _ in chains.values() if s == "degenerate" or g >= experiment.generations)
        total = experiment.chains * len(experiment.settled)
        state = "finished" if told and ended == total else "unfinished"
        reader.close()
        return Listed(directory, state, experiment.title, f"{ended}/{total}", experiment.generations, size)
    except (OutcrossError, sqlite3.Error, ValueError) as e:
        return Listed(directory, "unreadable", str(e), "", 0, size)


def there(name: str, root: Path) -> Path | None:
    """A run by path, or by directory name under root; None where there is no such run."""
    for path in (Path(name), root / name):
        if os.path.exists(path / "run.db") or os.path.exists(path / "LOCK"):  # not the method: a name can be too long
            return path
    return None


def find(name: str, root: Path) -> Path:
    """A run by path, by directory name under root, or by the beginning of one. Raises InputError, listing near ones."""
    found = there(name, root)
    if found is not None:
        return found
    matches = sorted(p.parent for p in root.glob("*/run.db") if p.parent.name.startswith(name.replace("/", "-")))
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InputError(f"{name!r} fits {len(matches)} runs: {', '.join(m.name for m in matches[:5])}")
    known = ", ".join(p.parent.name for p in sorted(root.glob("*/run.db"))[:8]) or "none"
    raise InputError(f"no run {name!r} under {root}; there are: {known}")
