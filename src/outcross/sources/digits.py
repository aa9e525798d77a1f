"""Handwritten digits of 8 x 8 pixels (UCI, as scikit-learn carries them): 1,797 images, nothing to download."""

from __future__ import annotations

import numpy as np

from outcross.sources.images import Images, in_parts


class Source(Images):
    """features: `package.module:function` that turns images into vectors (n, k) for the measures."""

    def __init__(self, features: str | None = None) -> None:
        from sklearn.datasets import load_digits  # seconds of import: only when it is used

        data = load_digits()
        pixels = np.rint(data.images * (255.0 / 16.0)).astype(np.uint8)  # 0..16 in the file
        super().__init__("digits", in_parts("digits", pixels, data.target.astype(np.int32)), features)
