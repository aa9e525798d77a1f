"""What every reader in the child that parses untrusted files keeps to: its limits, and how it refuses."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import NoReturn

import numpy as np

from outcross.core.errors import one_line

SMALL, MOST_INFLATION = 64 << 20, 200  # archives: bytes that are always fine, times the file's size beyond
MEMORY, _CPU_SECONDS = 8 << 30, 600

Found = tuple[list[str], list[np.ndarray]]  # names, and arrays


def refuse(message: str) -> NoReturn:
    """Say why on standard error, control characters made visible, and end with exit code 2."""
    print(one_line(message), file=sys.stderr)
    raise SystemExit(2)


def limit() -> None:
    """Limit this process's own memory, processor time and file writing, for good."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(what, (most, most))


def most_unpacked(path: Path) -> int:
    """Bytes that a packed file may unpack to."""
    return max(SMALL, MOST_INFLATION * path.stat().st_size)


def load(path: Path) -> np.ndarray | np.lib.npyio.NpzFile:
    """The array of an NPY file, or the archive of an NPZ file; nothing is ever unpickled."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"PK"
    if packed or path.suffix == ".npz":
        _refuse_bomb(path)
    try:
        return np.load(path, allow_pickle=False)  # type: ignore[no-any-return]
    except ValueError:
        refuse("cannot be read: no plain array of numbers, or a damaged one")


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that unpacks to far more than it is."""
    with zipfile.ZipFile(path) as archive:
        whole = sum(member.file_size for member in archive.infolist())
    if whole > most_unpacked(path):
        refuse(f"would unpack to {whole:,} bytes, more than {MOST_INFLATION} times its size")
