"""The engines against the oracle: plain Keras on networks with zeroed weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from numba import njit

from fastprune import reference
from fastprune.errors import OptionError
from fastprune.networks.network import load_network
from fastprune.runtime.backend import to_numpy
from fastprune.suffix import decision, vectors
from fastprune.suffix.engine import TOLERANCE, fill_down
from fastprune.suffix.select import make_engine
from fastprune.suffix.vectors import LANES, WIDTH
from tests.helpers.networks import (
    CHANNELS,
    branches,
    build,
    check_against_reference,
    deep_dense,
    deepid,
    dense_on_pixels,
    normalized,
    pictures,
    residual,
    stem,
    strided,
    unknown_start,
    unknown_tail,
)

COMPILED = (deepid, deep_dense, strided, normalized, branches, residual, dense_on_pixels)


@pytest.mark.parametrize("engine", ["incremental", "keras"])
@pytest.mark.parametrize("body", COMPILED, ids=lambda body: body.__name__)
def test_every_class_at_every_step_is_that_of_plain_keras(body, engine):
    check_against_reference(build(body), engine, expected_engine=engine)


@pytest.mark.parametrize("body", [unknown_tail])
@pytest.mark.slow
def test_what_has_no_compiled_form_is_left_to_keras(body):
    for engine in ("auto", "incremental"):
        check_against_reference(build(body), engine, expected_engine="incremental+keras")


@pytest.mark.slow
def test_a_suffix_that_starts_with_the_unknown_is_left_to_keras_whole():
    model = build(unknown_start)
    check_against_reference(model, "auto", expected_engine="keras")
    with pytest.raises(OptionError, match="LayerNormalization"):
        make_engine(load_network(model, cut_layer="cut_here"), "incremental")


@pytest.mark.slow
def test_a_cut_at_the_prune_layer_itself():
    for engine in ("incremental", "keras"):
        check_against_reference(build(deepid), engine, cut_layer="prune_me")


@pytest.mark.slow
def test_heavy_tails_run_in_batches(monkeypatch):
    monkeypatch.setattr("fastprune.suffix.select.CACHED_WEIGHTS", 0)
    for body in (deepid, dense_on_pixels):
        check_against_reference(build(body), "auto", expected_engine="incremental+keras")
    # A tail that reads the cut itself cannot be fed from the linear layers alone.
    check_against_reference(build(branches), "auto", expected_engine="keras")


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(CHANNELS)), sizes=st.lists(st.integers(1, 9), min_size=1))
def test_classes_do_not_depend_on_how_images_are_blocked(order, sizes):
    network = load_network(CHUNKING["model"])
    engine, images = CHUNKING["engine"], pictures(sum(sizes))
    order = np.array(order)
    cut = to_numpy(network.prefix(images))
    whole = engine.classes(engine.block(cut), order).classes
    stops = np.cumsum(sizes)
    parts = [
        engine.classes(engine.block(cut[stop - size : stop]), order).classes
        for size, stop in zip(sizes, stops, strict=True)
    ]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


CHUNKING = {}


@pytest.fixture(autouse=True, scope="module")
def _chunking_engine():
    CHUNKING["model"] = build(deepid)
    CHUNKING["engine"] = make_engine(load_network(CHUNKING["model"]), "incremental")


def test_a_channel_at_its_pruned_value_costs_nothing(monkeypatch):
    """The Keras engine evaluates step 0 of each image and the pairs that change, none twice."""
    network = load_network(build(deepid))
    engine = make_engine(network, "keras")
    evaluated = []
    plain = engine.decide_pairs
    monkeypatch.setattr(
        engine, "decide_pairs", lambda *a: (evaluated.append(len(a[1])), plain(*a))[1]
    )
    images = pictures()
    cut = to_numpy(network.prefix(images))
    differs = (cut != network.pruned_value).reshape(len(images), -1, CHANNELS).any(axis=1)
    engine.classes(engine.block(cut), np.arange(CHANNELS))
    # Without any channel all images look the same: the first stands for all.
    alike = differs[1:, -1].sum()
    assert sum(evaluated) == len(images) + differs.sum() - alike < differs.size


def test_only_live_channels_are_kept():
    network = load_network(build(deepid))
    cut = to_numpy(network.prefix(pictures())).copy()
    cut[..., [0, 3]] = network.pruned_value[..., [0, 3]]
    block = make_engine(network, "incremental").block(cut)
    assert not {0, 3} & set(block.channels.tolist())
    assert block.values.shape[2] == len(block.channels) < CHANNELS


def test_exact_ties_are_near_ties_and_keras_has_the_last_word():
    """Two classes with the same weights: argmax takes the lower one, and it is reported."""
    model = build(deepid)
    weights = model.layers[-1].get_weights()
    weights[0][:, 5], weights[1][5] = weights[0][:, 2], weights[1][2]
    weights[1][[2, 5]] += 100
    model.layers[-1].set_weights(weights)
    for name in ("incremental", "keras"):
        engine = make_engine(load_network(model), name)
        cut = load_network(model).prefix(pictures())
        steps = engine.classes(engine.block(cut), np.arange(CHANNELS))
        assert steps.near_ties.all()
        assert (steps.classes == 2).all()


@given(st.integers(1, 6), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_rows_are_added_as_a_matrix_product_does(width, count, seed):
    rng = np.random.default_rng(seed)
    size, lanes = width * WIDTH, LANES
    weights = rng.standard_normal((50, size), np.float32)
    rows = rng.integers(0, 50, count)
    factors = rng.standard_normal((count, lanes), np.float32)
    values = rng.standard_normal((lanes + 2, size + 7), np.float32)
    expected = values.copy()
    expected[1 : lanes + 1, 3 : 3 + size] += factors.T.astype(np.float64) @ weights[rows]
    one, three, wide, many = (np.uint64(part) for part in (1, 3, size, count))
    starts = (rows * size).astype(np.uint64)
    add_rows(values, one, three, wide, weights.ravel(), starts, factors, many)
    np.testing.assert_allclose(values, expected, atol=1e-4)
    outside = np.ones(values.shape, bool)
    outside[1 : lanes + 1, 3 : 3 + size] = False
    np.testing.assert_array_equal(values[outside], expected[outside].astype(np.float32))


@njit
def add_rows(values, lane, out, size, weights, rows, factors, count):
    vectors.add_rows(values, lane, out, size, weights, rows, factors, count)


def decide(scores):
    start, size, arenas = np.uint64(0), np.uint64(len(scores)), scores[None]
    bits = arenas.view(np.int32)
    return decision.decide(arenas, bits, np.uint64(0), start, size, np.float32(TOLERANCE))


@given(
    scores=st.lists(
        st.one_of(st.integers(-3, 3), st.floats(-1e6, 1e6, width=32)), min_size=2, max_size=70
    ),
)
def test_decide_is_argmax_and_finds_near_ties(scores):
    scores = np.array(scores, np.float32)
    found, near = decide(scores)
    assert found == scores.argmax()
    first, second = np.sort(scores.astype(np.float64))[[-1, -2]]
    gap, size = first - second, max(np.abs(scores.astype(np.float64)).max(), 1)
    # The bound itself is rounded to float32: by up to 1/64 of the tolerance.
    if gap > 1.02 * TOLERANCE * size:
        assert not near
    if gap < 0.98 * TOLERANCE * size or gap == 0:
        assert near


def test_decide_flags_what_is_no_number():
    for place in (0, 17, 39):
        scores = np.arange(40, dtype=np.float32)
        scores[place] = np.nan
        assert decide(scores)[1]


@given(st.integers(1, 6), st.integers(1, 4), st.randoms(use_true_random=False))
def test_fill_down_is_a_loop(steps, images, random):
    known = np.array([[random.random() < 0.5 for _ in range(images)] for _ in range(steps)])
    known[0] = True
    values = np.arange(steps * images).reshape(steps, images)
    expected = values.copy()
    for step in range(1, steps):
        expected[step] = np.where(known[step], values[step], expected[step - 1])
    np.testing.assert_array_equal(fill_down(values, known), expected)


@pytest.mark.slow
def test_operations_with_constants_are_not_taken_for_layers():
    """``x * -1`` is an operation named Multiply with one tensor: it must not become nothing."""

    def negated(x):
        x = layers.Flatten()(stem(x))
        return layers.Dense(5)(x) * -1.0 + 0.1 * np.arange(5, dtype=np.float32)

    def twice(x):
        x = layers.Dense(5)(layers.Flatten()(stem(x)))
        return x + x

    def transposed(x):
        return layers.Dense(5)(layers.Flatten(data_format="channels_first")(stem(x)))

    for body in (negated, twice, transposed):
        check_against_reference(build(body), "auto")


@pytest.mark.parametrize("head", ["relu", "max"])
@pytest.mark.slow
def test_overflow_is_not_hidden(head):
    """Scores that overflow are reported as near-ties, and Keras says what they are."""
    model = build(deepid)
    weights = model.layers[-1].get_weights()
    model.layers[-1].set_weights([weights[0] * 1e38, weights[1]])
    network = load_network(model, cut_layer="cut_here")
    engine = make_engine(network, "incremental")
    images = pictures() * (1e3 if head == "relu" else 1e6)
    steps = engine.classes(engine.block(network.prefix(images)), np.arange(CHANNELS))
    for step in range(CHANNELS + 1):
        expected = reference.classes(model, "prune_me", np.arange(step), images)
        assert not ((steps.classes[step] != expected) & ~steps.near_ties[step]).any()
