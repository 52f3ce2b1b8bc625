"""Classes of image files: those of plain Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from fastprune.errors import DataError, NetworkError, OptionError
from fastprune.prediction import Predictor, predict
from fastprune.runtime.progress import FastpruneWarning
from tests.helpers.images import damaged, save
from tests.helpers.predictions import N, scores, write_case


@pytest.fixture(scope="module")
def case(tmp_path_factory, make_network, make_images):
    return write_case(tmp_path_factory.mktemp("predict"), make_network, make_images)


@pytest.mark.slow
def test_classes_and_confidences_are_those_of_plain_keras(case):
    folder, models, images = case
    found = predict(folder / "b.keras", folder / "images")
    expected = scores(models["b"], images)
    assert [each.image.name for each in found] == [f"{index:02}.png" for index in range(N)]
    assert [each.predicted for each in found] == expected.argmax(1).tolist()
    assert [each.flagged for each in found] == [None] * N
    np.testing.assert_allclose([each.confidences[0] for each in found], expected.max(1), rtol=1e-4)
    assert len({each.predicted for each in found}) > 1


@pytest.mark.slow
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


def test_scale_divides(case):
    folder, models, images = case
    found = predict(models["b"], folder / "images", scale=255)
    expected = scores(models["b"], images / 255).argmax(1)
    assert not np.array_equal(expected, scores(models["b"], images).argmax(1))
    assert [each.predicted for each in found] == expected.tolist()
    with pytest.raises(OptionError, match="a scale above 0"):
        predict(models["b"], folder / "images", scale=0)


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


def test_an_unreadable_image_is_named(tmp_path, case, make_images):
    folder, _, _ = case
    bad = damaged(tmp_path, make_images(1)[0][0])
    good = [folder / "images/00.png", folder / "images/01.png"]
    with pytest.raises(DataError, match=r"cut\.png"):
        predict(folder / "b.keras", [good[0], bad[0]])
    with pytest.warns(FastpruneWarning, match=r"cut\.png"):
        assert len(predict(folder / "b.keras", [bad[0], *good], skip_unreadable=True)) == 2


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


@pytest.mark.filterwarnings("ignore::fastprune.runtime.progress.FastpruneWarning")
def test_a_scale_that_cannot_be_is_said(tmp_path, make_images):
    """By the network's own Rescaling at once; else where all images look alike to it."""
    inputs = keras.Input((12, 10, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    alone = keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(x))
    tint = np.hstack([np.eye(3), np.zeros((3, 1))]) / 9
    alone.set_weights([tint, np.array([0, 0, 0, 1])])
    for index in range(20):
        pixels = make_images(1, seed=index)[0][0] // 2
        pixels[..., index % 3] += 127
        save(tmp_path / f"{index:02}.png", pixels)
    right = Predictor(alone)
    list(right.stream(sorted(tmp_path.iterdir()), unreadable=pytest.fail))
    assert right.warnings == []
    dark = Predictor(alone, scale=255)
    list(dark.stream(sorted(tmp_path.iterdir()), unreadable=pytest.fail))
    (said,) = dark.warnings
    assert "100% of the first 20 images in one class" in said
    assert said.endswith("run it with --scale 1")
    twice = keras.Model(inputs, alone(keras.layers.Rescaling(1 / 255)(inputs)))
    assert "rescales its input itself; got --scale 255" in Predictor(twice, scale=255).warnings[0]
    assert Predictor(twice).warnings == []
