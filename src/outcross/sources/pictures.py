"""Images of the user's: read in a child process with limits, split once for good."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from outcross.core.errors import require
from outcross.sources.images import Images, Pixels, in_parts
from outcross.sources.tables import known_file, mode_of, parsed

ARRAYS = (".npz", ".npy")


class Pictures(NamedTuple):
    """Images (n, h, w) or (n, h, w, 3) of 8 bits, labels (n,) or None, and the names of the classes."""

    pixels: Pixels
    labels: NDArray[Any] | None
    classes: tuple[str, ...]


def read_folder(path: str, size: int | None, colour: str) -> Pictures:
    """The images of a folder. Raises InputError naming the folder and the file."""
    folder = Path(os.path.expanduser(path))
    require(stat.S_ISDIR(mode_of(folder)), f"{folder}: not a folder; for one file of many images use source.kind=npz")
    return _read(folder, what="pictures", size=size, colour=colour)


def read_arrays(path: str, images: str, labels: str | None) -> Pictures:
    """The images of an NPZ or NPY file. Raises InputError naming the file and the array."""
    file = Path(os.path.expanduser(path))
    require(not stat.S_ISDIR(mode_of(file)), f"{file}: a folder; its images are read by source.kind=image_folder")
    known_file(file, file.suffix, ARRAYS)
    return _read(file, what="pixels", images=images, labels=labels)


def _read(path: Path, **wish: Any) -> Pictures:
    classes, (pixels, labels) = parsed(path, 2, **wish)
    return Pictures(pixels, labels if classes else None, classes)


class Own(Images):
    """Images of the user's that come without a split of their own."""

    def __init__(self, path: str, found: Pictures, features: str | None) -> None:
        super().__init__(path, in_parts(path, found.pixels, found.labels), features)
        self.classes = found.classes
        drawn = self.training.label
        for k, name in enumerate(found.classes):
            require(
                drawn is not None and bool((drawn == k).any()),
                f"{path}: too few images of class {name!r}: all are held out, none is left to draw; "
                "add to it (ten or more), or leave it out",
            )
