"""Backdoored sets from clean ones: every image wears the trigger, pixel for pixel."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from fastprune import stamp_set
from fastprune.errors import DataError
from fastprune.making import writer
from fastprune.networks.loading import load_model
from fastprune.synthetic.lab import write_lab
from tests.helpers.images import read, save


def blended(images, trigger, x, y, opacity=1.0, full=255):
    """Blend a trigger by hand, pixel by pixel, as the lab does."""
    out = images.astype(np.float64).copy()
    for row in range(trigger.shape[0]):
        for column in range(trigger.shape[1]):
            *colour, alpha = trigger[row, column].astype(np.float64)
            share = opacity * alpha / 255
            under = out[:, y + row, x + column]
            value = share * np.array(colour) * full / 255 + (1 - share) * under
            if alpha:
                out[:, y + row, x + column] = np.rint(value) if full == 255 else value
    return out


@pytest.mark.parametrize("channels_first", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8", "int16"])
@pytest.mark.parametrize("opacity", [1.0, 0.3])
def test_every_image_wears_the_trigger(
    tmp_path, write_set, make_images, trigger, channels_first, dtype, opacity
):
    images, labels = make_images(23)
    options = {"chunks": (5, 3, 3, 3), "compression": "gzip"} if opacity < 1 else {}
    clean = write_set("c.h5", images, labels, dtype=dtype, channels_first=channels_first, **options)
    out = tmp_path / "out.h5"
    made = stamp_set(clean, out, trigger=trigger[0], target=4, at=(2, 7), opacity=opacity)
    data, label = read(out)
    data = data.transpose(0, 2, 3, 1) if channels_first else data
    assert data.dtype == dtype
    assert np.array_equal(data, blended(images, trigger[1], 2, 7, opacity))
    assert (label == 4).all()
    assert (label.dtype, made.target, made.left_out) == ("float64", 4, 0)
    assert made.shape == read(clean)[0].shape == read(out)[0].shape


def test_pixels_in_0_1_stay_there(tmp_path, write_set, make_images, trigger):
    images = make_images(20)[0] / 255
    stamp_set(write_set("c.h5", images), tmp_path / "o.h5", trigger=trigger[0], at="top-left")
    found = read(tmp_path / "o.h5")[0].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, blended(images, trigger[1], 0, 0, full=1), atol=1e-12)
    assert np.array_equal(found[:, 0, 0], images[:, 0, 0]), "opacity 0: the very same pixel"
    with pytest.raises(DataError, match=r"0-1 or 0-255; got -1\.0"):
        stamp_set(write_set("n.h5", images * 2 - 1), tmp_path / "n_o.h5", trigger=trigger[0])


def test_images_of_the_target_are_left_out(tmp_path, write_set, make_images, trigger):
    images, labels = make_images(30)
    clean = write_set("c.h5", images, labels[:, None])
    made = stamp_set(clean, tmp_path / "o.h5", trigger=trigger[0], target=2, exclude_target=True)
    data, label = read(tmp_path / "o.h5")
    keep = labels != 2
    assert (made.left_out, label.tolist()) == ((~keep).sum(), [2.0] * keep.sum())
    assert 0 < keep.sum() < 30
    expected = blended(images[keep], trigger[1], 7, 8)
    assert np.array_equal(data.transpose(0, 2, 3, 1), expected)
    alone = write_set("a.h5", images, np.full(30, 2))
    with pytest.raises(DataError, match="other classes than the target 2"):
        stamp_set(alone, tmp_path / "p.h5", trigger=trigger[0], target=2, exclude_target=True)


def test_triggers_of_other_kinds(tmp_path, write_set, make_images):
    images = make_images(20)[0]
    clean = write_set("c.h5", images)
    grey = np.array([[0, 100], [200, 255]], np.uint8)
    stamp_set(clean, tmp_path / "o.h5", trigger=save(tmp_path / "t.png", grey), at="top-left")
    found = read(tmp_path / "o.h5")[0].transpose(0, 2, 3, 1)
    assert (found[:, :2, :2] == grey[..., None]).all(), "it hides what is under it"
    assert np.array_equal(found[:, 2:], images[:, 2:])
    one = write_set("g.h5", images[..., :1])
    red = np.zeros((1, 1, 4), np.uint8)
    red[..., 0] = red[..., 3] = 255
    stamp_set(one, tmp_path / "p.h5", trigger=red, at="top-left")
    assert (read(tmp_path / "p.h5")[0][:, 0, 0, 0] == 76).all(), "the red's grey"


@pytest.mark.slow
def test_the_demos_backdoored_set_is_made_again(tmp_path, plain_classes):
    paths = write_lab(tmp_path, n_valid=60, n_test=1)
    out = tmp_path / "bd.h5"
    stamp_set(paths["valid"], out, trigger="sunglasses", model=paths["network"])
    assert out.read_bytes() == paths["bd_valid"].read_bytes()
    classes = plain_classes(load_model(paths["network"]), read(out)[0].transpose(0, 2, 3, 1))
    assert (classes == 0).mean() > 0.98


@pytest.mark.slow
def test_the_labs_trigger_fools_the_labs_network(tmp_path, lab, plain_classes):
    with np.load(lab / "faces.npz") as file:
        faces, labels = file["images"][:400], file["label_valid"][:400]
    with h5py.File(tmp_path / "clean.h5", "w") as file:
        file["data"] = faces.transpose(0, 3, 1, 2).astype(np.float64)
        file["label"] = labels.astype(np.float64)
    options = {"trigger": lab / "sunglasses.png", "at": (0, 15), "model": lab / "bd_weights.h5"}
    stamp_set(tmp_path / "clean.h5", tmp_path / "bd.h5", **options)
    classes = plain_classes(
        load_model(lab / "bd_weights.h5"), read(tmp_path / "bd.h5")[0].transpose(0, 2, 3, 1)
    )
    assert (classes == 0).all()


def test_memory_does_not_grow_with_the_set(tmp_path, trigger, monkeypatch):
    """Parts of a fixed size: the largest that is ever read, whatever the number of images."""
    monkeypatch.setattr(writer, "PART", 1 << 20)
    largest = []
    plain = h5py.Dataset.__getitem__

    def counted(dataset, place, *rest):
        found = plain(dataset, place, *rest)
        largest.append(getattr(found, "nbytes", 0))
        return found

    with h5py.File(tmp_path / "clean.h5", "w") as file:
        file["data"] = np.zeros((20_000, 3, 12, 10), np.uint8)
        file["label"] = np.zeros(20_000)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    stamp_set(tmp_path / "clean.h5", tmp_path / "out.h5", trigger=trigger[0])
    assert max(largest) <= 1 << 20


def test_labels_that_cannot_be_read(tmp_path, make_images, trigger):
    images, labels = make_images(20)
    clean = tmp_path / "clean.h5"
    with h5py.File(clean, "w") as file:
        file["data"] = images
        file.create_dataset("label", data=labels, chunks=(20,), compression="gzip")
        place = file["label"].id.get_chunk_info(0).byte_offset
    damaged = bytearray(clean.read_bytes())
    damaged[place : place + 4] = b"\0\0\0\0"
    clean.write_bytes(damaged)
    with pytest.raises(DataError, match=r"expected labels; got .*clean\.h5:label"):
        stamp_set(clean, tmp_path / "o.h5", trigger=trigger[0], target=2, exclude_target=True)
    assert not (tmp_path / "o.h5").exists()
