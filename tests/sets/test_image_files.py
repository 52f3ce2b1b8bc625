"""Image files: read as they are shown, whatever is no image refused in one line."""

from __future__ import annotations

import io
from contextlib import suppress

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from fastprune.errors import DataError
from fastprune.sets import image_files
from fastprune.sets.image_files import image_size, list_images, read_image
from tests.helpers.images import damaged, save


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.ppm"])
def test_lossless_formats_give_the_pixels(tmp_path, make_images, name):
    pixels = make_images(1)[0][0]
    path = save(tmp_path / name, pixels, **({"lossless": True} if name == "a.webp" else {}))
    found, own = read_image(path)
    assert np.array_equal(found, pixels)
    assert own == image_size(path) == (12, 10)


def test_jpeg_is_what_keras_reads(tmp_path, make_images):
    path = save(tmp_path / "a.jpg", make_images(1)[0][0])
    expected = keras.utils.img_to_array(keras.utils.load_img(path))
    assert np.array_equal(read_image(path)[0], expected)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "I;16"])
def test_other_modes_are_converted(tmp_path, make_images, mode):
    pixels = make_images(1)[0][0]
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(pixels).convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(path)
    found = read_image(path)[0]
    assert found.shape == (12, 10, 3)
    if mode in ("L", "LA", "I;16"):
        assert np.array_equal(found, np.repeat(grey[..., None], 3, axis=2))
    if mode == "RGBA":
        assert np.array_equal(found, pixels)
    assert read_image(path, channels=1)[0].shape == (12, 10, 1)


def test_transparency_in_a_palette(tmp_path, make_images):
    path = tmp_path / "a.png"
    image = Image.fromarray(make_images(1)[0][0]).convert("P")
    image.save(path, transparency=bytes([0] * 128))
    assert np.array_equal(read_image(path)[0], np.asarray(image.convert("RGB")))
    assert read_image(path, channels=4)[0].shape == (12, 10, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_respected(tmp_path, make_images, orientation):
    upright = make_images(1)[0][0]
    turns = {1: [], 2: ["h"], 3: ["h", "v"], 4: ["v"], 5: ["t"], 6: ["t", "v"],
             7: ["t", "h", "v"], 8: ["t", "h"]}  # fmt: skip
    stored = upright
    for turn in turns[orientation]:
        stored = {"h": stored[:, ::-1], "v": stored[::-1], "t": stored.swapaxes(0, 1)}[turn]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", np.ascontiguousarray(stored), exif=exif)
    assert np.array_equal(read_image(path)[0], upright)
    assert image_size(path) == (12, 10)


def test_folders_are_sorted_and_one_level_deep(tmp_path, make_images):
    pixels = make_images(1)[0][0]
    for name in ("b.png", "a.JPG", "c.jpeg", ".hidden.png", "d.png"):
        save(tmp_path / name, pixels, format="PNG")
    (tmp_path / "note.txt").write_text("no image")
    (tmp_path / "sub").mkdir()
    save(tmp_path / "sub/e.png", pixels)
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_images([tmp_path])] == ["a.JPG", "b.png", "c.jpeg", "d.png"]
    assert list_images([tmp_path / "d.png", tmp_path / "sub"])[1].name == "e.png"
    for folder, word in ((tmp_path / "folder.png", "none"), (tmp_path / "none", "no such file")):
        with pytest.raises(DataError, match=word):
            list_images([folder])


def test_damaged_files_raise_one_line(tmp_path, make_images, monkeypatch):
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: started.append("a program"))
    for path in damaged(tmp_path, make_images(1)[0][0]):
        with pytest.raises(DataError) as caught:
            read_image(path)
        message = str(caught.value)
        assert message.startswith("expected an image (PNG, JPEG")
        assert path.name in message
        assert len(message.splitlines()) == 1
    assert started == []


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8)
)
def test_flipped_bytes_never_raise_anything_else(places):
    for form in ("PNG", "JPEG", "GIF"):
        file = io.BytesIO()
        Image.fromarray(np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)).save(file, form)
        data = bytearray(file.getvalue())
        for place, value in places:
            data[int(place * len(data))] = value
        with suppress(DataError):
            assert read_image(io.BytesIO(data))[0].dtype == np.uint8


def test_decompression_bombs_are_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_PIXELS", 99)
    path = save(tmp_path / "bomb.png", np.zeros((10, 10, 3), np.uint8))
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    for read in (read_image, image_size):
        with pytest.raises(DataError, match="more than 99 pixels"):
            read(path)
    monkeypatch.setattr(image_files, "MAX_PIXELS", 1 << 26)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    with pytest.raises(DataError, match="pixels"):
        read_image(path)
