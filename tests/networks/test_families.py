"""Which layer of well-known networks is pruned, and where they are cut: one table says it."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from fastprune.networks import lab_deepid
from fastprune.networks.cuts import behind, branches
from fastprune.networks.network import load_network

TABLE = Path(__file__).parents[2] / "bench" / "expected_layers.json"
"""By network: the smallest images it takes, prune layer, cut layer, how many convolutions lie
behind, and other branches of the same cut. ``python -m bench.families`` reads it as well."""

EXPECTED = json.loads(TABLE.read_text(encoding="utf-8"))

SAMPLE = (
    "ResNet50", "DenseNet121", "MobileNet", "MobileNetV3Small", "Xception", "InceptionV3",
    "ConvNeXtTiny",
)  # fmt: skip
"""Families that are tried here; the benchmark tries all."""


def check(model, name):
    network, expected = load_network(model), EXPECTED[name]
    graph, cut = network.graph, network.cut
    assert (cut.prune.name, cut.layer.name) == (expected["prune"], expected["cut"])
    assert cut.sides == ()
    assert len(behind(graph, cut)) == expected["behind"]
    assert sorted(branches(graph, cut)) == expected.get("branches", [])


def test_the_labs_network_keeps_its_layer():
    check(lab_deepid.deepid(11), "lab")


@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.slow
def test_the_layer_that_the_field_prunes(name):
    keras.backend.clear_session()  # Keras numbers some layers of a network across networks
    shape = (EXPECTED[name]["size"],) * 2 + (3,)
    check(getattr(keras.applications, name)(weights=None, classes=10, input_shape=shape), name)


def test_every_family_stands_in_the_table():
    assert len(EXPECTED) == 17
    assert set(SAMPLE) < set(EXPECTED)
    assert all(hasattr(keras.applications, name) for name in set(EXPECTED) - {"lab"})
    assert np.all([set(one) >= {"size", "prune", "cut", "behind"} for one in EXPECTED.values()])
