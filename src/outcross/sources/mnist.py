"""MNIST (LeCun, Cortes, Burges): handwritten digits, 60,000 to draw from; the 10,000 test images are held out."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from outcross.core.corpus import Corpus
from outcross.core.errors import InputError, require
from outcross.core.rng import FIXED, Purpose
from outcross.sources.fetch import Published, read
from outcross.sources.images import Images

VALIDATION = 1000  # of the test images: the reference is the other 9,000
_HOSTS = ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist")


def _file(name: str, size: int, content: str, archive: str) -> Published:
    return Published(f"mnist/{name}", size, content, tuple(f"{host}/{name}.gz" for host in _HOSTS), archive)


FILES = (
    _file(
        "train-images-idx3-ubyte",
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    _file(
        "train-labels-idx1-ubyte",
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    _file(
        "t10k-images-idx3-ubyte",
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    _file(
        "t10k-labels-idx1-ubyte",
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)


def idx(content: bytes, name: str) -> np.ndarray:
    """The array of an IDX file of unsigned bytes. Raises InputError unless it is a whole one."""
    magic = content[:4]
    known = len(magic) == 4 and magic[:3] == b"\0\0\x08" and 1 <= magic[3] <= 4
    require(
        known, f"{name}: begins with {magic.hex() or 'nothing'}, an IDX file of bytes with 000008 and its dimensions"
    )
    start = 4 + 4 * magic[3]
    require(len(content) >= start, f"{name}: cut short within its head")
    shape = tuple(int(s) for s in np.frombuffer(content[4:start], ">u4"))
    size = len(content) - start
    if np.prod([float(s) for s in shape]) != size:
        raise InputError(f"{name}: {' x '.join(f'{s:,}' for s in shape)} bytes are due, it holds {size:,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


@lru_cache(maxsize=1)
def _parts(folder: str | None) -> tuple[Corpus, Corpus, Corpus]:
    place = None if folder is None else Path(os.path.expanduser(folder))
    images, labels, test, names = (idx(read(f, place), f.name) for f in FILES)
    order = FIXED.stream(0, Purpose.SPLIT).generator().permutation(len(test))
    held, validation = order[VALIDATION:], order[:VALIDATION]
    return (
        Corpus.of(images, 0, labels),
        Corpus.of(test[validation], 0, names[validation]),
        Corpus.of(test[held], 0, names[held]),
    )


class Source(Images):
    """path: the folder with the four IDX files, plain, .gz or .xz; by default they are looked for in $OUTCROSS_DATA and
    the cache, then downloaded. features: `package.module:function` for the measures, from images to vectors.
    """

    def __init__(self, path: str | None = None, features: str | None = None) -> None:
        super().__init__("mnist", _parts(path), features)
