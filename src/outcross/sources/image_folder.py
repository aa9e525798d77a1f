"""A folder of the user's with image files: PNG, JPEG, BMP, GIF, TIFF, WebP; sub-folders are classes."""

from __future__ import annotations

from typing import Literal

from outcross.core.errors import require
from outcross.sources.pictures import Own, read_folder

LARGEST = 4096  # pixels along a side


class Source(Own):
    """path: the folder. Its sub-folders are classes, numbered from 0 in the order of their names; without sub-folders
    there are no labels. Of a file with several images the first counts.

    size: crops each image to its central square and resizes that to size x size (Lanczos); by default all must be of
    one size. colour: every image becomes grey, or red, green and blue; transparent is white.
    features: `package.module:function` that turns images into vectors (n, k) for the measures.
    """

    def __init__(
        self,
        path: str,
        size: int | None = None,
        colour: Literal["grey", "rgb"] = "grey",
        features: str | None = None,
    ) -> None:
        require(size is None or 1 <= size <= LARGEST, f"size is 1 to {LARGEST} pixels, got {size}")
        super().__init__(path, read_folder(path, size, colour), features)
