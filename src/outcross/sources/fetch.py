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
    found = find(file.name, folder)
    return checked(found if found is not None else _download(file), file)


def find(name: str, folder: Path | None = None) -> Path | None:
    """Where the file of a relative name lies, plain, .gz or .xz, or None. Raises InputError where `folder` lacks it."""
    for place in [folder] if folder is not None else [*_given(name), cache()]:
        found = _in(place, name, bare=folder is not None)
        if found is not None:
            return found
    if folder is not None:
        raise InputError(f"{folder} holds no {Path(name).name}, plain, .gz or .xz")
    return None


def cache() -> Path:
    """The folder of this package in the user's cache."""
    import pooch

    return Path(pooch.os_cache("outcross"))


def _given(name: str) -> Sequence[Path]:
    named = os.environ.get(VARIABLE)
    if not named:
        return ()
    folder = Path(os.path.expanduser(named))
    if not folder.is_dir():
        raise InputError(f"${VARIABLE} is {named!r}, which is no folder: set it to one that holds {name}")
    return (folder,)


def _in(folder: Path, name: str, bare: bool = False) -> Path | None:
    names = [name, *([Path(name).name] if bare else [])]
    candidates = (folder / f"{each}{packed}" for each in names for packed in _OPEN)
    return next((path for path in candidates if path.is_file()), None)


def unpacked(path: Path, most: int) -> bytes:
    """At most so many bytes of a file, decompressed. Raises InputError where it cannot be read."""
    try:
        with _OPEN[path.suffix if path.suffix in _OPEN else ""](path, "rb") as f:
            return f.read(most)  # type: ignore[no-any-return]
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, OSError) as e:
        raise InputError(f"{path}: cannot be read ({e or 'cut short'}): put the published file there") from e


def checked(path: Path, file: Published) -> bytes:
    """The content, no more of it decompressed than is due. Raises InputError unless it is what is due."""
    content = unpacked(path, file.bytes + 1)
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
    packed = Path(file.urls[0]).suffix
    target = cache() / f"{file.name}{packed if packed in _OPEN else ''}"
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
