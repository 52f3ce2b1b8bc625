"""What results say of the network: a value with fields, and the mapping of sweep.json."""

from __future__ import annotations

import dataclasses
import json

import pytest

from fastprune.results.network_info import NetworkInfo
from tests.helpers.results import network_info

KEYS = [
    "path", "name", "n_classes", "n_channels", "prune_layer", "cut_layer", "input_shape",
    "parameters", "fingerprint", "written_by", "intervention", "behind",
    "branches",
]  # fmt: skip
"""As ``sweep.json`` has them."""


def test_json_keeps_its_form_and_is_read_back():
    info = network_info(path="/nets/b.h5")
    told = info.as_json()
    assert list(told) == KEYS
    assert told["input_shape"] == [6, 5, 3]
    read = NetworkInfo.from_json(json.loads(json.dumps({**told, "of_a_later_release": 1})))
    assert read == info
    assert read.as_json() == told
    assert read.input_shape == (6, 5, 3)


def test_results_that_name_no_intervention_zeroed_the_weights():
    told = network_info(intervention="mask").as_json()
    assert NetworkInfo.from_json(told).intervention == "mask"
    del told["intervention"]
    assert NetworkInfo.from_json(told).intervention == "weights"
    del told["cut_layer"]
    with pytest.raises(KeyError, match="cut_layer"):
        NetworkInfo.from_json(told)


def test_it_is_read_as_the_mapping_too():
    info = network_info()
    assert info["name"] == info.name == "small_net"
    assert dict(info) == {**info} == info == info.as_json()
    assert info.get("nothing", "?") == "?"
    assert len(info) == len(KEYS)
    with pytest.raises(KeyError):
        info["nothing"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.name = "other"
