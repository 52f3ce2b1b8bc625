"""The sweep end to end: against the oracle, call counts, memory, options, warnings."""

import gc
import tempfile

import h5py
import keras
import numpy as np
import pytest

import fastprune
from fastprune import reference
from fastprune.errors import FastpruneError, OptionError
from fastprune.runtime.progress import FastpruneWarning
from fastprune.suffix.engine import Block, by_channel
from fastprune.sweeping import passes, phases
from fastprune.sweeping.cut_store import CutStore
from tests.helpers.networks import (
    CHANNELS,
    IMAGE,
    build,
    deepid,
    normalized,
    pictures,
    unknown_tail,
)
from tests.helpers.open_files import open_below

CLASSES = 7


@pytest.fixture(scope="module")
def model():
    return build(deepid)


def labelled(model, count, seed):
    """Images with B's own classes as labels, one in eight wrong."""
    images = pictures(count, seed)
    labels = model.predict(images, verbose=0).argmax(axis=1)
    labels[::8] = (labels[::8] + 1) % model.output_shape[-1]
    return images, labels


@pytest.fixture(scope="module")
def sets(model):
    images, _ = labelled(model, 41, 3)
    target = np.zeros(len(images), int)
    return {
        "valid": labelled(model, 150, 1),
        "clean": {"test": labelled(model, 67, 2)},
        "backdoored": {"bd": (images, target)},
    }


def expected_counts(model, order, images, labels):
    """hits, goodnet_hits, flagged at every step, from plain Keras on zeroed weights."""
    classes = [
        reference.classes(model, "prune_me", order[:step], images) for step in range(CHANNELS + 1)
    ]
    right = [np.sum(found == labels) for found in classes]
    both = [np.sum((found == classes[0]) & (found == labels)) for found in classes]
    return right, both, [np.sum(found != classes[0]) for found in classes]


@pytest.mark.parametrize("engine", ["auto", "keras"])
@pytest.mark.parametrize("body", [deepid, normalized, unknown_tail], ids=lambda body: body.__name__)
@pytest.mark.slow
def test_every_count_is_that_of_plain_keras(body, engine):
    model = build(body)
    valid, test = labelled(model, 150, 1), labelled(model, 67, 2)
    result = fastprune.sweep(
        model, valid=valid, clean={"test": test}, engine=engine, cut_layer="cut_here"
    )
    layer = keras.Model(model.input, model.get_layer("cut_here").output)
    expected_order = reference.order(layer.predict(valid[0], verbose=0))
    np.testing.assert_array_equal(result.order, expected_order)
    assert result.near_ties == 0
    for name, (images, labels) in (("valid", valid), ("test", test)):
        counts = result.sets[name].counts
        assert counts.images == len(images)
        expected = expected_counts(model, result.order, images, labels)
        for found, wanted in zip(
            (counts.hits, counts.goodnet_hits, counts.flagged), expected, strict=True
        ):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.slow
def test_the_prefix_runs_once_per_image_for_any_number_of_orders(model, sets, prefix_calls):
    orders = ["ascending", "descending", "random:3"]
    results = fastprune.sweep_orders(model, orders=orders, cut_layer="cut_here", **sets)
    assert sum(prefix_calls) == 150 + 67 + 41
    assert [result.order_name for result in results] == orders
    for result, order in zip(results, orders, strict=True):
        alone = fastprune.sweep(model, order=order, cut_layer="cut_here", **sets)
        np.testing.assert_array_equal(alone.order, result.order)
        for name, part in result.sets.items():
            np.testing.assert_array_equal(part.counts.hits, alone.sets[name].counts.hits)


@pytest.mark.slow
def test_only_the_validation_set_chooses(model, sets):
    whole = fastprune.sweep(model, cut_layer="cut_here", **sets)
    alone = fastprune.sweep(model, valid=sets["valid"], cut_layer="cut_here")
    np.testing.assert_array_equal(whole.order, alone.order)
    assert whole.crossings == alone.crossings
    assert list(whole.sets) == ["valid", "test", "bd"]
    assert [part.kind for part in whole.sets.values()] == ["clean", "clean", "backdoored"]


def test_the_order_may_be_taken_from_the_prune_layer(model, sets):
    result = fastprune.sweep(model, valid=sets["valid"], rank_on="prune", cut_layer="cut_here")
    layer = keras.Model(model.input, model.get_layer("prune_me").output)
    activations = layer.predict(sets["valid"][0], verbose=0).astype(np.float64)
    means = activations.reshape(-1, CHANNELS).mean(axis=0)
    np.testing.assert_allclose(result.activations, means, rtol=1e-5)
    np.testing.assert_array_equal(result.order, np.argsort(means, kind="stable"))


def test_a_set_from_a_file_gives_what_its_arrays_give(model, sets, tmp_path):
    images, labels = sets["valid"]
    with h5py.File(tmp_path / "valid.h5", "w") as file:
        file["data"] = images.transpose(0, 3, 1, 2).astype(np.float64)
        file["label"] = labels.astype(np.float64)
    from_file = fastprune.sweep(model, valid=tmp_path / "valid.h5", cut_layer="cut_here")
    from_arrays = fastprune.sweep(model, valid=(images, labels), cut_layer="cut_here")
    np.testing.assert_array_equal(
        from_file.sets["valid"].counts.hits, from_arrays.sets["valid"].counts.hits
    )
    assert from_file.sets["valid"].source["layout"] == "channels first"


def test_kept_activations_above_the_budget_go_to_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pruned = np.full((3, 4), 7, np.float32)
    store = CutStore(130, pruned, np.arange(4)[None])
    values = [np.arange(12, dtype=np.float32).reshape(2, 3, 2) + i for i in range(4)]
    values[0][1, :, 0] = 7  # the pruned value on one image: 3 of 4 pairs are kept
    for part in values:
        store.append(Block(part, np.array([1, 3]), 2))
    # A block: 12 values, 2 channels of 8 bytes, 4 bits of which pair differs.
    assert (store.in_memory, store.on_disk) == (36 + 17 + 48 + 17, 2 * (48 + 16 + 1))
    assert list(tmp_path.iterdir()) == [], "a crash would leave it behind"
    for block, part in zip(store, values, strict=True):
        np.testing.assert_array_equal(block.values, part)
        np.testing.assert_array_equal(block.channels, [1, 3])
    store.close()
    gc.collect()
    assert len(store) == store.in_memory == store.on_disk == 0
    store.append(Block(values[1], np.array([1, 3]), 2))
    np.testing.assert_array_equal(next(iter(store)).values, values[1])


@pytest.mark.parametrize("places", [[[0, 1, 2, 3]], [[0, 2], [3, 1]]], ids=["plain", "copies"])
@pytest.mark.parametrize("budget", [0, 10**6], ids=["on disk", "in memory"])
def test_a_store_keeps_pruned_values_and_side_tensors_beside_activations(budget, places):
    """Whichever channels are live, none or all, and whatever goes with them."""
    rng = np.random.default_rng(4)
    where = np.array(places)
    store = CutStore(budget, None, where)
    blocks = []
    for live in ([], [1], list(range(where.shape[1]))):
        images = 2 + len(live)
        pruned = rng.normal(size=(images, 3, 4)).astype(np.float32)
        values = by_channel(pruned, where[:, live])
        differs = rng.random((images, len(live))) < 0.6
        values = np.where(differs[:, None], values + 1, values)
        sides = (rng.normal(size=(images, 2)).astype(np.float32), np.arange(images))
        blocks.append(Block(values, np.array(live, int), images, pruned, sides))
        store.append(blocks[-1])
    assert (store.in_memory == 0) == (budget == 0)
    assert (store.on_disk == 0) == (budget > 0)
    for _ in range(2):  # several orders read it several times
        for found, block in zip(store, blocks, strict=True):
            assert found.images == block.images
            np.testing.assert_array_equal(found.values, block.values)
            np.testing.assert_array_equal(found.channels, block.channels)
            np.testing.assert_array_equal(found.pruned, block.pruned)
            assert len(found.sides) == 2
            for one, other in zip(found.sides, block.sides, strict=True):
                np.testing.assert_array_equal(one, other)
                assert one.dtype == other.dtype
    first = next(iter(store)).first(1)
    assert first.images == len(first.values) == len(first.pruned) == len(first.sides[1]) == 1
    store.close()


@pytest.mark.parametrize("budget", [0, 10**6], ids=["on disk", "in memory"])
def test_a_store_keeps_whole_cut_tensors_for_plain_keras(budget):
    values, pruned, side = (np.full((2, 3), index, np.float32) for index in range(3))
    store = CutStore(budget, None, np.arange(3)[None])
    store.append(Block(values, None, 2, pruned, (side,)))
    (found,) = store
    assert found.channels is None
    kept = (found.values, found.pruned, *found.sides)
    for one, other in zip(kept, (values, pruned, side), strict=True):
        np.testing.assert_array_equal(one, other)
    store.close()


def test_kept_activations_are_let_go_before_the_next_set(model, sets, monkeypatch):
    held = []
    streamed, init = passes.Passes.count_streamed, CutStore.__init__
    stores = []
    monkeypatch.setattr(
        CutStore, "__init__", lambda self, *given: (stores.append(self), init(self, *given))[1]
    )
    monkeypatch.setattr(
        passes.Passes, "count_streamed",
        lambda self, *given: (held.append(sum(map(len, stores))), streamed(self, *given))[1],
    )  # fmt: skip
    fastprune.sweep(model, cut_layer="cut_here", **sets)
    assert held == [0, 0]
    assert stores


@pytest.mark.slow
def test_a_budget_changes_no_count(model, sets, monkeypatch):
    spilled = []
    to_disk = CutStore._to_disk
    monkeypatch.setattr(
        CutStore, "_to_disk", lambda self, values: (spilled.append(1), to_disk(self, values))[1]
    )
    monkeypatch.setattr("fastprune.sweeping.options.machine.parse_size", lambda _: 4000)
    for engine in ("auto", "keras"):
        small = fastprune.sweep(model, cut_layer="cut_here", engine=engine, **sets)
        assert spilled
        spilled.clear()
        monkeypatch.undo()
        large = fastprune.sweep(model, cut_layer="cut_here", engine=engine, **sets)
        for name, part in large.sets.items():
            np.testing.assert_array_equal(part.counts.hits, small.sets[name].counts.hits)
        monkeypatch.setattr(
            CutStore, "_to_disk", lambda self, values: (spilled.append(1), to_disk(self, values))[1]
        )
        monkeypatch.setattr("fastprune.sweeping.options.machine.parse_size", lambda _: 4000)


@pytest.mark.slow
def test_verify_compares_every_class_with_plain_keras(model, sets, monkeypatch):
    result = fastprune.sweep(model, cut_layer="cut_here", verify=3, **sets)
    verified = result.options["verified"]
    assert len(verified["steps"]) == 3
    assert verified["compared"] == 3 * (150 + 67 + 41)
    # One wrong class anywhere is an error that names the image and the step.
    classes = reference.classes

    def wrong(*arguments, **options):
        found = classes(*arguments, **options)
        found[5] = (found[5] + 1) % CLASSES
        return found

    monkeypatch.setattr(reference, "classes", wrong)
    with pytest.raises(FastpruneError, match=r"image 5 of valid at n_pruned \d"):
        fastprune.sweep(model, cut_layer="cut_here", verify=1, **sets)


def test_what_is_noticed_of_sets_is_said_before_they_are_swept(model, sets, monkeypatch):
    count = passes.Passes.statistics

    def counted(*arguments):
        assert len(said) == 1, "not before the cost"
        return count(*arguments)

    monkeypatch.setattr(passes.Passes, "statistics", counted)
    with pytest.warns(FastpruneWarning, match="on 87% at --scale 1: run it with --scale 1") as said:
        found = fastprune.sweep(model, scale=1e9, cut_layer="cut_here", valid=sets["valid"])
    assert found.warnings == tuple(str(one.message) for one in said)


def test_images_that_choose_and_measure_are_noticed_at_the_end(model, sets):
    images, labels = (part.copy() for part in sets["clean"]["test"])
    images[5:8] = sets["valid"][0][147:]
    with pytest.warns(FastpruneWarning, match="got 3 of 67 images of test that are in valid"):
        fastprune.sweep(
            model, valid=sets["valid"], clean={"test": (images, labels)}, cut_layer="cut_here"
        )


@pytest.mark.slow
def test_samples_hold_the_classes_of_their_images(model, sets):
    result = fastprune.sweep(model, cut_layer="cut_here", **sets)
    for part in result.sets.values():
        samples = part.samples
        assert samples.images.shape == (8, *IMAGE)
        for step in (0, 3, CHANNELS):
            expected = reference.classes(model, "prune_me", result.order[:step], samples.images)
            np.testing.assert_array_equal(samples.classes[step], expected)


def test_samples_hold_the_pixels_of_the_file_at_any_scale(model):
    """Divided and multiplied again, 160 of the 256 values of a byte would be others."""
    images = np.resize(np.arange(256, dtype=np.uint8), (8, *IMAGE))
    labels = model.predict(images / 0.00392157, verbose=0).argmax(axis=1)
    result = fastprune.sweep(
        model, valid=(images, labels), scale=0.00392157, cut_layer="cut_here"
    )
    np.testing.assert_array_equal(result.sets["valid"].samples.images, images)


@pytest.fixture
def set_files(sets, tmp_path):
    """The sets as HDF5 files."""

    def write(name, images, labels):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["data"], file["label"] = images, labels
        return tmp_path / f"{name}.h5"

    return {
        "valid": write("valid", *sets["valid"]),
        "clean": {"test": write("test", *sets["clean"]["test"])},
        "backdoored": {"bd": write("bd", *sets["backdoored"]["bd"])},
    }


@pytest.mark.slow
def test_no_file_stays_open_after_a_sweep(model, set_files, tmp_path):
    kept = fastprune.sweep(model, cut_layer="cut_here", verify=1, **set_files)
    assert open_below(tmp_path) == []
    assert kept.sets["bd"].source["path"] == str(tmp_path / "bd.h5")


@pytest.mark.parametrize("place", ["engine", "passes", "verify", "order"])
@pytest.mark.slow
def test_no_file_stays_open_after_a_sweep_that_fails(
    model, set_files, tmp_path, monkeypatch, place
):
    def fails(*arguments, **options):
        raise RuntimeError("in the middle")

    owner, name = {
        "engine": (phases, "choose_engine"), "order": (phases, "rank"),
        "passes": (passes, "refuse_unusable"), "verify": (reference, "classes"),
    }[place]  # fmt: skip
    monkeypatch.setattr(owner, name, fails)
    with pytest.raises(RuntimeError, match="in the middle") as held:
        fastprune.sweep(model, cut_layer="cut_here", verify=1, **set_files)
    assert open_below(tmp_path) == []
    assert held.value is not None, "what the exception refers to was alive"


@pytest.mark.filterwarnings("ignore:expected a pixel scale")
def test_a_plan_repeats_what_it_was_given(model, sets):
    result = fastprune.sweep(model, cut_layer="cut_here", memory="128M", scale=2, **sets)
    assert list(result.options.items())[:9] == [
        ("rank_on", "cut"), ("scale", 2), ("zero_at", "conv"), ("cut_layer", "cut_here"),
        ("engine", "auto"), ("memory", "128M"), ("verify", 0), ("data_name", "data"),
        ("label_name", "label"),
    ]  # fmt: skip
    with pytest.raises(OptionError, match="at least one order"):
        fastprune.sweep_orders(model, valid=sets["valid"], orders=[])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"order": "upward"}, "ascending, descending, mean-abs, max.*random:SEED or a text file"),
        ({"order": [0, 1, 2]}, "names each of the channels"),
        ({"drops": (2, 2.0)}, "each once"),
        ({"drops": (0,)}, "above 0"),
        ({"drops": (float("nan"),)}, "above 0"),
        ({"drop_kind": "absolute"}, "drop_kind"),
        ({"rank_on": "conv"}, "rank_on"),
        ({"scale": 0}, "scale"),
        ({"verify": 9}, "from 0 to 7 steps"),
        ({"memory": "1K"}, "memory budget"),
        ({"engine": "fast"}, "engine"),
    ],
)
def test_options_that_cannot_be_meant(model, sets, options, match):
    with pytest.raises(OptionError, match=match):
        fastprune.sweep(model, valid=sets["valid"], cut_layer="cut_here", **options)


def test_two_sets_of_one_name(model, sets):
    with pytest.raises(FastpruneError, match="'valid' twice"):
        fastprune.sweep(model, valid=sets["valid"], clean={"valid": sets["valid"]})


@pytest.mark.slow
def test_networks_of_every_step_match_the_counts(model, sets):
    """B′ and G made of the result say what the sweep counted, at any step and drop."""
    images, labels = sets["clean"]["test"]
    result = fastprune.sweep(model, cut_layer="cut_here", drops=(2, 50), **sets)
    counts = result.sets["test"].counts
    for step in (0, 2, CHANNELS):
        repaired = result.repaired(n_pruned=step).predict(images, verbose=0)
        goodnet = result.goodnet(n_pruned=step).predict(images, verbose=0)
        assert goodnet.shape[1] == CLASSES + 1
        assert np.sum(repaired.argmax(1) == labels) == counts.hits[step]
        assert np.sum(goodnet.argmax(1) == labels) == counts.goodnet_hits[step]
        assert np.sum(goodnet.argmax(1) == CLASSES) == counts.flagged[step]
    crossed = result.crossing(2)
    np.testing.assert_array_equal(
        result.repaired(2).get_layer("prune_me").get_weights()[0],
        result.repaired(n_pruned=crossed).get_layer("prune_me").get_weights()[0],
    )
