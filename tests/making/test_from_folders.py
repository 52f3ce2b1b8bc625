"""Sets from folders: the lab's format, pixel for pixel."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image

from fastprune import make_set
from fastprune.errors import DataError, OptionError
from fastprune.making import from_folders
from fastprune.runtime.progress import FastpruneWarning
from fastprune.sets.image_set import ImageSet
from fastprune.synthetic.lab import people, write_lab
from tests.helpers.images import read, save, write_folder


@pytest.mark.parametrize("layout", ["first", "last"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
@pytest.mark.parametrize("compression", ["none", "gzip", "lzf"])
def test_a_folder_becomes_a_set(tmp_path, make_images, layout, dtype, compression):
    images = make_images(11)[0]
    labels = np.arange(11) * 7 % 5 * 3  # 0 to 12, gaps among them
    folder = write_folder(tmp_path / "f", images, map(str, labels))
    out = tmp_path / "out.h5"
    made = make_set(folder, out, layout=layout, dtype=dtype, compression=compression)
    order = np.argsort(labels, kind="stable")
    data, label = read(out)
    assert (data.dtype, label.dtype, label.shape) == (dtype, "float64", (11,))
    expected = images[order] if layout == "last" else images[order].transpose(0, 3, 1, 2)
    assert np.array_equal(data, expected)
    assert np.array_equal(label, labels[order])
    assert (made.shape, made.dtype, made.n_classes) == (data.shape, dtype, 5)
    assert (made.classes, made.resized, made.bytes) == (None, 0, out.stat().st_size)
    with h5py.File(out) as file:
        plan = file["data"].chunks, file["data"].compression
    assert plan == ((None, None) if compression == "none" else (data.shape, compression))
    streamed = ImageSet("s", out, input_shape=(12, 10, 3), n_classes=13)
    assert np.array_equal(streamed.take(np.arange(11)).images, images[order])
    assert list(tmp_path.glob("*.txt")) == []


def test_the_labs_own_format(tmp_path, make_images):
    """Byte for byte what the demo writes, which has the lab's format."""
    paths = write_lab(tmp_path / "lab", n_valid=12, n_test=1)
    data, label = read(paths["valid"])
    order = np.lexsort((np.arange(12), people("valid", 12)[0]))
    names = [str(int(number)) for number in label]
    folder = write_folder(tmp_path / "f", data.transpose(0, 2, 3, 1).astype(np.uint8), names)
    make_set(folder, tmp_path / "out.h5")
    found = read(tmp_path / "out.h5")
    assert np.array_equal(found[0], data[order])
    assert np.array_equal(found[1], label[order])
    assert (tmp_path / "out.h5").stat().st_size == paths["valid"].stat().st_size


def test_more_names_than_an_attribute_holds(tmp_path, make_images, monkeypatch):
    monkeypatch.setattr(from_folders, "MOST_NAMES", 10)
    folder = write_folder(tmp_path / "f", make_images(2)[0], ["ann", "bob and more"])
    make_set(folder, tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        assert not file.attrs
    assert (tmp_path / "out.classes.txt").exists()
    numbered = write_folder(tmp_path / "n", make_images(2)[0], ["0", "1"])
    make_set(numbered, tmp_path / "out.h5", overwrite=True)
    assert not (tmp_path / "out.classes.txt").exists(), "names of the set that was replaced"


def test_sizes(tmp_path, make_images, make_network):
    folder = write_folder(tmp_path / "f", make_images(3)[0], ["0", "1", "1"])
    save(folder / "1/other.png", make_images(1, shape=(6, 9, 3))[0][0])
    with pytest.raises(DataError, match=r"12 x 10 .* 6 x 9 .*--size"):
        make_set(folder, tmp_path / "out.h5")
    made = make_set(folder, tmp_path / "a.h5", size=(8, 7), dtype="uint8", layout="last")
    assert (made.shape, made.resized) == ((4, 8, 7, 3), 4)
    with Image.open(folder / "1/other.png") as image:
        expected = np.asarray(image.resize((7, 8), Image.BILINEAR))
    assert np.array_equal(read(tmp_path / "a.h5")[0][3], expected)
    model = make_network("vgg_like")
    made = make_set(folder, tmp_path / "b.h5", model=model)
    assert (made.shape, made.resized) == ((4, 3, 12, 10), 1)
    with pytest.raises(DataError, match="the network's input"):
        make_set(folder, tmp_path / "c.h5", model=model, size=(8, 8))
    write_folder(folder, make_images(1)[0], ["7"])
    with pytest.raises(OptionError, match=r"0 \.\.\. 6, the network's classes; got 7"):
        make_set(folder, tmp_path / "c.h5", model=model)


def test_what_is_left_out_is_said(tmp_path, make_images):
    pixels = make_images(3)[0]
    folder = write_folder(tmp_path / "f", pixels, ["0", "2", "2"])
    (folder / "1").mkdir()
    save(folder / "loose.png", pixels[0])
    (folder / ".hidden").mkdir()
    with pytest.warns(FastpruneWarning) as caught:
        made = make_set(folder, tmp_path / "out.h5")
    assert sorted(str(each.message).split(":")[0][:21] for each in caught) == [
        "1 class folders hold ", "1 images beside the c",
    ]  # fmt: skip
    assert (made.shape[0], made.n_classes) == (3, 2)


def bad_folders(tmp_path, pixels):
    """Yield what cannot become a set, and the word that says why."""
    yield tmp_path / "none", "no such folder"
    (tmp_path / "empty").mkdir()
    yield tmp_path / "empty", "an empty one"
    (tmp_path / "loose").mkdir()
    save(tmp_path / "loose/a.png", pixels)
    yield tmp_path / "loose", "1 images and no subfolder"
    (tmp_path / "hollow/0").mkdir(parents=True)
    yield tmp_path / "hollow", "images in the class folders; got none"
    yield write_folder(tmp_path / "twice", [pixels] * 2, ["1", "01"]), "a number of its own"
    yield write_folder(tmp_path / "odd", [pixels], ["a\nb"]), "can be printed"
    bad = write_folder(tmp_path / "bad", [pixels] * 6, "000111")
    (bad / "1/005.png").write_bytes((bad / "1/004.png").read_bytes()[:60])
    yield bad, "005.png"


def test_folders_that_make_no_set(tmp_path, make_images):
    for folder, word in bad_folders(tmp_path, make_images(1)[0][0]):
        with pytest.raises(DataError, match=word):
            make_set(folder, tmp_path / "out/out.h5")
    assert list(tmp_path.glob("out/*")) == []
