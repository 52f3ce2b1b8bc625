"""Sweeps of one layer after another, pruned and masked: counts, passes, files, laws."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import fastprune
from fastprune.errors import NetworkError, OptionError
from fastprune.networks.goodnet import make_goodnet, make_repaired
from fastprune.networks.network import load_network
from fastprune.result import SweepResult
from fastprune.sweeping.cut_store import CutStore
from tests.helpers import oracle
from tests.helpers.networks import block, build, pictures
from tests.helpers.plain import plain

N_CLASSES = 7
SIZES = {"valid": 60, "test": 30, "bd": 21}

CHOICES = {
    "first": {"prune_layer": "first"},
    "inner": {"prune_layer": "inner"},
    "last": {"prune_layer": "prune_me"},
    "bn": {"prune_layer": "prune_me", "zero_at": "bn"},
    "features": {"mask_layer": "features"},
    "sum": {"mask_layer": "sum"},
}
"""What is pruned or masked, by a short name."""

CUT_AT = {
    "first": ("first", 0), "inner": ("inner", 1), "last": ("cut_here", 0), "bn": ("cut_here", 0),
    "features": ("cut_here", 0), "sum": ("cut_here", 0),
}  # fmt: skip
"""The cut layer of each, and how many side tensors there are."""


@pytest.fixture(scope="module")
def model():
    return build(block)


@pytest.fixture(scope="module")
def sets(model):
    """Images with B's own classes as labels, one in eight wrong; the backdoored ones all say 0."""
    images = {name: pictures(count, seed) for seed, (name, count) in enumerate(SIZES.items())}
    labels = {name: plain(model, part).argmax(axis=1) for name, part in images.items()}
    for name in ("valid", "test"):
        labels[name][::8] = (labels[name][::8] + 1) % N_CLASSES
    return {
        "valid": (images["valid"], labels["valid"]),
        "clean": {"test": (images["test"], labels["test"])},
        "backdoored": {"bd": (images["bd"], np.zeros(SIZES["bd"], int))},
    }


@pytest.fixture(scope="module")
def single(model, sets):
    """Return a function: the sweep of one layer by itself, made once."""
    made: dict[Any, SweepResult] = {}

    def sweep(**options):
        key = tuple(options.items())
        if key not in made:
            made[key] = fastprune.sweep(model, **options, **sets)
        return made[key]

    return sweep


def parts(sets):
    return {"valid": sets["valid"], **sets["clean"], **sets["backdoored"]}


def same_counts(found, expected):
    np.testing.assert_array_equal(found.order, expected.order)
    for name, part in expected.sets.items():
        for counts in ("hits", "goodnet_hits", "flagged"):
            np.testing.assert_array_equal(
                getattr(found.sets[name].counts, counts), getattr(part.counts, counts)
            )


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.slow
def test_a_sweep_from_file_to_file(tmp_path, model, sets, name):
    """Counts are the definition's, and so are the classes of every network that is saved."""
    choice = CHOICES[name]
    model.save(tmp_path / "B.keras")
    result = fastprune.sweep(tmp_path / "B.keras", **choice, drops=(2, 40), verify=3, **sets)
    info, how = result.network, result.network.intervention
    assert how == {"bn": "weights+bn", "features": "mask", "sum": "mask"}.get(name, "weights")
    named = "cut_here" if name == "features" else next(iter(choice.values()))
    assert (info.prune_layer, info.cut_layer) == (named, CUT_AT[name][0])
    assert info.behind == {"first": 2, "inner": 1}.get(name, 0)
    assert result.options["verified"]["compared"] == 3 * sum(SIZES.values())
    classes = {}
    for part, (images, labels) in parts(sets).items():
        truth = oracle.classes_of(model, named, result.order, images, how)
        assert not truth.near_ties.any()
        counts, classes[part] = result.sets[part].counts, truth.classes
        hit, agree = truth.classes == labels, truth.classes == truth.classes[0]
        np.testing.assert_array_equal(counts.hits, hit.sum(axis=1))
        np.testing.assert_array_equal(counts.goodnet_hits, (hit & agree).sum(axis=1))
        np.testing.assert_array_equal(counts.flagged, (~agree).sum(axis=1))
    result.save(tmp_path / "results", plots=False)
    again = SweepResult.load(tmp_path / "results").loaded_network().cut
    assert again.choice == result.runtime.cut.choice
    assert (again.layer.name, len(again.sides)) == CUT_AT[name]
    images, (first, *_) = sets["clean"]["test"][0], classes["test"]
    for drop, step in result.crossings.items():
        here = classes["test"][step]
        files = {
            f"repaired_{drop:g}.keras": here, f"repaired_{drop:g}.h5": here,
            f"goodnet_{drop:g}.keras": np.where(here == first, first, N_CLASSES),
        }  # fmt: skip
        for file, expected in files.items():
            read = keras.saving.load_model(tmp_path / "results" / file, compile=False)
            np.testing.assert_array_equal(plain(read, images).argmax(axis=1), expected)


@pytest.mark.slow
def test_every_layer_in_one_pass(model, sets, single, prefix_calls):
    found = fastprune.sweep_layers(model, **sets)
    assert sum(prefix_calls) == sum(SIZES.values()), "the prefix runs once per image"
    assert [result.network.prune_layer for result in found] == ["first", "inner", "prune_me"]
    for result in found:
        assert result.options["prefix_passes"] == 1
        same_counts(result, single(prune_layer=result.network.prune_layer))


@pytest.mark.slow
def test_named_layers_in_their_order_under_several_orders(model, sets, prefix_calls):
    orders = ["mean-abs", "oracle", "clp"]
    found = fastprune.sweep_layers(
        model, prune_layers=["prune_me", "inner"], orders=orders, rank_on="prune", **sets
    )
    assert sum(prefix_calls) == sum(SIZES.values())
    assert [(result.network.prune_layer, result.order_name.split(":")[0]) for result in found] == [
        (layer, order) for layer in ("prune_me", "inner") for order in orders
    ]
    for layer in ("prune_me", "inner"):
        alone = fastprune.sweep_orders(
            model, prune_layer=layer, orders=orders, rank_on="prune", **sets
        )
        for result, expected in zip(found[: len(orders)], alone, strict=True):
            same_counts(result, expected)
        del found[: len(orders)]


@pytest.mark.slow
def test_little_memory_parts_the_layers_and_changes_no_count(
    model, sets, single, prefix_calls, monkeypatch
):
    spilled = []
    to_disk = CutStore._to_disk
    monkeypatch.setattr(
        CutStore, "_to_disk", lambda self, kept: (spilled.append(kept), to_disk(self, kept))[1]
    )
    monkeypatch.setattr("fastprune.sweeping.options.machine.parse_size", lambda _: 4000)
    found = fastprune.sweep_layers(model, prune_layers=["inner", "prune_me"], **sets)
    assert sum(prefix_calls) == 2 * sum(SIZES.values())
    assert {kept.has_pruned for kept in spilled} == {True, False}
    for result in found:
        assert result.options["prefix_passes"] == 2
        same_counts(result, single(prune_layer=result.network.prune_layer))


@pytest.mark.slow
def test_laws_of_what_is_pruned(model, sets):
    """G of B and B is B, no G is better than B or B′, and channels pruned twice are pruned once."""
    images = sets["clean"]["test"][0]
    own = plain(model, images).argmax(axis=1)
    for choice in CHOICES.values():
        result = fastprune.sweep(model, **choice, order="random:2", **sets)
        for part in result.sets.values():
            counts = part.counts
            assert counts.flagged[0] == 0
            assert counts.goodnet_hits[0] == counts.hits[0]
            assert (counts.goodnet_hits <= np.minimum(counts.hits, counts.hits[0])).all()
        network, order = load_network(model, **choice), result.order
        goodnet = make_goodnet(network, order[:0])
        np.testing.assert_array_equal(plain(goodnet, images).argmax(axis=1), own)
        whole = plain(make_repaired(network, order[:4]), images)
        half = load_network(make_repaired(network, order[:2]), **choice)
        np.testing.assert_array_equal(plain(make_repaired(half, order[2:4]), images), whole)


def test_a_network_that_was_loaded_before_keeps_its_cut(model, sets):
    loaded = load_network(model, mask_layer="features")
    result = fastprune.sweep(loaded, valid=sets["valid"])
    assert (result.network.intervention, result.network.prune_layer) == ("mask", "cut_here")
    assert loaded.cut_at(prune_layer="inner").model is loaded.model


@pytest.mark.parametrize(
    ("layers", "error", "match"),
    [
        ([], OptionError, "one prune layer or more, each once; got none"),
        (["inner", "inner"], OptionError, "each once; got inner, inner"),
        (["inner", "nowhere"], NetworkError, "one of scores?.*got 'nowhere'|got 'nowhere'"),
        (["inner", "sum"], NetworkError, "the channels of a Add are not pruned"),
    ],
)
def test_layers_that_cannot_be_meant(model, sets, layers, error, match):
    with pytest.raises(error, match=match):
        fastprune.sweep_layers(model, prune_layers=layers, valid=sets["valid"])


def test_a_normalization_that_a_layer_lacks_is_told_of(model, sets):
    with pytest.raises(NetworkError, match="first has none; take zero_at='conv'"):
        fastprune.sweep_layers(
            model, prune_layers=["first"], zero_at="bn", valid=sets["valid"]
        )  # fmt: skip
    with_one = fastprune.sweep_layers(model, zero_at="bn", valid=sets["valid"])
    assert with_one
    assert "first" not in [result.network.prune_layer for result in with_one]
    assert {result.network.intervention for result in with_one} == {"weights+bn"}
