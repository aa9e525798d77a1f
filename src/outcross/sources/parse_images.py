"""Images in the child that parses untrusted files: a folder of image files, or an array in an NPY or NPZ file.

Both readers give names of classes, images of 8 bits (n, h, w[, 3]) and labels (n,); the names are empty where there are
no labels.
"""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from outcross.core.errors import one_line
from outcross.sources.child import Found, load, refuse

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
_MODES = {"grey": "L", "rgb": "RGB"}
_LARGEST = 40_000_000  # pixels of one image file
_MOST = 2 << 30  # bytes of all images together: the main process holds them more than once
AUTO = "auto"
PAIRS = {  # names that arrays of images often have, the likeliest first, and those of their labels
    "images": "labels",
    "x": "y",
    "X": "y",
    "x_train": "y_train",
    "X_train": "y_train",
    "train_images": "train_labels",
    "data": "target",
    "arr_0": "arr_1",
    "x_test": "y_test",
    "X_test": "y_test",
    "test_images": "test_labels",
}
_LABELS = ("labels", "label", "y", "targets", "target")  # where the partner of PAIRS is not there
_BLOCK = 1024  # images converted at once


# ---- a folder of image files ----


def read_folder(folder: Path, wish: dict[str, Any]) -> Found:
    """The images of a folder in the order of their names; its sub-folders are classes."""
    files = _listed(folder)
    names, labels = _classes(files)
    pixels = np.empty(0)
    for i, file in enumerate(files):
        image = _image(folder, file, _MODES[wish["colour"]], wish["size"])
        if i == 0:
            pixels = _room(len(files), image.shape)
        elif image.shape != pixels.shape[1:]:
            _differ(files[0], pixels.shape[1:], file, image.shape)
        pixels[i] = image
    return names, [pixels, labels]


def _listed(folder: Path) -> list[Path]:
    """Image files directly in a folder or in its sub-folders, as sorted relative paths; hidden ones are left out."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=_closed):
        here = Path(place).relative_to(folder)
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        links = [here / f for f in folders if os.path.islink(os.path.join(place, f))]
        if links:
            refuse(f"{links[0]} is a link to a folder, which is not followed: put the folder itself there")
        images = [here / f for f in sorted(files) if not f.startswith(".") and Path(f).suffix.lower() in SUFFIXES]
        if images and len(here.parts) > 1:
            refuse(f"{images[0]} lies two folders deep: source.path names the folder whose sub-folders are the classes")
        found += images
    if not found:
        refuse(f"no images in it or its sub-folders; their names end with {', '.join(SUFFIXES)}")
    return sorted(found, key=lambda file: file.parts)


def _closed(error: OSError) -> NoReturn:
    refuse(f"the folder {Path(str(error.filename)).name} cannot be read: {error.strerror}")


def _classes(files: list[Path]) -> tuple[list[str], np.ndarray]:
    """Names of the sub-folders that hold images, and which each file lies in; no names for a flat folder."""
    outside = [f for f in files if len(f.parts) == 1]
    if len(outside) == len(files):
        return [], np.zeros(len(files), np.int32)
    if outside:
        inside = next(f for f in files if len(f.parts) > 1)
        refuse(f"{outside[0]} lies beside sub-folders with images ({inside}): put all into sub-folders, or none")
    return _coded([f.parts[0] for f in files])


def _room(n: int, shape: tuple[int, ...]) -> np.ndarray:
    """An array for n images. Refuses more than the main process should hold."""
    whole = n * math.prod(shape)
    if whole > _MOST:
        each = " x ".join(map(str, shape))
        refuse(
            f"{n:,} images of {each} take {whole:,} bytes, {_MOST:,} are allowed: "
            "give fewer, or smaller ones (source.size=64 resizes those of a folder)"
        )
    return np.empty((n, *shape), np.uint8)


def _differ(first: Path, shape: tuple[int, ...], other: Path, its: tuple[int, ...]) -> NoReturn:
    side = min(*shape[:2], *its[:2])
    refuse(
        f"{first} has {shape[1]} x {shape[0]} pixels, {other} has {its[1]} x {its[0]}; all must be of one size: "
        f"source.size={side} crops each to its central square and resizes that to {side} x {side}"
    )


def _image(folder: Path, name: Path, mode: str, size: int | None) -> np.ndarray:
    """One image file as an array (h, w) or (h, w, 3)."""
    try:
        if not stat.S_ISREG(os.stat(folder / name).st_mode):  # a pipe or a device would be waited for
            refuse(f"{name}: not a file")
        with open(folder / name, "rb") as file:
            return _decoded(file, mode, size)
    except _Unfit as e:
        refuse(f"{name}: {e}")
    except MemoryError:
        refuse(f"{name}: cannot be read: it takes too much memory")
    except OSError as e:
        refuse(f"{name}: cannot be read: {e.strerror or e}")
    except Exception as e:  # decoders raise anything on a broken file: this boundary says which file it was
        refuse(f"{name}: cannot be read: {type(e).__name__}: {e}")


class _Unfit(Exception):
    """An image that is whole, but not one that is read."""


def _decoded(file: Any, mode: str, size: int | None) -> np.ndarray:
    """The first image in a file, upright, without alpha, in the mode wanted, cropped and resized where asked."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the limit here is lower and has a message of its own
    try:
        image: Any = Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError:
        raise _Unfit(
            f"not an image, or a damaged one: {', '.join(_FORMATS)} are read, whatever the name ends with"
        ) from None
    if image.width * image.height > _LARGEST:
        raise _Unfit(f"{image.width:,} x {image.height:,} pixels; {_LARGEST // 1_000_000} million are allowed")
    if size is not None:
        image.draft("RGB", (4 * size, 4 * size))  # a large JPEG is decoded at a fraction of its size, for speed
    tags = getattr(image, "tag_v2", {})
    image = _plain(ImageOps.exif_transpose(image), tags).convert(mode)
    if size is not None:
        image = _square(image).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _square(image: Any) -> Any:
    """The central square of an image; cut out first, as a filter would blend what lies beside it into its edges."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _plain(image: Any, tags: Any) -> Any:
    """An image of 8 bits a channel without alpha: transparent is white, as on paper."""
    from PIL import Image

    if image.mode.startswith("I;16"):  # Pillow would cut these off at 255; colours of 16 bits it scales itself
        most, inverted = (1 << tags.get(258, (16,))[0]) - 1, tags.get(262) == 0
        levels = np.rint(np.asarray(image, np.float64) * (255.0 / most)).astype(np.uint8)
        return Image.fromarray(255 - levels if inverted else levels)
    if image.mode in ("I", "F"):
        raise _Unfit("pixels of 32 bits; 8 or 16 bits a channel are read: convert it")
    if not image.has_transparency_data:
        return image
    shown = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)


# ---- an array in an NPY or NPZ file ----


def read_pixels(path: Path, wish: dict[str, Any]) -> Found:
    """The images of an array in an NPY or NPZ file, and their labels from another one if there is one."""
    images, labels = _arrays(path, wish["images"], wish["labels"])
    pixels = _levels(_arranged(images))
    names, codes = ([], np.zeros(len(pixels), np.int32)) if labels is None else _told(labels, len(pixels))
    return names, [pixels, codes]


def _arrays(path: Path, images: str, labels: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    loaded = load(path)
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        if images != AUTO or labels not in (AUTO, None):
            refuse("an NPY file is one array and has no names: leave source.images and source.labels out")
        return loaded, None
    with loaded:
        name = _name_of_images(loaded.files) if images == AUTO else images
        told = _name_of_labels(loaded.files, name) if labels == AUTO else labels
        return _member(loaded, name), None if told is None else _member(loaded, told)


def _name_of_images(there: list[str]) -> str:
    found = next((name for name in PAIRS if name in there), there[0] if len(there) == 1 else None)
    if found is None:
        refuse(f"which array are the images? Say source.images=NAME; there are {_some(there)}")
    return found


def _name_of_labels(there: list[str], images: str) -> str | None:
    return next((name for name in (PAIRS.get(images), *_LABELS) if name in there and name != images), None)


def _some(names: list[str]) -> str:
    return f"{', '.join(sorted(names)[:20])}{' ...' if len(names) > 20 else ''}" if names else "none"


def _member(archive: Any, name: str) -> np.ndarray:
    if name not in archive.files:
        refuse(f"no array {name!r}; there are {_some(archive.files)}")
    try:
        values = archive[name]
    except ValueError:
        refuse(f"array {name!r} cannot be read: no plain array of numbers, or a damaged one")
    if not isinstance(values, np.ndarray):
        refuse(f"{name!r} is no array")
    return values


def _arranged(values: np.ndarray) -> np.ndarray:
    """Images as (n, h, w) or (n, h, w, 3), from these or with one or three channels second or last."""
    shape = values.shape
    if values.ndim == 4 and shape[3] in (1, 3):
        values = values[..., 0] if shape[3] == 1 else values
    elif values.ndim == 4 and shape[1] in (1, 3):
        values = values[:, 0] if shape[1] == 1 else np.moveaxis(values, 1, 3)
    elif values.ndim != 3:
        refuse(f"images are (n, h, w), or (n, h, w, c) or (n, c, h, w) with c 1 or 3; this is {shape}{_squares(shape)}")
    if 0 in shape:
        refuse(f"no pixels in an array of shape {shape}")
    return values


def _squares(shape: tuple[int, ...]) -> str:
    side = math.isqrt(shape[1]) if len(shape) == 2 else 0
    return f": reshape it to ({shape[0]}, {side}, {side})" if side > 1 and side * side == shape[1] else ""


def _levels(values: np.ndarray) -> np.ndarray:
    """Any pixels as 8 bits. Refuses those whose range says that they mean something else."""
    if values.dtype.kind not in "fiub":
        refuse(f"pixels of type {values.dtype}; {_ALLOWED}")
    low, high = values.min(), values.max()
    if np.isnan(high):
        refuse(f"{int(np.isnan(values).sum()):,} pixels are not a number: fill them in, or leave those images out")
    wrong = _meaning(values.dtype, float(low), float(high))
    if wrong:
        refuse(f"pixels from {low:g} to {high:g} of type {values.dtype}; {_ALLOWED}: {wrong}")
    out = _room(len(values), values.shape[1:])
    for start in range(0, len(values), _BLOCK):  # at once, intermediate floats would take several times the memory
        out[start : start + _BLOCK] = _converted(values[start : start + _BLOCK], float(high))
    return out


_ALLOWED = "allowed are uint8 (0 to 255), uint16 (0 to 65535), bool, and floats in [0, 1]"


def _meaning(kind: np.dtype[Any], low: float, high: float) -> str | None:
    """What to do with pixels of a range that is not allowed or says something else; None where it is right."""
    if kind.kind == "b":
        return None
    if kind.kind == "f":
        slack = 1e-6  # of a computation in single precision that ends in [0, 1]
        if -slack <= low and high <= 1 + slack:
            return None
        return "divide by 255" if 0 <= low and high <= 255 else "rescale them to [0, 1]"
    if high == 1 and low == 0:
        return "as such all but black; store them as bool, or times 255"
    if kind == np.uint16 and 0 < high <= 255:
        return "as such all but black; store them as uint8"
    return None if low >= 0 and high <= (65535 if kind == np.uint16 else 255) else "rescale them"


def _converted(block: np.ndarray, high: float) -> np.ndarray:
    if block.dtype.kind == "f":
        from outcross.core.corpus import eight_bit  # it loads a compiler: only when it is used

        return eight_bit(block)
    if block.dtype.kind == "b":
        return np.where(block, np.uint8(255), np.uint8(0))
    return np.rint(block / 257.0).astype(np.uint8) if high > 255 else block.astype(np.uint8)


def _told(labels: np.ndarray, images: int) -> tuple[list[str], np.ndarray]:
    """Names of the classes and the class of each image, from labels (n,) or (n, 1)."""
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.shape != (images,):
        refuse(f"labels of shape {labels.shape}, {images:,} images: one label each is due; source.labels=null for none")
    if flat.dtype.kind not in "iubU":
        refuse(f"labels of type {flat.dtype}; whole numbers from 0 or strings are read; source.labels=null for none")
    if flat.dtype.kind == "i" and flat.min() < 0:
        refuse(f"label {flat.min()}; labels are whole numbers from 0, or strings; source.labels=null for none")
    return _coded(flat)


def _coded(labels: Any) -> tuple[list[str], np.ndarray]:
    """The sorted different labels as names, and which of them each is."""
    values, codes = np.unique(np.asarray(labels), return_inverse=True)
    return [one_line(str(v)) for v in values], codes.astype(np.int32)
