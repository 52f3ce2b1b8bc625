"""Every layer of many networks that can be pruned, and some masked ones, against the definition.

All engines say of every image at every step what plain Keras says of the network with channels
zeroed; so do B′ and G.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from fastprune.errors import NetworkError, OptionError
from fastprune.networks.cuts import candidates
from fastprune.networks.goodnet import make_goodnet, make_repaired
from fastprune.networks.network import Network, load_network
from fastprune.networks.tracing import trace
from fastprune.runtime import backend
from fastprune.suffix import select
from tests.helpers import oracle, zoo
from tests.helpers.kept import kept_of
from tests.helpers.plain import plain
from tests.helpers.zoo_of_paths import PATHS

KINDS = {**zoo.ZOO, **PATHS}
IMAGES = 12

QUICK = (
    "last_of_a_residual_block", "last_of_a_dense_block", "two_outputs_a_channel",
    "gate_of_convolutions", "to_a_dense_and_to_a_normalization", "used_side_by_side", "transposed",
    "units_of_dense_layers",
)  # fmt: skip
"""Kinds whose prune layer is tried in the quick tests too."""


@pytest.fixture
def eagerly(monkeypatch):
    """Let engines compute without a trace: on few images it takes most of the time."""

    def as_it_is(call, **_):
        return lambda *arguments: call(*map(keras.ops.convert_to_tensor, arguments))

    monkeypatch.setattr(backend, "compiled", as_it_is)


def images_of(name: str) -> Any:
    kind = KINDS[name]
    return zoo.pictures(kind, IMAGES).astype(np.float32) / np.float32(kind.scale)


def loaded(name: str) -> Network:
    return load_network(zoo.build(name, kinds=KINDS), prune_layer=zoo.PRUNED)


def networks(whole: Network) -> Iterator[Network]:
    """Yield a network cut for every layer that can be pruned, both ways, and for three masks."""
    pruned = [cut.prune.name for cut in candidates(whole.graph, dense=True)]
    assert zoo.PRUNED in pruned
    for layer in pruned:
        yield whole.cut_at(prune_layer=layer)
        if is_normalized(whole, layer):
            yield whole.cut_at(prune_layer=layer, zero_at="bn")
        else:
            with pytest.raises(NetworkError, match="BatchNormalization with gamma and beta"):
                whole.cut_at(prune_layer=layer, zero_at="bn")
    before = [
        call for call in whole.graph.calls
        if call.output is not whole.graph.output and call.output.dtype == "float32"
    ]  # fmt: skip
    names = sorted({call.name for call in before})
    own = [call.name for call in before if not isinstance(call.operation, keras.Layer)]
    random = np.random.default_rng(zlib.crc32(whole.name.encode()))
    others = random.choice(names, 2 if whole.name in PATHS else 1).tolist()
    for layer in dict.fromkeys(["features", *own[:2], *others]):
        yield whole.cut_at(mask_layer=layer)


def is_normalized(network: Network, layer: str) -> bool:
    """Return whether a BatchNormalization with gamma and beta alone reads a layer's one output."""
    outputs = [call.output for call in network.graph.calls if call.name == layer]
    readers = [
        call for call in network.graph.calls
        if any(one is output for one in call.inputs for output in outputs)
    ]  # fmt: skip
    return (
        len(outputs) == len(readers) == 1
        and readers[0].kind == "BatchNormalization"
        and readers[0].operation.scale
        and readers[0].operation.center
    )


def order_of(network: Network) -> Any:
    return np.random.default_rng(7).permutation(network.n_channels)


def truth_of(network: Network, images: Any) -> oracle.Truth:
    """Return what the definition says of a network under :func:`order_of` it."""
    cut = network.cut
    return oracle.classes_of(
        network.model, cut.prune.name, order_of(network), images, cut.intervention.how
    )


def engines(network: Network) -> list[Any]:
    """Return all engines that can evaluate a network's suffix, each once."""
    found = [select.make_engine(network, "keras")]
    with suppress(OptionError):
        found.append(select.make_engine(network, "incremental"))
    with pytest.MonkeyPatch.context() as patch:  # no tail is light enough for compiled loops alone
        patch.setattr(select, "CACHED_WEIGHTS", -1)
        found.append(select.make_engine(network, "auto"))
    return list({engine.name: engine for engine in found}.values())


def check_engines(network: Network, images: Any, truth: oracle.Truth) -> None:
    """Compare every class of every engine with the definition's."""
    kept, order = kept_of(network, images), order_of(network)
    assert [one.shape[1:] for one in kept] == network.kept_shapes
    for engine in engines(network):
        steps = engine.classes(engine.block(*kept), order)
        if not truth.finite:
            assert steps.unusable is not None
            continue
        unlike = steps.classes != truth.classes
        for allowed in (truth.near_ties, steps.near_ties):
            assert not (unlike & ~allowed).any(), (
                f"{engine.name}, {network.cut.choice}, differs at steps "
                f"{np.unique(np.nonzero(unlike & ~allowed)[0])}"
            )


def check_networks(network: Network, images: Any, truth: oracle.Truth, step: int) -> None:
    """Compare the classes of B′ and G at a step with the definition's."""
    channels = order_of(network)[:step]
    repaired = plain(make_repaired(network, channels), images).argmax(axis=1)
    goodnet = plain(make_goodnet(network, channels), images).argmax(axis=1)
    sure = ~truth.near_ties[[0, step]].any(axis=0)
    agreed = np.where(truth.classes[0] == truth.classes[step], truth.classes[0], network.n_classes)
    np.testing.assert_array_equal(repaired[sure], truth.classes[step][sure])
    np.testing.assert_array_equal(goodnet[sure], agreed[sure])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.slow
def test_every_layer_of_a_network_however_it_is_pruned(name, eagerly):
    images, moved = images_of(name), []
    for index, network in enumerate(networks(loaded(name))):
        truth = truth_of(network, images)
        check_engines(network, images, truth)
        moved.append((truth.classes != truth.classes[0]).any())
        if index % 3 == 0 and truth.finite:
            check_networks(network, images, truth, step=1 + network.n_channels // 2)
    assert np.mean(moved) > 0.8, "pruning that changes nothing tests nothing"


@pytest.mark.parametrize("name", QUICK)
def test_the_prune_layer_of_a_network(name, eagerly):
    images, network = images_of(name), loaded(name)
    check_engines(network, images, truth_of(network, images))


# Where each kind is cut, what is kept of an image, and what is told of it.

CUTS = {
    ("last_of_a_residual_block", "prune_me"): ("global_average_pooling2d", 2, 0),
    ("inside_two_residual_blocks", "prune_me"): ("re_lu", 1, 1),
    ("last_of_a_dense_block", "prune_me"): ("global_average_pooling2d", 2, 0),
    ("other_sums", "prune_me"): ("global_average_pooling2d", 2, 0),
    ("above_one_another", "prune_me"): ("re_lu", 2, 0),
    ("operations_on_a_shortcut", "prune_me"): ("global_average_pooling2d", 2, 0),
    ("image_in_a_sum", "like_the_image"): ("average_pooling2d", 2, 0),
    ("image_in_a_concatenation", "prune_me"): ("prune_me", 1, 1),
    ("gated_by_itself_at_the_end", "prune_me"): ("re_lu", 1, 0),
    ("gate_of_convolutions", "prune_me"): ("prune_me", 1, 1),
    ("channels_and_their_opposites", "prune_me"): ("max_pooling2d", 1, 0),
    ("swish_built_of_a_product", "prune_me"): ("global_average_pooling2d", 1, 0),
    ("two_outputs_a_channel_beside_a_shortcut", "prune_me"): ("global_average_pooling2d", 2, 0),
    ("used_side_by_side", "prune_me"): ("global_average_pooling2d", 1, 0),
    ("convnext", "prune_me"): ("global_average_pooling2d", 2, 0),
}
"""Kind and prune layer to the cut layer, how many tracks are kept, and how many side tensors."""


def as_built(name: str) -> Any:
    """Return a network of a kind as Keras makes it: enough to see where it is cut."""
    inputs = keras.Input(zoo.IMAGE)
    return keras.Model(inputs, KINDS[name].body(inputs, 10))


@pytest.mark.parametrize(("name", "layer"), CUTS)
def test_the_cut_lies_as_far_behind_as_the_channels_stay_apart(name, layer):
    network = load_network(as_built(name), prune_layer=layer)
    cut_layer, tracks, sides = CUTS[name, layer]
    assert network.cut.layer.name.rstrip("_0123456789") == cut_layer
    assert len(network.kept) == tracks + sides
    assert len(network.cut.sides) == sides
    assert (network.pruned_value is None) == (tracks == 2)


def test_the_image_itself_may_be_a_side_tensor():
    network = load_network(as_built("image_in_a_concatenation"), prune_layer=zoo.PRUNED)
    assert network.cut.sides == (network.graph.input,)


@pytest.mark.parametrize("head", ["dense", "convolution"])
def test_features_are_what_the_classifier_takes(head):
    """A Dense layer of a gate is no classifier, though it may be the last Dense layer."""
    inputs = keras.Input(zoo.IMAGE)
    x = layers.Conv2D(6, 3, name="conv")(inputs)
    gate = layers.Dense(6, "sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Multiply(name="gated")([x, gate])
    if head == "dense":
        x = layers.Dense(4)(layers.GlobalAveragePooling2D(name="gated_pool")(x))
    else:
        x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 1, name="classifier")(x))
    cut = load_network(keras.Model(inputs, x), mask_layer="features").cut
    assert cut.prune.name == ("gated_pool" if head == "dense" else "gated")


# What cannot be pruned or masked, and why.


def twice(apart: bool) -> Any:
    """Return a network that calls a convolution twice, each before a normalization or in a row."""
    inputs = keras.Input(zoo.IMAGE)
    conv = layers.Conv2D(3, 3, padding="same", name="twice")
    if apart:
        parts = [layers.BatchNormalization(name="norm")(conv(inputs)), conv(layers.ReLU()(inputs))]
        x = layers.Add()(parts)
    else:
        x = layers.ReLU()(conv(conv(inputs)))
    return keras.Model(inputs, layers.Dense(4, name="scores")(layers.Flatten()(x)), name="net")


@pytest.mark.parametrize("option", ["prune_layer", "mask_layer"])
def test_a_layer_behind_itself_is_refused(option):
    with pytest.raises(NetworkError, match="'twice', used 2 times, so that its channels mix"):
        load_network(twice(apart=False), **{option: "twice"})


def test_a_normalization_of_one_of_two_calls_prunes_nothing_by_itself():
    model = twice(apart=True)
    with pytest.raises(NetworkError, match="twice has none; take zero_at='conv'"):
        load_network(model, prune_layer="twice", zero_at="bn")
    assert load_network(model, prune_layer="twice").cut.layer.kind == "Add"


def test_a_normalization_over_another_axis_is_no_channels_own():
    inputs = keras.Input(zoo.IMAGE)
    x = layers.Conv2D(10, 3, name="conv")(inputs)
    x = layers.Flatten()(layers.BatchNormalization(axis=1)(x))
    model = keras.Model(inputs, layers.Dense(4)(x))
    network = load_network(model)
    assert network.cut.layer.name == "conv"
    assert network.cut.intervention.gains(network.graph) is None
    with pytest.raises(NetworkError, match="conv has none"):
        load_network(model, zero_at="bn")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"prune_layer": "nowhere"}, "one of twice; got 'nowhere', no layer of that name"),
        ({"prune_layer": "norm"}, "the channels of a BatchNormalization are not pruned"),
        ({"prune_layer": "scores"}, "'scores', its channels are the class scores"),
        ({"prune_layer": "twice", "cut_layer": "flat"}, "cut_layer to be one of add"),
        ({"mask_layer": "scores"}, "got 'scores', the class scores"),
        ({"mask_layer": "nowhere"}, "got 'nowhere', no layer of that name"),
    ],
)
def test_layers_that_cannot_serve_are_named(options, match):
    with pytest.raises(NetworkError, match=match):
        load_network(twice(apart=True), **options)


@pytest.mark.parametrize("kind", ["Argmax", "Greater"])
def test_what_has_no_channels_is_not_masked(kind):
    model = as_built("picked_by_a_shortcut")
    (name,) = (call.name for call in trace(model).calls if call.kind == kind)
    with pytest.raises(NetworkError, match=f"got '{name}', whose output has no channels"):
        load_network(model, mask_layer=name)


@pytest.mark.parametrize(
    "options",
    [
        {"prune_layer": "a", "mask_layer": "b"}, {"mask_layer": "b", "zero_at": "bn"},
        {"zero_at": "gamma"},
    ],
)  # fmt: skip
def test_options_that_contradict_each_other(options):
    with pytest.raises(OptionError, match=r"^expected .*(got mask_layer|got 'gamma')"):
        load_network(twice(apart=True), **options)


def test_channels_that_come_first_are_refused():
    inputs = keras.Input(zoo.IMAGE)
    x = layers.Conv2D(12, 3, padding="same", name="conv")(inputs)
    x = layers.DepthwiseConv2D(3, data_format="channels_first", name="first")(x)
    model = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(x)))
    with pytest.raises(NetworkError, match="'first', its channels come first: build it with"):
        load_network(model, prune_layer="first")
    assert load_network(model, prune_layer="conv").cut.layer.name == "conv"


@pytest.mark.parametrize("dtype", ["mixed_float16", "float16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("place", ["first", "last"])
def test_layers_that_do_not_compute_in_float32_are_named(dtype, place):
    inputs = keras.Input(zoo.IMAGE)
    kinds = {name: dtype if name == place else "float32" for name in ("first", "last")}
    x = layers.Conv2D(3, 3, name="first", dtype=kinds["first"])(inputs)
    x = layers.Dense(4, name="last", dtype=kinds["last"])(layers.Flatten()(x))
    with pytest.raises(NetworkError, match=rf"float32 .* got b?float\d\d of '{place}' \(net\)"):
        load_network(keras.Model(inputs, x, name="net"))
