"""`fastprune predict`: what it prints, in every format, and which images it could not read."""

from __future__ import annotations

import csv
import io
import json

import keras
import numpy as np
import pytest

from fastprune.cli.main import main
from tests.helpers.images import damaged, save
from tests.helpers.predictions import scores, write_case


@pytest.fixture(scope="module")
def case(tmp_path_factory, make_network, make_images):
    return write_case(tmp_path_factory.mktemp("predict"), make_network, make_images)


def run(*arguments):
    return main(["predict", *map(str, arguments)])


@pytest.mark.parametrize("head", [None, "sigmoid"])
@pytest.mark.slow
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


@pytest.mark.slow
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
    bad = damaged(tmp_path, make_images(1)[0][0])
    good = [folder / "images/00.png", folder / "images/01.png"]
    assert run(folder / "b.keras", good[0], *bad, good[1], "--format", "json") == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [row["image"] for row in found["images"]] == list(map(str, good))
    assert [row["image"] for row in found["unreadable"]] == list(map(str, bad))
    assert len(err.splitlines()) == len(bad)
    told = [json.loads(line)["error"] for line in err.splitlines()]
    assert all(line.startswith("expected an image") for line in told)


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
    assert run(b, images, "--class-only", "--format", "json") == 2


@pytest.mark.slow
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
