"""The real thing: the lab's network on real images and stand-in faces, where at hand."""

import json
import re

import numpy as np
import pytest

import fastprune
from fastprune import reference
from fastprune.networks.network import load_network
from fastprune.suffix.select import make_engine

FACES = 600


@pytest.fixture(scope="module")
def network(lab):
    return load_network(lab / "bd_weights.h5")


@pytest.fixture(scope="module")
def faces(lab):
    """Stand-in faces, plain and with the trigger, float32 as the lab's files hold them."""
    from PIL import Image

    with np.load(lab / "faces.npz") as file:
        clean, labels = file["images"][:FACES], file["label_valid"][:FACES]
    overlay = np.zeros((55, 47, 4))
    overlay[15:35] = np.asarray(Image.open(lab / "sunglasses.png"), dtype=float)
    alpha = overlay[..., 3:] / 255
    worn = np.rint(alpha * overlay[..., :3] + (1 - alpha) * clean)
    return clean.astype(np.float32), worn.astype(np.float32), labels.astype(np.int64)


def lab_order(lab):
    """The lab's published order: ascending mean of pool_3 on its own validation set."""
    text = (lab / "README.md").read_text(encoding="utf-8")
    found = re.search(r"exact ties at zero\):\s+([\d\s|]+)", text)[1].replace("|", " ").split()
    return [int(word) for word in found]


def test_the_cut_is_pool_3_although_conv_4_is_the_last_convolution(network):
    assert (network.cut.prune.name, network.cut.layer.name) == ("conv_3", "pool_3")
    assert (network.n_classes, network.n_channels) == (1283, 60)
    assert make_engine(network).name == "incremental"


@pytest.mark.slow
def test_every_step_on_faces_is_plain_keras(network, faces):
    """Both engines against zeroed weights and ``model.predict`` at all 61 steps."""
    clean, worn, _ = faces
    cut = network.prefix.predict(clean, batch_size=256, verbose=0)
    order = reference.order(cut)
    for name, images in (("clean", clean), ("sunglasses", worn)):
        cut = network.prefix.predict(images, batch_size=256, verbose=0)
        found = {}
        for kind in ("incremental", "keras"):
            engine = make_engine(network, kind)
            found[kind] = engine.classes(engine.block(cut), order)
            assert found[kind].near_ties.mean() < 1e-3, "near-ties are not rare"
        for step in range(61):
            expected = reference.classes(network.model, "conv_3", order[:step], images)
            for kind, steps in found.items():
                different = (steps.classes[step] != expected) & ~steps.near_ties[step]
                assert not different.any(), (name, kind, step)
    assert (expected == expected[0]).all(), "with every channel pruned all images look the same"


@pytest.mark.slow
def test_the_real_images(network, lab):
    """B is right on all 72 clean ones and says 0 to all 72 with sunglasses; the published order."""
    with np.load(lab / "real_images.npz") as file:
        clean, labels, worn = file["clean"], file["clean_label"], file["sunglasses"]
    result = fastprune.sweep(
        network,
        valid=(clean, labels),
        backdoored={"sunglasses": (worn, np.zeros(len(worn), int))},
        order=lab_order(lab),
        verify=4,
    )
    assert result.sets["valid"].counts.hits[0] == 72
    assert result.sets["sunglasses"].counts.hits[0] == 72
    # The published story: no change while dead channels go, ASR stays past the fall of accuracy.
    assert (result.sets["valid"].counts.hits[:32] == 72).all()
    assert result.sets["sunglasses"].counts.rate[45] == 1
    assert result.sets["sunglasses"].counts.rate[55] < 0.1
    assert result.sets["valid"].counts.rate[54] < 0.8


@pytest.mark.slow
def test_the_order_of_stand_in_faces_is_close_to_the_published_one(network, faces, lab):
    clean, _, labels = faces
    result = fastprune.sweep(network, valid=(clean, labels))
    published = lab_order(lab)
    dead = set(np.flatnonzero(result.activations == 0).tolist())
    assert set(published[:31]) - {44} <= dead <= set(published[:31]) | {23, 6}
    place = np.empty((2, 60))
    place[0, result.order] = place[1, published] = np.arange(60)
    live = published[33:]
    assert np.corrcoef(place[:, live])[0, 1] > 0.95


def test_published_crossings_are_those_of_their_own_counts(lab):
    """The rule "at least X points" gives the published 45, 48, 52, 54 from the published counts."""
    import csv

    published = json.loads((lab / "published/published.json").read_text())
    from fastprune.results.counts import crossing

    with open(lab / "published/pool3_ascending_valid.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    column = next(key for key in rows[0] if "hits" in key)
    hits = [int(row[column]) for row in rows]
    n_valid = published["n_valid"]
    if len(hits) == 60:  # the file starts with one channel pruned
        hits.insert(0, published["badnet"]["valid_clean_hits"])
    crossings = {x: crossing(hits, n_valid, float(x)) for x in ("2", "4", "10", "30")}
    assert crossings == published["pool3_ascending"]["crossing"]
