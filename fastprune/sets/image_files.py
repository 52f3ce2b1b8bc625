"""Image files: found, read by Pillow, and turned into pixels of a network's size."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError, first_line
from fastprune.files.kinds import IMAGES

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""What is read, whatever a file is called. Pillow's reader of EPS would start Ghostscript."""

SUFFIXES = IMAGES
"""Names that count as images in a folder."""

MAX_PIXELS = 1 << 26
"""Pixels of the largest image that is decoded: 200 MB as RGB. A camera's has 2^24 to 2^26."""

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's name of an image of so many channels."""


def list_images(sources: Iterable[str | Path]) -> list[Path]:
    """Return image files: those named, and those of the folders named, sorted by name.

    Parameters
    ----------
    sources : iterable of path
        Files, of any name; folders, of which one level is searched for the names of
        :data:`SUFFIXES`. Hidden files are passed over.

    Raises
    ------
    DataError
        When a path is missing, a folder holds no image, or a file is an HDF5 set.
    """
    found: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            inside = images_in(source)
            if not inside:
                below = sum(item.is_dir() for item in source.iterdir())
                hint = f"name its {below} folders one by one" if below else "name another folder"
                message = (
                    f"expected image files ({', '.join(sorted(SUFFIXES))}) in a folder; got none "
                    f"({source}); {hint}"
                )
                raise DataError(message)
            found += inside
        elif not source.is_file():
            message = f"expected an image file or a folder; got no such file ({source}); check it"
            raise DataError(message)
        elif source.suffix.lower() in (".h5", ".hdf5"):
            message = (
                f"expected an image file; got an HDF5 file ({source}); for a set of images use "
                "fastprune evaluate"
            )
            raise DataError(message)
        else:
            found.append(source)
    return found


def images_in(folder: Path) -> list[Path]:
    """Return the image files that lie in a folder itself, sorted by name.

    Raises
    ------
    DataError
        When the folder cannot be read.
    """
    try:
        return sorted(
            item for item in folder.iterdir()
            if item.suffix.lower() in SUFFIXES and item.name[0] != "." and item.is_file()
        )  # fmt: skip
    except OSError as error:
        message = f"expected a folder that can be read; got {error.strerror or error} ({folder})"
        raise DataError(message) from error


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image as it is shown, from its header alone.

    Raises
    ------
    DataError
        When it is no image or too large.
    """
    from PIL import ExifTags

    with _opened(path) as image:
        width, height = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        return (width, height) if turned else (height, width)


def read_image(
    path: Path, *, channels: int = 3, size: tuple[int, int] | None = None
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Read an image: turned upright as its EXIF data say, converted, resized.

    Parameters
    ----------
    path : Path
        The file; of an animation the first picture is read.
    channels : {1, 3, 4}
        Grey, RGB (of an image with transparency the colours alone, as Keras's ``load_img`` gives
        them) or RGBA.
    size : (height, width), optional
        What it is resized to, bilinear, where its own differs; the aspect is not kept.

    Returns
    -------
    pixels : ndarray of uint8, shape (height, width, channels)
        0-255.
    own : (int, int)
        Height and width before.

    Raises
    ------
    DataError
        When it is no image of :data:`FORMATS`, damaged or too large.
    """
    from PIL import Image, ImageOps

    with _opened(path) as opened:
        image = _converted(ImageOps.exif_transpose(opened), MODES[channels])
        own = (image.height, image.width)
        if size is not None and own != size:
            image = image.resize(size[::-1], Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels), own


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an image file; whatever damage makes Pillow raise meanwhile becomes a DataError."""
    from PIL import Image, UnidentifiedImageError

    cause: Exception
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged EXIF data, of palettes
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                yield image
            return
        except DataError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            cause, found = error, f"one of more than {MAX_PIXELS:,} pixels"
        except UnidentifiedImageError as error:
            cause, found = error, "another format"
        except Exception as error:  # decoders raise whatever damage makes them trip over
            cause, found = error, first_line(error)
    message = (
        f"expected an image ({', '.join(FORMATS)}); got {found} ({path}); save it again or leave "
        "it out"
    )
    raise DataError(message) from cause


def _converted(image: Any, mode: str) -> Any:
    """Return an image in another mode, without cutting 16-bit grey off at 255 as Pillow would."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("I", "F"):
        message = f"pixels of 32 bits ({image.mode})"
        raise ValueError(message)
    if image.mode != mode and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)
