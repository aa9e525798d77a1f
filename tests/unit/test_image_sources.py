"""Images of the user's: a folder of files, an array in a file, MNIST's format; what is wrong is told in one line."""

from __future__ import annotations

import os
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from outcross.core.corpus import eight_bit
from outcross.core.errors import InputError
from outcross.core.rng import FIXED, Purpose
from outcross.runs.worker import _stamp
from outcross.sources import mnist
from outcross.sources.image_folder import Source as Folder
from outcross.sources.npz import Source as Npz
from outcross.sources.parse import answer

N = 20
GREY = np.random.default_rng(0).integers(0, 256, (N, 8, 6), dtype=np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (N, 8, 6, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _limits_of_pillow(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # the child sets its own


def folder(path, **wish):
    """What the child answers for a folder, without a child."""
    return answer({"what": "pictures", "path": str(path), "size": None, "colour": "grey", **wish})


def array(path, **wish):
    """What the child answers for a file with an array, without a child."""
    return answer({"what": "pixels", "path": str(path), "images": "auto", "labels": "auto", **wish})


def refused(capsys, reader, path, **wish):
    """The line with which the child refuses."""
    with pytest.raises(SystemExit) as end:
        reader(path, **wish)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert len(said.splitlines()) == 1
    return said.strip()


def one(path, name, image, **wish):
    """The pixels of one image after it lay in a file."""
    image.save(path / name)
    return folder(path, **wish)[1][0][0]


def same_images(source, images):
    """Whether the parts of a source are these images, each once."""
    parts = [source.training, source.validation(999), source.reference(999)]
    found = np.concatenate([p.items for p in parts])
    assert found.dtype == np.uint8
    assert sorted(x.tobytes() for x in found) == sorted(x.tobytes() for x in images)


# ---- a folder ----


def test_a_flat_folder_has_images_and_no_labels(tmp_path):
    for i, pixels in enumerate(GREY):
        Image.fromarray(pixels).save(tmp_path / f"{i}.{('png', 'bmp', 'tif')[i % 3]}")
    (tmp_path / ".hidden.png").write_bytes(b"no image")
    (tmp_path / "readme.txt").write_text("no image either")
    source = Folder(str(tmp_path))
    same_images(source, GREY)
    assert (source.shape, source.classes, source.training.label) == ((8, 6), (), None)
    assert len(source.draw(5, FIXED.stream(0, Purpose.SOURCE))) == 5
    assert source.fingerprint() == Folder(str(tmp_path)).fingerprint()


def test_sub_folders_are_classes_in_the_order_of_their_names(tmp_path):
    names = ("zebra", "ape", "Émeu")
    for i, pixels in enumerate(RGB):
        place = tmp_path / names[i % 2]
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"{i}.webp", lossless=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.png").write_bytes(b"")
    source = Folder(str(tmp_path), colour="rgb")
    assert source.classes == ("ape", "zebra")
    same_images(source, RGB)
    drawn = source.training
    for pixels, label in zip(drawn.items, drawn.label, strict=True):
        i = next(i for i, x in enumerate(RGB) if np.array_equal(x, pixels))
        assert label == (1, 0)[i % 2]


def test_files_are_read_in_the_order_of_their_relative_paths(tmp_path):
    for i, name in enumerate(("b/1.png", "a/2.png", "a/10.png", "a-b/1.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(GREY[i]).save(tmp_path / name)
    names, (pixels, labels) = folder(tmp_path)
    assert names == ["a", "a-b", "b"]
    assert labels.tolist() == [0, 0, 1, 2]
    np.testing.assert_array_equal(pixels, GREY[[2, 1, 3, 0]])


def test_a_folder_of_one_class_is_one_class(tmp_path):
    (tmp_path / "only").mkdir()
    for i, pixels in enumerate(GREY):
        Image.fromarray(pixels).save(tmp_path / "only" / f"{i}.png")
    assert Folder(str(tmp_path)).classes == ("only",)


def test_size_crops_to_the_central_square_and_resizes(tmp_path):
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 200
    square = one(tmp_path, "a.png", Image.fromarray(wide), size=4)
    np.testing.assert_array_equal(square, np.full((4, 4), 200))
    Image.fromarray(np.full((600, 900, 3), 90, np.uint8)).save(tmp_path / "b.jpg")
    assert folder(tmp_path, size=4, colour="rgb")[1][0].shape == (2, 4, 4, 3)


def test_images_of_a_size_already_wanted_stay_what_they_are(tmp_path):
    np.testing.assert_array_equal(one(tmp_path, "a.png", Image.fromarray(GREY[0][:6]), size=6), GREY[0][:6])


def test_sixteen_bits_are_scaled_not_cut_off(tmp_path):
    deep = np.array([[0, 128, 257, 65535], [32768, 255, 40000, 60000]], np.uint16)
    expected = np.rint(deep / 257.0).astype(np.uint8)
    for name in ("a.png", "b.tif"):
        np.testing.assert_array_equal(one(tmp_path, name, Image.fromarray(deep)), expected)
        os.remove(tmp_path / name)


@pytest.mark.parametrize(("bits", "white", "expected"), [(16, 0, [255, 254, 0]), (12, 1, [0, 16, 255])])
def test_a_tiff_says_how_many_bits_there_are_and_which_end_is_white(tmp_path, bits, white, expected):
    body = struct.pack("<3H", 0, 257, 65535) if bits == 16 else bytes([0x00, 0x01, 0x01, 0xFF, 0xF0])
    tags = {256: 3, 257: 1, 258: bits, 259: 1, 262: white, 273: 8, 277: 1, 278: 1, 279: len(body)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<I", 8 + len(body))
    (tmp_path / "a.tif").write_bytes(head + body + struct.pack("<H", len(tags)) + entries + bytes(4))
    assert folder(tmp_path)[1][0][0].tolist() == [expected]


def test_one_bit_images_are_black_and_white(tmp_path):
    bits = Image.fromarray(GREY[0]).convert("1", dither=Image.Dither.NONE)
    np.testing.assert_array_equal(one(tmp_path, "a.png", bits), np.where(GREY[0] > 127, 255, 0))


def test_a_palette_gives_its_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode=None).convert("P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    for name in ("a.png", "a.gif"):
        pixels = one(tmp_path, name, image, colour="rgb")
        assert pixels[0].tolist() == [[10, 20, 30], [200, 100, 50]]
        os.remove(tmp_path / name)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_is_white(tmp_path, mode):
    image = Image.new(mode, (2, 1), (0,) * len(mode))
    image.putpixel((1, 0), (*(40,) * (len(mode) - 1), 255))
    assert one(tmp_path, "a.png", image).tolist() == [[255, 40]]


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 40, 40, 40])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.gif", transparency=0)
    assert folder(tmp_path)[1][0].tolist() == [[[255, 40]]]


def test_the_first_frame_of_an_animation_counts(tmp_path):
    frames = [Image.new("L", (3, 3), level) for level in (0, 255)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert not folder(tmp_path)[1][0].any()


def test_cmyk_is_converted(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "red.jpg", quality=100)
    red, green, blue = folder(tmp_path, colour="rgb")[1][0][0, 4, 4]
    assert (red > 240, green < 20, blue < 20) == (True, True, True)


def test_an_image_stands_as_its_camera_was_held(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # to be turned a quarter clockwise
    for name in ("a.png", "a.tif"):
        Image.fromarray(GREY[0]).save(tmp_path / name, exif=exif)
        np.testing.assert_array_equal(folder(tmp_path)[1][0][0], np.rot90(GREY[0], -1))
        os.remove(tmp_path / name)


def test_the_content_says_what_it_is_not_the_name(tmp_path):
    Image.fromarray(GREY[0]).save(tmp_path / "a.JPG", format="PNG")
    np.testing.assert_array_equal(folder(tmp_path)[1][0][0], GREY[0])


def test_links_to_files_are_followed_and_links_to_folders_refused(tmp_path, capsys):
    place = tmp_path / "data"
    place.mkdir()
    Image.fromarray(GREY[0]).save(tmp_path / "elsewhere.png")
    os.symlink(tmp_path / "elsewhere.png", place / "a.png")
    np.testing.assert_array_equal(folder(place)[1][0][0], GREY[0])
    os.symlink(place, place / "loop")
    assert "loop is a link to a folder, which is not followed" in refused(capsys, folder, place)


def test_images_of_two_sizes_are_named_with_the_way_out(tmp_path, capsys):
    Image.new("L", (28, 30)).save(tmp_path / "a.png")
    Image.new("L", (28, 30)).save(tmp_path / "b.png")
    Image.new("L", (32, 30)).save(tmp_path / "c.png")
    said = refused(capsys, folder, tmp_path)
    assert said.startswith("a.png has 28 x 30 pixels, c.png has 32 x 30; all must be of one size: source.size=28 crops")


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _head_of_png(width, height):
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def _png(pixels):
    import io

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()


BROKEN = {  # name of the file -> content, what the refusal says
    "large.png": (_head_of_png(12_000, 12_000) + _chunk(b"IDAT", zlib.compress(bytes(99))), "40 million are allowed"),
    "huge.png": (_head_of_png(2**31 - 1, 2**31 - 1) + _chunk(b"IDAT", b""), "40 million are allowed"),
    "short.png": (_png(GREY[0])[:60], "cannot be read"),
    "head.png": (_head_of_png(8, 8), "not an image, or a damaged one: PNG, JPEG"),
    "empty.png": (b"", "not an image, or a damaged one: PNG, JPEG"),
    "text.png": (b"this is text", "not an image, or a damaged one: PNG, JPEG"),
    "script.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image, or a damaged one: PNG, JPEG"),
    "pickle.png": (pickle.dumps([1]), "not an image, or a damaged one: PNG, JPEG"),
    "new\nline.png": (b"", r"new\nline.png: not an image, or"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_image_is_named(tmp_path, capsys, name):
    content, says = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    said = refused(capsys, folder, tmp_path)
    assert said.startswith(name.replace("\n", "\\n"))
    assert says in said


@pytest.mark.parametrize("suffix", ["jpg", "gif", "bmp", "tif", "webp"])
def test_a_file_cut_short_is_named(tmp_path, capsys, suffix):
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(np.kron(RGB[0], np.ones((9, 9, 1), np.uint8))).save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert refused(capsys, folder, tmp_path).startswith(f"a.{suffix}: ")


def test_pixels_of_32_bits_have_no_range(tmp_path, capsys):
    Image.fromarray(GREY[0].astype(np.float32)).save(tmp_path / "a.tif")
    assert refused(capsys, folder, tmp_path) == (
        "a.tif: pixels of 32 bits; 8 or 16 bits a channel are read: convert it"
    )


def test_what_is_no_file_is_never_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "a.png")
    assert refused(capsys, folder, tmp_path) == "a.png: not a file"
    os.remove(tmp_path / "a.png")
    os.symlink("nowhere.png", tmp_path / "a.png")
    assert refused(capsys, folder, tmp_path) == "a.png: cannot be read: No such file or directory"
    os.remove(tmp_path / "a.png")
    os.symlink("a.png", tmp_path / "a.png")
    assert "a.png: cannot be read: " in refused(capsys, folder, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(tmp_path, capsys):
    Image.fromarray(GREY[0]).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    assert refused(capsys, folder, tmp_path) == "a.png: cannot be read: Permission denied"
    (tmp_path / "cats").mkdir(mode=0)
    assert refused(capsys, folder, tmp_path) == "the folder cats cannot be read: Permission denied"


def test_images_in_the_wrong_places(tmp_path, capsys):
    assert "no images in it or its sub-folders; their names end with .png, " in refused(capsys, folder, tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    Image.fromarray(GREY[0]).save(tmp_path / "a" / "b" / "x.png")
    assert refused(capsys, folder, tmp_path).startswith("a/b/x.png lies two folders deep: source.path names the folder")
    (tmp_path / "a" / "b" / "x.png").rename(tmp_path / "a" / "x.png")
    Image.fromarray(GREY[0]).save(tmp_path / "y.png")
    assert refused(capsys, folder, tmp_path).startswith("y.png lies beside sub-folders with images (a/x.png)")


def test_more_than_memory_is_refused_before_it_is_decoded(tmp_path, capsys, monkeypatch):
    from outcross.sources import parse_images

    monkeypatch.setattr(parse_images, "_MOST", 8 * 6 * 2 - 1)
    for i in range(2):
        Image.fromarray(GREY[i]).save(tmp_path / f"{i}.png")
    said = refused(capsys, folder, tmp_path)
    assert said.startswith("2 images of 8 x 6 take 96 bytes, 95 are allowed: give fewer, or smaller ones")


def test_refusals_of_the_child_are_input_errors_of_one_line(tmp_path):
    (tmp_path / "a.png").write_bytes(BROKEN["large.png"][0])
    for make, says in (
        (lambda: Folder(str(tmp_path)), "a.png: 12,000 x 12,000 pixels; 40 million are allowed"),
        (lambda: Folder(str(tmp_path / "nothing")), "nothing: No such file or directory"),
        (lambda: Folder(str(tmp_path / "a.png")), "a.png: not a folder; for one file of many images use"),
        (lambda: Folder(str(tmp_path), size=0), "size is 1 to 4096 pixels, got 0"),
        (lambda: Npz(str(tmp_path)), "a folder; its images are read by source.kind=image_folder"),
        (lambda: Npz(str(tmp_path / "a.png")), "unknown kind of file '.png'; known: .npz, .npy"),
        (lambda: Npz("a\0b.npy"), "null byte"),
    ):
        with pytest.raises(InputError) as e:
            make()
        assert says in str(e.value)
        assert "\n" not in str(e.value)


def test_few_images_and_classes_without_one_to_draw_are_refused(tmp_path):
    np.save(tmp_path / "few.npy", GREY[:9])
    with pytest.raises(InputError, match="few.npy: 9 images; at least 10 are needed"):
        Npz(str(tmp_path / "few.npy"))
    np.savez(tmp_path / "ids.npz", images=GREY, labels=np.arange(N))
    with pytest.raises(InputError, match=r"ids.npz: too few images of class '\d+': all are held out"):
        Npz(str(tmp_path / "ids.npz"))


# ---- an array ----


def test_an_npz_gives_images_labels_and_classes(tmp_path):
    labels = np.arange(N) % 2 * 5 + 2
    np.savez(tmp_path / "a.npz", images=GREY, labels=labels)
    source = Npz(str(tmp_path / "a.npz"))
    same_images(source, GREY)
    assert source.classes == ("2", "7")
    assert set(source.training.label) == {0, 1}
    assert source.fingerprint() == Npz(str(tmp_path / "a.npz")).fingerprint()
    bare = Npz(str(tmp_path / "a.npz"), labels=None)
    assert (bare.classes, bare.training.label) == ((), None)
    assert bare.fingerprint() != source.fingerprint()


@pytest.mark.parametrize(
    ("there", "images", "labels"),
    [
        (("x", "y"), "x", "y"),
        (("y_test", "x_test", "y_train", "x_train"), "x_train", "y_train"),
        (("train_images", "train_labels", "val_images"), "train_images", "train_labels"),
        (("data", "target"), "data", "target"),
        (("images", "y"), "images", "y"),
        (("faces",), "faces", None),
    ],
)
def test_the_usual_names_are_found(tmp_path, there, images, labels):
    arrays = {name: np.zeros(N, int) if name[0] == "y" or name[-1] != "s" else GREY * 0 for name in there}
    arrays |= {images: GREY} | ({} if labels is None else {labels: np.arange(N) % 3})
    np.savez(tmp_path / "a.npz", **arrays)
    names, (pixels, codes) = array(tmp_path / "a.npz")
    np.testing.assert_array_equal(pixels, GREY)
    assert names == ([] if labels is None else ["0", "1", "2"])
    assert codes.tolist() == (np.zeros(N) if labels is None else np.arange(N) % 3).tolist()


def test_arrays_without_names_are_images_and_labels(tmp_path):
    np.savez(tmp_path / "a.npz", GREY, np.array(["dog", "cat"] * (N // 2))[:, None])
    names, (_, codes) = array(tmp_path / "a.npz")
    assert names == ["cat", "dog"]
    assert codes[:2].tolist() == [1, 0]


def test_names_can_be_said(tmp_path):
    np.savez(tmp_path / "a.npz", images=GREY[:3], mine=GREY, kinds=np.zeros(N, bool))
    names, (pixels, _) = array(tmp_path / "a.npz", images="mine", labels="kinds")
    assert (names, len(pixels)) == (["False"], N)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GREY[..., None], GREY),
        (GREY[:, None], GREY),
        (RGB, RGB),
        (np.moveaxis(RGB, 3, 1), RGB),
        (np.asfortranarray(GREY), GREY),
        (GREY.astype(np.int64), GREY),
        (GREY.astype(">u2") * 257, GREY),
        (np.minimum(GREY.astype(np.uint16) * 257.0 + 100, 65535).astype(np.uint16), GREY),
        (GREY > 99, np.where(GREY > 99, 255, 0)),
        (GREY / 255.0, GREY),
        ((GREY / 255.0).astype(np.float16), GREY),
        (np.clip(GREY / 300.0, 0, None), eight_bit(GREY / 300.0)),
        (GREY / np.float32(255) * np.float32(1.0000005), GREY),
    ],
)
def test_layouts_and_types_become_8_bits(tmp_path, given, expected):
    np.save(tmp_path / "a.npy", given)
    names, (pixels, _) = array(tmp_path / "a.npy")
    np.testing.assert_array_equal(pixels, expected)
    assert (names, pixels.dtype) == ([], np.uint8)


def _with_nan(images):
    images[0, 0, :2] = np.nan
    return images


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (GREY.astype(float), "of type float64; allowed are uint8 (0 to 255), uint16 (0 to 65535), bool, and floats in "
                             "[0, 1]: divide by 255"),
        (GREY / 127.5 - 1, "of type float64; allowed are uint8 (0 to 255), uint16 (0 to 65535), bool, and floats in "
                           "[0, 1]: rescale them to [0, 1]"),
        (GREY / 0.5, "rescale them to [0, 1]"),
        (GREY / 255.0 + np.inf, "pixels from inf to inf"),
        (_with_nan(GREY / 255.0), "2 pixels are not a number"),
        (GREY.astype(np.int16) - 9, "rescale them"),
        (GREY.astype(np.int32) * 257, "rescale them"),
        (GREY.astype(np.uint16), "as such all but black; store them as uint8"),
        (GREY // 128, "as such all but black; store them as bool, or times 255"),
        (GREY.astype(complex), "pixels of type complex128; allowed are uint8"),
        (GREY.astype("U3"), "pixels of type <U3"),
        (GREY.reshape(N, 48), "this is (20, 48)"),
        (np.zeros((N, 784), np.uint8), "this is (20, 784): reshape it to (20, 28, 28)"),
        (np.zeros((N, 8, 6, 4), np.uint8), "(n, h, w, c) or (n, c, h, w) with c 1 or 3; this is (20, 8, 6, 4)"),
        (np.zeros((0, 8, 6), np.uint8), "no pixels in an array of shape (0, 8, 6)"),
        (np.zeros(3, [("a", "u1")]), "images are (n, h, w)"),
    ],
)  # fmt: skip
def test_other_pixels_are_refused_with_what_to_do(tmp_path, capsys, images, says):
    np.save(tmp_path / "a.npy", images)
    assert says in refused(capsys, array, tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.zeros(N - 1, int), "labels of shape (19,), 20 images: one label each is due; source.labels=null"),
        (np.eye(N), "labels of shape (20, 20)"),
        (np.zeros(N), "labels of type float64; whole numbers from 0 or strings are read"),
        (np.full(N, -1), "label -1; labels are whole numbers from 0"),
        (np.zeros(N, "M8[s]"), "labels of type datetime64[s]"),
    ],
)
def test_other_labels_are_refused(tmp_path, capsys, labels, says):
    np.savez(tmp_path / "a.npz", images=GREY, labels=labels)
    assert says in refused(capsys, array, tmp_path / "a.npz")
    assert array(tmp_path / "a.npz", labels=None)[0] == []


def test_arrays_that_are_not_there_are_told(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", left=GREY, right=GREY)
    assert refused(capsys, array, tmp_path / "a.npz") == (
        "which array are the images? Say source.images=NAME; there are left, right"
    )
    assert refused(capsys, array, tmp_path / "a.npz", images="up") == "no array 'up'; there are left, right"
    assert "no array 'up'" in refused(capsys, array, tmp_path / "a.npz", images="left", labels="up")
    np.savez(tmp_path / "none.npz")
    assert "there are none" in refused(capsys, array, tmp_path / "none.npz")
    np.save(tmp_path / "a.npy", GREY)
    assert "an NPY file is one array and has no names" in refused(capsys, array, tmp_path / "a.npy", images="left")


def test_nothing_is_unpickled(tmp_path, capsys):
    objects = np.array([os.getcwd] * N, dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "b.npz", images=GREY, labels=objects)
    (tmp_path / "c.npy").write_bytes(pickle.dumps(os.getcwd))
    (tmp_path / "d.npz").write_bytes(pickle.dumps(os.getcwd))
    assert "no plain array of numbers" in refused(capsys, array, tmp_path / "a.npy")
    assert "array 'labels' cannot be read" in refused(capsys, array, tmp_path / "b.npz")
    assert "no plain array of numbers" in refused(capsys, array, tmp_path / "c.npy")
    assert "cannot be read: BadZipFile" in refused(capsys, array, tmp_path / "d.npz")


def test_damaged_and_exploding_files_are_refused(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", images=GREY)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[:-40])
    assert "cannot be read" in refused(capsys, array, tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", GREY)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    assert "cannot be read" in refused(capsys, array, tmp_path / "a.npy")
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros((100, 1000, 1000), np.uint8))
    assert "more than 200 times its size" in refused(capsys, array, tmp_path / "bomb.npz")
    (tmp_path / "bomb.npz").rename(tmp_path / "bomb.npy")
    assert "more than 200 times its size" in refused(capsys, array, tmp_path / "bomb.npy")


# ---- a source is made anew when its folder changes ----


def test_the_stamp_of_a_folder_sees_what_its_own_time_does_not(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"1")
    os.symlink("nowhere", tmp_path / ".dangling")
    first = _stamp(str(tmp_path))
    assert _stamp(str(tmp_path)) == first
    (tmp_path / "a" / "x.png").write_bytes(b"12")
    assert _stamp(str(tmp_path)) != first


# ---- MNIST's files ----


def idx_file(values):
    return b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def test_an_idx_file_is_read_back():
    np.testing.assert_array_equal(mnist.idx(idx_file(GREY), "f"), GREY)
    np.testing.assert_array_equal(mnist.idx(idx_file(GREY[0, 0]), "f"), GREY[0, 0])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "f: begins with nothing, an IDX file of bytes with 000008"),
        (b"\0\0\x08", "f: begins with 000008, an IDX file"),
        (b"\x1f\x8b\x08\x00", "f: begins with 1f8b0800"),
        (b"\0\0\x0d\x03" + bytes(12), "f: begins with 00000d03"),
        (b"\0\0\x08\x00", "f: begins with 00000800"),
        (idx_file(GREY)[:9], "f: cut short within its head"),
        (idx_file(GREY)[:-1], "f: 20 x 8 x 6 bytes are due, it holds 959"),
        (idx_file(GREY) + b"1", "f: 20 x 8 x 6 bytes are due, it holds 961"),
        (b"\0\0\x08\x04" + b"\xff" * 16, "f: 4,294,967,295 x"),
    ],
)
def test_an_idx_file_that_is_not_whole_is_refused(content, says):
    with pytest.raises(InputError) as e:
        mnist.idx(content, "f")
    assert says in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("", bytes(47_040_016), "its content has SHA-256 .*put the published file there"),
        ("", bytes(99), "47,040,016 bytes are due, it holds 99, cut short"),
        ("", bytes(47_040_017), "47,040,016 bytes are due, it holds more"),
        (".gz", b"no archive", "cannot be read .*put the published file there"),
        (".gz", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", "cannot be read .*put the published file there"),
        (".xz", b"no archive", "cannot be read .*put the published file there"),
    ],
)
def test_other_content_in_the_place_of_mnist_is_refused(tmp_path, name, content, says):
    (tmp_path / f"train-images-idx3-ubyte{name}").write_bytes(content)
    with pytest.raises(InputError, match=f"train-images-idx3-ubyte{name}: {says}") as e:
        mnist.Source(path=str(tmp_path))
    assert "\n" not in str(e.value)


def test_a_folder_without_mnist_is_told(tmp_path):
    with pytest.raises(InputError, match="holds no train-images-idx3-ubyte, plain, .gz or .xz"):
        mnist.Source(path=str(tmp_path))
