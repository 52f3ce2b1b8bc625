"""Image files and sets, as the tests write and read them."""

from __future__ import annotations

import h5py
import numpy as np
from PIL import Image


def save(path, pixels, **options):
    """Write pixels as an image file; return its path."""
    Image.fromarray(pixels).save(path, **options)
    return path


def read(path):
    """Return images and labels of a set."""
    with h5py.File(path) as file:
        return file["data"][()], file["label"][()]


def write_folder(folder, images, names):
    """Write images as PNG files, one after the other into the folders of `names`."""
    for index, (pixels, name) in enumerate(zip(images, names, strict=True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        save(folder / name / f"{index:03}.png", pixels)
    return folder


def write_trigger(path):
    """Write a trigger, a pixel of it clear and one opaque; return its path and its pixels."""
    pixels = np.random.default_rng(5).integers(0, 256, (4, 3, 4)).astype(np.uint8)
    pixels[0, 0, 3], pixels[3, 2, 3] = 0, 255
    return save(path, pixels), pixels


def damaged(tmp_path, pixels):
    """Write files that are no images, or no longer; return their paths."""
    whole = save(tmp_path / "whole.png", np.tile(pixels, (9, 9, 1))).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "post.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    names = ("cut.png", "empty.png", "text.png", "post.png", "float.tif")
    return [tmp_path / name for name in names]
