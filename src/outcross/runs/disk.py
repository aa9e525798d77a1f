"""Writing to disk so that a kill or a full disk leaves nothing half done, and one line says what went wrong."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outcross.core.errors import CorruptStore, Locked, ResourceError

REMEDY = "restore it from a copy, or remove the run with `outcross rm` and run again"


def io_error(error: OSError | sqlite3.Error, path: Path) -> ResourceError:
    """The one line for a failed write."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "full" in str(error)
    if full:
        return ResourceError(f"{path}: no space left: free some and run the same command again, nothing is lost")
    return ResourceError(f"{path}: cannot be written ({error}): make it writable, or choose another place with --out")


_OUTSIDE = {  # SQLite's complaints about the machine; every other one is about the file's content
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into this package's errors."""
    try:
        yield
    except sqlite3.DatabaseError as e:
        if getattr(e, "sqlite_errorcode", 0) & 0xFF in _OUTSIDE:
            raise io_error(e, path) from e
        raise CorruptStore(f"{path / 'run.db'}: damaged ({e}); {REMEDY}") from e
    except OSError as e:
        raise io_error(e, path) from e


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or absent, and durable."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Lock:
    """The writer's lock on a run: the kernel's, so that a killed holder frees it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "LOCK"
        with guarded(directory):
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with guarded(self._path):
                self._take(directory)
        except BaseException:
            os.close(self._handle)
            raise

    def _take(self, directory: Path) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._handle, 200).decode(errors="replace").strip() or "another process"
            raise Locked(f"{directory} is being written by {holder}: wait for it, or stop it") from None
        os.ftruncate(self._handle, 0)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        os.pwrite(self._handle, f"process {os.getpid()} on {socket.gethostname()} since {started}\n".encode(), 0)

    def release(self) -> None:
        """Let go of the lock."""
        os.close(self._handle)
