"""Where published data sets lie: `$OUTCROSS_DATA`, then the user's cache, then a download, each file known by its hash.

The variable chooses where bytes come from, never which: what is pinned is the SHA-256 of the decompressed content.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from outcross.core.errors import InputError, ResourceError

VARIABLE = "OUTCROSS_DATA"
_OPEN: dict[str, Any] = {"": open, ".gz": gzip.open, ".xz": lzma.open}


class Published(NamedTuple):
    """One file of a data set: relative name, decompressed size and hash, and the archive to download with its hash."""

    name: str
    bytes: int
    sha256: str
    urls: tuple[str, ...]
    archive: str  # SHA-256 of the archive


def read(file: Published, folder: Path | None = None) -> bytes:
    """The content, checked. folder: where it must lie, in place of the search. Raises InputError, ResourceError."""
    there = [folder] if folder is not None else [*_given(file), cache()]
    for place in there:
        found = _in(place, file, bare=folder is not None)
        if found is not None:
            return _checked(found, file)
    if folder is not None:
        raise InputError(f"{folder} holds no {Path(file.name).name}, plain, .gz or .xz")
    return _checked(_download(file), file)


def cache() -> Path:
    """The folder of this package in the user's cache."""
    import pooch

    return Path(pooch.os_cache("outcross"))


def _given(file: Published) -> Sequence[Path]:
    named = os.environ.get(VARIABLE)
    if not named:
        return ()
    folder = Path(os.path.expanduser(named))
    if not folder.is_dir():
        raise InputError(f"${VARIABLE} is {named!r}, which is no folder: set it to one that holds {file.name}")
    return (folder,)


def _in(folder: Path, file: Published, bare: bool = False) -> Path | None:
    names = [file.name, *([Path(file.name).name] if bare else [])]
    candidates = (folder / f"{name}{packed}" for name in names for packed in _OPEN)
    return next((path for path in candidates if path.is_file()), None)


def _checked(path: Path, file: Published) -> bytes:
    """Decompress no more than what is due, and see that it is that."""
    try:
        with _OPEN[path.suffix if path.suffix in _OPEN else ""](path, "rb") as f:
            content: bytes = f.read(file.bytes + 1)
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, OSError) as e:
        raise InputError(f"{path}: cannot be read ({e or 'cut short'}): put the published file there") from e
    if len(content) != file.bytes:
        found = "more" if len(content) > file.bytes else f"{len(content):,}, cut short"
        raise InputError(f"{path}: {file.bytes:,} bytes are due, it holds {found}: put the published file there")
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise InputError(
            f"{path}: its content has SHA-256 {digest[:16]}..., {file.sha256[:16]}... is due: "
            "put the published file there"
        )
    return content


def _download(file: Published) -> Path:
    import pooch

    pooch.get_logger().setLevel("ERROR")
    target = cache() / f"{file.name}{Path(file.urls[0]).suffix}"
    for url in file.urls:
        try:
            return Path(pooch.retrieve(url, f"sha256:{file.archive}", target.name, target.parent, progressbar=False))
        except (OSError, ValueError):  # no network, another host's page, a wrong hash: the next one
            continue
    raise ResourceError(
        f"{file.name} ({file.bytes:,} bytes, SHA-256 {file.sha256}) could not be downloaded from {file.urls[0]}: put "
        f"it, plain, .gz or .xz, into {cache() / Path(file.name).parent}, or set ${VARIABLE} to the folder that holds "
        f"{file.name}"
    )
