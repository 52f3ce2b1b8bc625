"""Criteria: statistics of activations and kernels, and orders against plain Keras."""

from __future__ import annotations

import warnings
from itertools import chain, pairwise

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import layers

import fastprune
from fastprune import reference
from fastprune.errors import OptionError
from fastprune.networks.network import load_network
from fastprune.orders.criteria import ordered, scores
from fastprune.orders.order import MEANINGS, parse_order
from fastprune.orders.ranking import make_order
from fastprune.orders.statistics import ActivationStatistics, Evidence
from fastprune.report.text.words import order_words
from fastprune.runtime import backend
from fastprune.runtime.progress import FastpruneWarning
from tests.helpers.networks import CHANNELS, IMAGE, build, deepid, normalized, pictures

activations = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3), st.just(4)),
    elements=st.sampled_from([-2.5, -0.0, 0.0, 0.5, 3.0]),
)
CRITERIA = tuple(name for name in MEANINGS if name != "oracle")


@given(activations, st.data())
def test_maxima_and_zeros_do_not_depend_on_the_chunks(values, data):
    bounds = sorted(data.draw(st.lists(st.integers(0, len(values) - 1), max_size=4)))
    ranker = ActivationStatistics(4, extremes=True)
    for part in np.split(values, bounds):
        if len(part):
            ranker.add(part)
    flat = values.reshape(-1, 4)
    np.testing.assert_array_equal(ranker.maxima, flat.max(axis=0))
    np.testing.assert_array_equal(ranker.zero_shares, (flat == 0).mean(axis=0))
    np.testing.assert_allclose(ranker.means, flat.astype(np.float64).mean(axis=0), atol=1e-12)
    magnitudes = np.abs(flat).astype(np.float64).mean(axis=0)
    np.testing.assert_array_equal(ranker.magnitudes, magnitudes)
    order = make_order(parse_order("mean-abs"), ranker.magnitudes)
    np.testing.assert_array_equal(order, np.argsort(magnitudes, kind="stable"))


@pytest.mark.parametrize("accelerator", [False, True])
@given(values=arrays.arrays(np.float32, (6, 2, 3), elements=st.floats(0, 100, width=32)))
@pytest.mark.slow
def test_magnitudes_of_what_is_never_negative_are_the_means_bit_for_bit(accelerator, values):
    signed = np.concatenate([values, -values[..., :1] - 1], axis=-1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "on_accelerator", lambda: accelerator)
        for given_values in (values, signed):
            ranker = ActivationStatistics(given_values.shape[-1])
            for part in np.split(given_values, [1, 4]):
                ranker.add(part)
            np.testing.assert_array_equal(ranker.magnitudes[:3], ranker.means[:3])
        assert ranker.magnitudes[3] == -ranker.means[3] > 0


def evidence(values, kernel):
    ranker = ActivationStatistics(values.shape[-1], extremes=True)
    ranker.add(values)
    return Evidence(ranker, kernel, {"bd": ranker})


@given(arrays.arrays(np.float32, (2, 2, 3, 5), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])))
def test_kernel_criteria_are_permutations_with_ties_in_index_order(kernel):
    known = evidence(np.zeros((1, 5), np.float32), kernel)
    for name in MEANINGS:
        named = parse_order("oracle:bd" if name == "oracle" else name)
        values = scores(named, known)
        order = make_order(named, values)
        assert sorted(order.tolist()) == [0, 1, 2, 3, 4]
        for first, second in pairwise(order):
            assert values[first] != values[second] or first < second
    doubled = np.concatenate([kernel, kernel[..., :1]], axis=-1)
    distances = scores(parse_order("fpgm"), evidence(np.zeros((1, 6), np.float32), doubled))
    assert distances[0] == distances[5], "equal kernels tie exactly"


def test_which_end_is_pruned_first():
    kernel = np.array([[[[1.0, -3.0, 2.0]]]], np.float32)
    known = evidence(np.array([[0, 0, 3], [1, 9, 3], [5, 0, 3]], np.float32), kernel)
    expected = {
        "ascending": [0, 1, 2], "mean-abs": [0, 1, 2], "descending": [1, 2, 0],
        "max": [2, 0, 1], "apoz": [1, 0, 2], "l1": [0, 2, 1], "l2": [0, 2, 1], "fpgm": [0, 2, 1],
    }  # fmt: skip
    known.backdoored["bd"] = ActivationStatistics(3)
    known.backdoored["bd"].add(np.array([[2, 4, 9]], np.float32))
    expected["oracle:bd"] = [2, 1, 0]
    for name, channels in expected.items():
        order = parse_order(name)
        values = scores(order, known)
        if name == "ascending":  # means 2, 3, 3
            assert values.tolist() == [2, 3, 3]
        assert ordered(order.criterion, values).tolist() == channels, name
    for without in ("random:1", "oracle"):
        with pytest.raises(OptionError, match=f"fpgm.*got '{without}'"):
            scores(parse_order(without), known)


def separable(x):
    x = layers.SeparableConv2D(CHANNELS, 3, activation="relu", name="prune_me")(x)
    x = layers.MaxPooling2D(2, name="cut_here")(x)
    return layers.Dense(5)(layers.Flatten()(x))


def grouped(x):
    """Two groups, no ReLU: activations may be negative."""
    x = layers.Conv2D(CHANNELS, 3, groups=2, name="prune_me")(x)
    x = layers.AveragePooling2D(2, name="cut_here")(x)
    return layers.Dense(5)(layers.Flatten()(x))


def layer_normalized(x):
    """LayerNormalization belongs to all channels, so the cut lies before it, without a ReLU."""
    x = layers.Conv2D(CHANNELS, 3, name="prune_me")(x)
    x = layers.AveragePooling2D(2, name="cut_here")(x)
    x = layers.Activation("relu")(layers.LayerNormalization()(x))
    return layers.Dense(5)(layers.Flatten()(x))


def made(body):
    """A network with random weights and biases."""
    if body is not separable:
        return build(body)
    keras.utils.set_random_seed(0)
    inputs = keras.Input(IMAGE)
    model = keras.Model(inputs, body(inputs))
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize(
    ("body", "rank_on", "warned"),
    [
        (deepid, "cut", ""), (normalized, "prune", "ascending descending apoz"),
        (separable, "prune", ""), (grouped, "cut", "ascending descending max apoz"),
        (layer_normalized, "cut", "ascending descending max apoz"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)  # fmt: skip
@pytest.mark.slow
def test_orders_are_those_of_plain_keras(body, rank_on, warned):
    model = made(body)
    images, bad = pictures(90, 1), pictures(40, 2) + np.float32(0.7)
    labels = model.predict(images, verbose=0).argmax(axis=1)
    target = np.bincount(model.predict(bad, verbose=0).argmax(axis=1)).argmax()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", FastpruneWarning)
        results = fastprune.sweep_orders(
            model, orders=[*CRITERIA, "oracle"], valid=(images, labels),
            backdoored={"bd": (bad, np.full(40, target))}, rank_on=rank_on, cut_layer="cut_here",
        )  # fmt: skip
    # What is said on stderr is what the results say, each line once: nothing behind a ReLU.
    kept = {result.order_name: result.warnings for result in results}
    assert [str(warning.message) for warning in said] == list(
        chain.from_iterable(kept.values())
    )
    assert [name for name in kept if kept[name]] == warned.split()
    layer = "cut_here" if rank_on == "cut" else "prune_me"
    for result, name in zip(results, [*CRITERIA, "oracle"], strict=True):
        expected = (
            np.argsort(-clp_bounds(model, "prune_me"), kind="stable") if name == "clp"
            else reference.criterion_order(name, model, "prune_me", layer, images, bad)
        )  # fmt: skip
        np.testing.assert_array_equal(result.order, expected, err_msg=name)
        assert result.oracle == ("bd" if name == "oracle" else None)
        assert (np.diff(result.scores[result.order]) >= 0).all() or name in (
            "descending", "apoz", "oracle", "clp",
        )  # fmt: skip
    assert results[-1].order_name == "oracle:bd"
    # What is counted is what the order says, whichever criterion made it.
    for result in results[2:]:
        pruned = reference.classes(model, "prune_me", result.order[:3], bad)
        assert result.sets["bd"].counts.hits[3] == np.sum(pruned == target), result.order_name


def clp_bounds(model, name):
    """Return what CLP prunes by, a channel at a time: gamma / sqrt(var + eps) times its kernel's
    largest singular value."""
    layer = model.get_layer(name)
    kind = type(layer).__name__
    kernel = layer.pointwise_kernel if kind == "SeparableConv2D" else layer.kernel
    kernel, found = keras.ops.convert_to_numpy(kernel).astype(float), []
    for channel in range(layer.output.shape[-1]):
        if kind == "DepthwiseConv2D":
            several = layer.depth_multiplier
            own = kernel[:, :, channel // several, channel % several][:, :, None]
        elif kind == "Conv2DTranspose":
            own = kernel[:, :, channel]
        else:
            own = kernel[..., channel]
        matrix = np.array([own[..., one].ravel() for one in range(own.shape[-1])])
        found.append(np.sqrt(np.linalg.eigvalsh(matrix @ matrix.T)[-1]))
    for norm in model.layers:
        if isinstance(norm, layers.BatchNormalization) and norm.input is layer.output:
            gamma, _, _, variance = norm.get_weights()
            return np.abs(gamma / np.sqrt(variance + norm.epsilon)) * found
    return np.array(found)


KERNELS = {
    "plain": lambda: layers.Conv2D(6, 3, name="prune_me"),
    "grouped": lambda: layers.Conv2D(6, (2, 3), groups=2, name="prune_me"),
    "separable": lambda: layers.SeparableConv2D(6, 3, name="prune_me"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=3, name="prune_me"),
    "transposed": lambda: layers.Conv2DTranspose(6, (3, 2), name="prune_me"),
    "pointwise": lambda: layers.Dense(6, name="prune_me"),
}


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("name", [*KERNELS, "units"])
def test_the_lipschitz_bound_of_a_channel(name, normalized):
    keras.utils.set_random_seed(1)
    inputs = keras.Input(IMAGE)
    if name == "units":
        x = layers.Dense(6, name="prune_me")(layers.Flatten()(inputs))
    else:
        x = KERNELS[name]()(inputs)
    norm = layers.BatchNormalization()
    x = layers.Flatten()(norm(x) if normalized else x)
    model = keras.Model(inputs, layers.Dense(5)(x))
    if normalized:
        gamma, variance = [3, -1, 1, 0, -4, 0.2], [1, 4, 1, 1, 9, 0.1]
        norm.set_weights([np.array(gamma), np.ones(6), np.ones(6), np.array(variance)])
    network = load_network(model, prune_layer="prune_me")
    intervention = network.cut.intervention
    known = Evidence(
        ActivationStatistics(6), intervention.kernel, gains=intervention.gains(network.graph)
    )
    values, expected = scores(parse_order("clp"), known), clp_bounds(model, "prune_me")
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    np.testing.assert_array_equal(ordered("clp", values), np.argsort(-expected, kind="stable"))


def test_a_masked_layer_without_a_kernel_has_no_order_by_kernel():
    model = build(deepid)
    images = pictures(20, 1)
    labels = model.predict(images, verbose=0).argmax(axis=1)
    with pytest.raises(OptionError, match=r"its channels by clp.*\(activation.*\); take an order"):
        fastprune.sweep(model, valid=(images, labels), mask_layer="features", order="clp")


def test_mean_abs_keeps_what_a_signed_mean_prunes_first():
    """Four channels tell the classes, by large negative activations; four say next to nothing."""
    inputs = keras.Input((3, 3, 4))
    x = layers.Conv2D(8, 1, name="prune_me")(inputs)
    x = layers.AveragePooling2D(3, name="cut_here")(x)
    model = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(x)))
    classes = np.eye(4, dtype=np.float32)
    model.set_weights(
        [
            np.concatenate([-9 * classes, 0.1 * classes], axis=1)[None, None], np.zeros(8),
            np.concatenate([-classes, 0 * classes]), np.arange(4) / 10,
        ]
    )  # fmt: skip
    labels = np.arange(40) % 4
    images = np.broadcast_to(classes[labels][:, None, None], (40, 3, 3, 4))
    with pytest.warns(FastpruneWarning, match=r"4 of 8 channels \(cut_here\)") as said:
        signed, absolute, again = fastprune.sweep_orders(
            model, valid=(images, labels), drops=(10,), cut_layer="cut_here",
            orders=["ascending", "mean-abs", "ascending"],
        )  # fmt: skip
    # TensorFlow has warnings of its own to give on the newest Python.
    said = [one for one in said if issubclass(one.category, FastpruneWarning)]
    assert len(said) == 1, "once, however many orders it is true of"
    assert signed.crossings == {10: 1}
    assert absolute.crossings == {10: 5}
    assert signed.warnings == again.warnings == (str(said[0].message),)
    assert absolute.warnings == ()


@pytest.mark.slow
def test_an_oracles_set_runs_once_as_every_other(prefix_calls):
    model = build(deepid)
    images = pictures(60, 1)
    sets = {
        "valid": (images, model.predict(images, verbose=0).argmax(axis=1)),
        "backdoored": {
            "bd_valid": (pictures(33, 2), np.zeros(33, int)),
            "bd_test": (pictures(21, 3), np.zeros(21, int)),
        },
    }
    orders = ["max", "oracle", "apoz", "oracle:bd_test", "l1", "random:1"]
    results = fastprune.sweep_orders(model, orders=orders, cut_layer="cut_here", **sets)
    assert sum(prefix_calls) == 60 + 33 + 21
    assert results[1].oracle == "bd_valid", "the set that goes with the validation set"
    alone = fastprune.sweep(model, order="oracle:bd_test", cut_layer="cut_here", **sets)
    for name, part in results[3].sets.items():
        np.testing.assert_array_equal(part.counts.hits, alone.sets[name].counts.hits)


@pytest.mark.parametrize(
    ("order", "backdoored", "preferred", "found"),
    [
        ("oracle", ["bd"], [], "oracle:bd"),
        ("oracle", ["bd_valid", "bd"], ["bd_valid"], "oracle:bd_valid"),
        ("oracle:bd", ["bd_valid", "bd"], ["bd_valid"], "oracle:bd"),
        ("max", [], [], "max"),
    ],
)
def test_which_set_an_oracle_looks_at(order, backdoored, preferred, found):
    assert parse_order(order).with_oracle_set(backdoored, preferred).name == found


@pytest.mark.parametrize(
    ("order", "backdoored", "match"),
    [
        ("oracle:x", ["bd_1", "bd_2"], "got 'x'; there is bd_1, bd_2"),
        ("oracle:", ["bd_1"], "got ''; there is bd_1"),
        ("oracle", [], "got none; name it"),
        ("oracle", ["bd_1", "bd_2"], "one backdoored set; got bd_1, bd_2"),
    ],
)
def test_oracles_that_look_at_nothing(order, backdoored, match):
    with pytest.raises(OptionError, match=match):
        parse_order(order).with_oracle_set(backdoored, [])


def test_every_criterion_has_words_and_an_oracle_says_what_it_is():
    assert "no defender" in order_words("oracle:bd")
    assert all(order_words(name) != f"order of {name}" for name in MEANINGS)
