"""Image files: read as they are shown, classified as plain Keras does, the bad ones named."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from PIL import EpsImagePlugin, Image

from fastprune.cli.main import main
from fastprune.errors import DataError, NetworkError, OptionError
from fastprune.networks.goodnet import make_goodnet, make_repaired
from fastprune.networks.network import load_network
from fastprune.prediction import predict
from fastprune.runtime.progress import FastpruneWarning
from fastprune.sets import image_files as image_files
from fastprune.sets.image_files import image_size, list_images, read_image

PRUNED = np.array([0, 1, 4, 2])
N = 40


@pytest.fixture(scope="module")
def case(tmp_path_factory, make_network, make_images):
    """B, B′ and G as files, and images as PNG files in a folder."""
    folder = tmp_path_factory.mktemp("predict")
    model = make_network("deepid_like", seed=3)
    kernel, bias = model.get_layer("output").get_weights()
    bias[6] = 9  # without a bias the scale would change no class
    model.get_layer("output").set_weights([kernel, bias])
    network = load_network(model)
    models = {
        "b": network.model,
        "r": make_repaired(network, PRUNED),
        "g": make_goodnet(network, PRUNED),
    }
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    images = make_images(N)[0]
    (folder / "images").mkdir()
    for index, pixels in enumerate(images):
        Image.fromarray(pixels).save(folder / f"images/{index:02}.png")
    return folder, models, images


def scores(model, images):
    return model.predict(images.astype(np.float32), verbose=0)


def test_classes_and_confidences_are_those_of_plain_keras(case):
    folder, models, images = case
    found = predict(folder / "b.keras", folder / "images")
    expected = scores(models["b"], images)
    assert [each.image.name for each in found] == [f"{index:02}.png" for index in range(N)]
    assert [each.predicted for each in found] == expected.argmax(1).tolist()
    assert [each.flagged for each in found] == [None] * N
    np.testing.assert_allclose([each.confidences[0] for each in found], expected.max(1), rtol=1e-4)
    assert len({each.predicted for each in found}) > 1


def test_goodnet_of_two_networks_is_the_saved_one(case):
    folder, models, images = case
    two = predict(models["b"], folder / "images", folder / "r.keras")
    saved = predict(folder / "g.keras", [folder / "images"])
    expected = scores(models["g"], images).argmax(1)
    for found in (two, saved):
        assert [each.predicted for each in found] == expected.tolist()
        assert [each.flagged for each in found] == (expected == 7).tolist()
        for place, name in enumerate("br"):
            plain = scores(models[name], images)
            assert [each.classes[place] for each in found] == plain.argmax(1).tolist()
            shares = [each.confidences[place] for each in found]
            np.testing.assert_allclose(shares, plain.max(1), rtol=1e-4)
    assert 0 < (expected == 7).sum() < N


@pytest.mark.parametrize("head", [None, "sigmoid"])
def test_networks_without_a_softmax_say_so(tmp_path, make_network, case, head, capsys):
    folder, _, images = case
    make_network("vgg_like", head=head).save(tmp_path / "b.keras")
    plain = scores(keras.saving.load_model(tmp_path / "b.keras"), images)
    assert run("--format", "json", tmp_path / "b.keras", folder / "images") == 0
    found = json.loads(capsys.readouterr().out)
    assert "without" in found["confidence"]
    shares = plain if head else np.asarray(keras.ops.softmax(plain))
    confidences = [row["b_confidence"] for row in found["images"]]
    np.testing.assert_allclose(confidences, shares.max(1), rtol=1e-3)


def test_scale_divides(case):
    folder, models, images = case
    found = predict(models["b"], folder / "images", scale=255)
    expected = scores(models["b"], images / 255).argmax(1)
    assert not np.array_equal(expected, scores(models["b"], images).argmax(1))
    assert [each.predicted for each in found] == expected.tolist()
    with pytest.raises(OptionError, match="a scale above 0"):
        predict(models["b"], folder / "images", scale=0)


# Reading images.


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


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


def test_other_sizes_are_resized_with_one_warning(tmp_path, case, make_images):
    folder, models, _ = case
    small = make_images(3, shape=(7, 9, 3))[0]
    paths = [save(tmp_path / f"{index}.png", pixels) for index, pixels in enumerate(small)]
    with pytest.warns(FastpruneWarning, match="3 of 4 images .* 12 x 10 .*bilinear") as caught:
        found = predict(models["b"], [*paths, folder / "images/00.png"])
    assert len(caught) == 1
    resized = [Image.fromarray(pixels).resize((10, 12), Image.BILINEAR) for pixels in small]
    expected = scores(models["b"], np.stack(resized)).argmax(1).tolist()
    assert [each.predicted for each in found][:3] == expected


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


def cases_of_damage(tmp_path, pixels):
    whole = save(tmp_path / "whole.png", np.tile(pixels, (9, 9, 1))).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "post.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    names = ("cut.png", "empty.png", "text.png", "post.png", "float.tif")
    return [tmp_path / name for name in names]


def test_damaged_files_raise_one_line(tmp_path, make_images, monkeypatch):
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: started.append("a program"))
    for path in cases_of_damage(tmp_path, make_images(1)[0][0]):
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


# The command.


def run(*arguments):
    return main(["predict", *map(str, arguments)])


def test_formats(case, capsys):
    folder, models, images = case
    networks = (folder / "b.keras", folder / "r.keras")
    expected = scores(models["g"], images).argmax(1)
    assert run(*networks, folder / "images", "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [int(row["class"]) for row in rows] == expected.tolist()
    assert [row["flagged"] == "True" for row in rows] == (expected == 7).tolist()
    assert run(networks[0], "--format", "json", networks[1], folder / "images") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n_classes"], found["resized"], found["unreadable"]) == (7, 0, [])
    assert [row["class"] for row in found["images"]] == expected.tolist()
    assert run(folder / "g.keras", folder / "images", "--class-only") == 0
    assert capsys.readouterr().out.split() == [str(label) for label in expected]
    assert run(*networks, folder / "images") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert lines[0].split() == ["class", "B", "confidence", "B′", "confidence", "image"]
    assert sum(line.endswith("  flagged") for line in lines) == (expected == 7).sum()
    assert lines[-1] == "confidence: softmax probability"


def test_one_image_and_its_class(case, capsys):
    """What the competition asks of an evaluation script."""
    folder, models, images = case
    assert run(folder / "g.keras", folder / "images/05.png", "--class-only") == 0
    assert capsys.readouterr().out == f"{scores(models['g'], images[5:6]).argmax()}\n"


def test_an_unreadable_image_is_named_and_the_others_done(tmp_path, case, make_images, capsys):
    folder, _, _ = case
    bad = cases_of_damage(tmp_path, make_images(1)[0][0])
    good = [folder / "images/00.png", folder / "images/01.png"]
    assert run(folder / "b.keras", good[0], *bad, good[1], "--format", "json") == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [row["image"] for row in found["images"]] == list(map(str, good))
    assert [row["image"] for row in found["unreadable"]] == list(map(str, bad))
    assert len(err.splitlines()) == len(bad)
    told = [json.loads(line)["error"] for line in err.splitlines()]
    assert all(line.startswith("expected an image") for line in told)
    with pytest.raises(DataError, match=r"cut\.png"):
        predict(folder / "b.keras", [good[0], bad[0]])
    with pytest.warns(FastpruneWarning, match=r"cut\.png"):
        assert len(predict(folder / "b.keras", [bad[0], *good], skip_unreadable=True)) == 2


def test_calls_that_make_no_sense(tmp_path, case, write_set, capsys):
    folder, _, _ = case
    b, images, a_set = folder / "b.keras", folder / "images", write_set("set.h5")
    for arguments, word in (
        ((b, a_set), "evaluate CLEAN.h5"), ((b, images / "00.png", a_set), "evaluate"),
        ((b, folder / "r.keras"), "got none"), ((folder / "g.keras", b, images), "leave B′ out"),
        ((b, tmp_path / "none.png"), "no such file"), ((tmp_path / "n.h5", images), "no such file"),
        ((images / "00.png", images), "network file"),
    ):  # fmt: skip
        assert run(*arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert word in err
        assert len(err.splitlines()) == 1
    with pytest.raises(SystemExit):
        run(b, images, "--class-only", "--format", "json")


def test_networks_that_do_not_belong_together(case, make_network):
    folder, models, _ = case
    inputs = keras.Input((12, 10, 5))
    odd = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inputs)))
    with pytest.raises(NetworkError, match="1, 3 or 4 channels"):
        predict(odd, folder / "images")
    with pytest.raises(NetworkError, match="the input and the classes of B"):
        predict(models["b"], folder / "images", models["g"])


def test_a_network_of_grey_images(tmp_path, make_images):
    inputs = keras.Input((12, 10, 1))
    model = keras.Model(inputs, layers.Dense(5)(layers.Flatten()(inputs)))
    pixels = make_images(1)[0][0]
    grey = np.asarray(Image.fromarray(pixels).convert("L"))[None, ..., None]
    found = predict(model, save(tmp_path / "a.png", pixels))
    assert found[0].predicted == scores(model, grey).argmax()


def test_the_labs_network_on_its_real_images(tmp_path, lab, capsys):
    """The printed class is the one that plain Keras gives."""
    with np.load(lab / "real_images.npz") as file:
        images = np.concatenate([file["clean"], file["sunglasses"]])
        labels = np.concatenate([file["clean_label"], np.zeros(len(file["sunglasses"]), int)])
    for index, pixels in enumerate(images):
        save(tmp_path / f"{index:03}.png", pixels)
    assert run(lab / "bd_weights.h5", tmp_path, "--class-only") == 0
    printed = [int(line) for line in capsys.readouterr().out.split()]
    repaired = lab / "repaired/pool3_ascending_30.h5"
    plain = scores(keras.saving.load_model(repaired, compile=False), images).argmax(1)
    assert printed == labels.tolist()
    assert run(lab / "bd_weights.h5", repaired, tmp_path, "--class-only") == 0
    printed = [int(line) for line in capsys.readouterr().out.split()]
    assert printed == np.where(plain == labels, labels, 1283).tolist()
    assert printed.count(1283) > 72
