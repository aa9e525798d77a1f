"""An NPZ or NPY file of the user's: an array of images, and one of labels if there is one."""

from __future__ import annotations

from outcross.sources.pictures import Own, read_arrays


class Source(Own):
    """path: the file. Images are (n, h, w), (n, h, w, c) or (n, c, h, w) with c 1 or 3, last where both would fit;
    uint8, uint16 (divided by 257), bool, or floats in [0, 1].

    images, labels: names of the arrays in an NPZ file. By default the usual ones are looked for: images and labels, x
    and y, x_train and y_train (a test part in the file is left alone), arr_0 and arr_1. Labels are whole numbers from 0
    or strings; null for none. features: `package.module:function` from images to vectors (n, k), for the measures.
    """

    def __init__(
        self, path: str, images: str = "auto", labels: str | None = "auto", features: str | None = None
    ) -> None:
        super().__init__(path, read_arrays(path, images, labels), features)
