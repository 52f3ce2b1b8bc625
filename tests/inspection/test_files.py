"""What a file is: told truly, from a sample, without running or reading more than needed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from PIL import Image

import fastprune
from fastprune import inspect_file
from fastprune.cli.main import main
from fastprune.errors import DataError, NetworkError, OptionError
from fastprune.inspection.entries import ranges
from fastprune.inspection.files import as_json
from fastprune.networks.goodnet import make_goodnet, make_repaired
from fastprune.networks.network import load_network
from fastprune.report.plots.contact_sheets import contact_sheet
from fastprune.sets.sample import guess_layout, pixel_range, sample_images
from tests.helpers.results import STEPS, sweep

PRUNED = np.array([1, 4, 5])


def run(*arguments):
    return main(["inspect", *map(str, arguments)])


def checked(found):
    """Return an inspection that prints within 80 columns and as strict JSON."""
    assert max(map(len, str(found).splitlines())) <= 80 + len(str(found.path))
    json.dumps(as_json(found), default=str, allow_nan=False)
    return found


# Networks.


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.slow
def test_a_network(tmp_path, make_network, suffix):
    model = make_network("deepid_like")
    path = tmp_path / f"b{suffix}"
    model.save(path)
    found = checked(inspect_file(path))
    assert (found.kind, found.bytes) == ("network", path.stat().st_size)
    assert found.written_by == f"Keras {keras.version()}"
    assert found.backend == ("tensorflow" if suffix == ".h5" else None)
    assert (found.input_shape, found.n_classes, found.ending) == ((12, 10, 3), 7, "softmax")
    assert found.parameters == model.count_params() == sum(x.parameters for x in found.layers)
    by_name = {layer.name: layer for layer in found.layers}
    assert set(by_name) == {layer.name for layer in model.layers}
    for layer in model.layers[1:]:
        assert by_name[layer.name].output_shape == layer.output.shape[1:]
        assert by_name[layer.name].kind == type(layer).__name__
    cuts = [(cut.prune_layer, cut.cut_layer, cut.n_channels) for cut in found.cuts]
    assert cuts == [
        ("conv_1", "pool_1", 4), ("conv_3", "pool_3", 6), ("conv_4", "conv_4", 5),
        ("fc_1", "activation_1", 8), ("fc_2", "activation_1", 8),
    ]  # fmt: skip
    assert [cut.engine for cut in found.cuts] == ["incremental"] * 5
    # conv_4 is kept with fc_1, which leads around it; a unit of fc_1 as 2 x 8 values.
    sizes = {cut.prune_layer: cut.bytes_per_image for cut in found.cuts}
    pool, conv = (math.prod(by_name[name].output_shape) for name in ("pool_3", "conv_4"))
    assert (sizes["conv_3"], sizes["conv_4"], sizes["fc_1"]) == (4 * pool, 4 * (conv + 8), 4 * 16)
    chosen = load_network(model).cut
    assert found.prune_layer == chosen.prune.name == "conv_3"
    assert (found.behind, found.branches, found.refusal) == (("conv_4",), (), None)
    assert (found.dead, found.not_finite) == ({}, {})
    assert "conv_3, 6 channels, cut at pool_3" in str(found)


@pytest.mark.parametrize("name", ["deepid_like", "vgg_like", "batchnorm"])
@pytest.mark.slow
def test_a_pruned_network_is_recognised(tmp_path, make_network, name):
    network = load_network(make_network(name))
    make_repaired(network, PRUNED).save(tmp_path / "r.keras")
    found = checked(inspect_file(tmp_path / "r.keras"))
    layer = network.cut.prune.name
    assert found.dead == {layer: (1, 4, 5)}
    assert found.units == {layer: 6}
    assert f"a pruned network (B′): 3 of 6 of {layer} all zero" in " ".join(str(found).split())


def test_dead_units_elsewhere_and_weights_that_are_no_numbers(tmp_path, make_network):
    model = make_network("vgg_like")
    kernel, bias = model.get_layer("fc").get_weights()
    kernel[:, [0, 8]] = bias[[0, 8]] = 0
    kernel[:, 3] = 0  # its bias still speaks
    bias[3] = 1
    model.get_layer("fc").set_weights([kernel, bias])
    kernel, bias = model.get_layer("conv_1").get_weights()
    kernel[0, 0, 0, :2], bias[0] = np.nan, np.inf
    model.get_layer("conv_1").set_weights([kernel, bias])
    model.save(tmp_path / "b.keras")
    found = checked(inspect_file(tmp_path / "b.keras"))
    assert found.dead == {"fc": (0, 8)}
    assert found.not_finite == {"conv_1/kernel": 2, "conv_1/bias": 1}
    assert "finite weights" in found.refusal
    assert [cut.prune_layer for cut in found.cuts] == ["conv_1", "conv_2", "fc"]


def test_separable_convolutions_are_dead_by_their_pointwise_kernel(tmp_path):
    inputs = keras.Input((12, 10, 3))
    x = layers.SeparableConv2D(5, 3, name="conv")(inputs)
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    depthwise, pointwise, bias = model.get_layer("conv").get_weights()
    pointwise[..., [2, 3]] = 0
    model.get_layer("conv").set_weights([depthwise, pointwise, bias])
    model.save(tmp_path / "b.keras")
    assert inspect_file(tmp_path / "b.keras").dead == {"conv": (2, 3)}


def test_a_saved_goodnet(tmp_path, make_network):
    network = load_network(make_network("deepid_like"))
    make_goodnet(network, PRUNED).save(tmp_path / "g.keras")
    found = checked(inspect_file(tmp_path / "g.keras"))
    assert (found.kind, found.n_classes, found.cuts) == ("goodnet", 7, ())
    assert (found.dead, found.units) == ({"conv_3": (1, 4, 5)}, {"conv_3": 6})
    assert "class 7 for what it flags" in str(found)
    assert found.parameters == network.model.count_params()


def test_networks_that_cannot_be_swept_say_why(tmp_path):
    inputs = keras.Input((12, 10, 3))
    keras.Model(inputs, layers.Dense(7)(layers.Flatten()(inputs))).save(tmp_path / "dense.keras")
    found = checked(inspect_file(tmp_path / "dense.keras"))
    assert (found.cuts, found.n_classes) == ((), 7)
    assert "convolutions: none" in found.refusal
    other = keras.Input((5,), name="other")
    both = layers.Concatenate()([layers.GlobalAveragePooling2D()(inputs), other])
    keras.Model([inputs, other], layers.Dense(7)(both)).save(tmp_path / "two.keras")
    found = checked(inspect_file(tmp_path / "two.keras"))
    assert (found.input_shape, found.n_classes, found.parameters) == (None, None, 63)
    assert "2 inputs" in found.refusal


def test_code_in_a_network_is_not_run(tmp_path):
    model = keras.Sequential([keras.Input((12, 10, 3)), layers.Lambda(lambda x: x)])
    model.save(tmp_path / "trap.keras")
    with pytest.raises(NetworkError, match="it was not run"):
        inspect_file(tmp_path / "trap.keras")


@pytest.mark.slow
def test_the_labs_files(lab):
    found = checked(inspect_file(lab / "bd_weights.h5"))
    assert (found.weights_only, found.written_by, found.backend) == (
        True, "Keras 2.3.1", "tensorflow",
    )  # fmt: skip
    assert (found.n_classes, found.parameters, found.dead) == (1283, 601_643, {})
    last = next(cut for cut in found.cuts if cut.prune_layer == found.prune_layer)
    assert (last.prune_layer, last.cut_layer, last.n_channels) == ("conv_3", "pool_3", 60)
    published = {"ascending_2": 45, "ascending_4": 48, "ascending_10": 52, "ascending_30": 54,
                 "descending_2": 1, "descending_10": 2}  # fmt: skip
    for name, count in published.items():
        found = checked(inspect_file(lab / f"repaired/pool3_{name}.h5"))
        assert {layer: len(channels) for layer, channels in found.dead.items()} == {"conv_3": count}


@given(st.sets(st.integers(0, 99)))
def test_ranges_say_every_number_once(numbers):
    words = ranges(sorted(numbers)).split()
    found = []
    for word in words:
        first, _, last = word.partition("-")
        found += range(int(first), int(last or first) + 1)
    assert found == sorted(numbers)


# Sets.


@pytest.mark.parametrize("channels_first", [True, False])
@pytest.mark.parametrize(
    ("options", "storage"),
    [
        ({}, "contiguous"),
        ({"chunks": (4, 3, 9, 3), "compression": "gzip"}, "gzip"),
        ({"chunks": (7, 3, 3, 2)}, "uncompressed"),
    ],
)
def test_a_set(write_set, make_images, channels_first, options, storage):
    images, labels = make_images(50)
    labels[:] = np.arange(50) % 7
    path = write_set("a.h5", images, labels, channels_first=channels_first, **options)
    found = checked(inspect_file(path))
    assert found.problems == ()
    assert (found.images, found.sampled, found.kind) == (50, 50, "set")
    assert found.layout == ("channels first" if channels_first else "channels last")
    assert (found.pixels.low, found.pixels.high) == (images.min(), images.max())
    assert (found.pixels.whole, found.pixels.not_finite, found.pixels.full) == (True, 0, 255)
    assert [(part.name, part.dtype) for part in found.datasets] == [
        ("data", "float64"), ("label", "int64"),
    ]  # fmt: skip
    assert storage in found.datasets[0].storage
    counts = np.bincount(labels)
    assert (found.labels.low, found.labels.high, found.labels.n_classes) == (0, 6, 7)
    assert found.labels.most == (counts.argmax(), counts.max())
    assert found.labels.fewest == (counts.argmin(), counts.min())
    assert not found.labels.constant


def test_a_backdoored_set_of_pixels_in_0_1_with_nan(write_set, make_images):
    images = make_images(20)[0] / 255
    images[3, 0, 0, 0] = images[9] = np.nan
    found = checked(inspect_file(write_set("bd.h5", images, np.full(20, 3))))
    assert (found.pixels.full, found.pixels.whole, found.pixels.not_finite) == (1, False, 2)
    assert found.labels.constant
    text = " ".join(str(found).split())
    assert "3 alone, 20 images: probably a backdoored set with that target" in text
    assert "2 images have NaN" in text
    assert "--scale 1/255" in text
    images = make_images(20)[0] / 127.5 - 1
    assert inspect_file(write_set("n.h5", images)).pixels.full is None


def test_labels_of_every_kind_are_counted_in_parts(write_set, monkeypatch):
    from fastprune.inspection import sets

    monkeypatch.setattr(sets, "LABELS_AT_ONCE", 3)
    labels = np.array([5, 5, 2, 2, 2, 9, 5, 5, 5, 2])
    found = inspect_file(write_set("a.h5", n=10, labels=labels)).labels
    assert (found.fewest, found.most, found.n_classes) == ((9, 1), (5, 5), 3)
    found = inspect_file(write_set("b.h5", n=10, labels=labels[:, None])).labels
    assert found.most == (5, 5)
    found = inspect_file(write_set("c.h5", n=10, labels=labels - 2.5, label_dtype="float64"))
    assert not found.labels.whole
    found = checked(inspect_file(write_set("d.h5", n=10, labels=np.eye(10))))
    assert found.labels is None
    assert any("one-hot" in problem for problem in found.problems)


def test_files_that_are_not_quite_sets(write_set, tmp_path, make_images):
    images, _ = make_images(20)
    found = checked(inspect_file(write_set("a.h5", data="images", label="y")))
    assert (found.data, found.label, found.images) == ("images", "y", 20)
    assert {"--data-name images", "--label-name y"} <= {
        problem.split("use ")[1] for problem in found.problems
    }
    found = checked(inspect_file(write_set("a.h5", data="images", label="y"), data_name="images",
                                 label_name="y"))  # fmt: skip
    assert found.problems == ()
    found = checked(inspect_file(write_set("b.h5", images[..., 0])))
    assert (found.layout, found.data) == (None, "data")
    assert "four axes" in found.problems[0]
    found = checked(inspect_file(write_set("c.h5", images, labels=np.arange(5))))
    assert "one for each of 20 images" in found.problems[0]
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["text"] = "hello"
        file["link"] = h5py.ExternalLink("/etc/passwd", "/")
        file["group/scalar"] = 1
    found = checked(inspect_file(tmp_path / "d.h5"))
    assert sorted(part.name for part in found.datasets) == ["group/scalar", "text"]
    assert (found.images, len(found.problems)) == (0, 2)
    found = checked(inspect_file(write_set("e.h5", images[:0], np.empty(0))))
    assert "no images" in found.problems


def test_hostile_files_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = h5py.ExternalLink("/etc/passwd", "/")
        file["label"] = np.zeros(3)
    assert inspect_file(tmp_path / "a.h5").data is None
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("data", (10**9, 3, 55, 47), "f8")
        file["label"] = np.zeros(3)
    with pytest.raises(DataError, match="do not trust it"):
        inspect_file(tmp_path / "b.h5")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["a/b"] = np.zeros(3)
        for level in range(30):  # a web of hard links, 2^30 paths
            group = file.create_group(f"g{level}")
            group["x"] = group["y"] = file[f"g{level - 1}" if level else "a"]
    assert [part.shape for part in inspect_file(tmp_path / "c.h5").datasets] == [(3,)]


def test_damaged_sets_raise_nothing_else(write_set):
    path = write_set("a.h5", n=8, chunks=(2, 3, 12, 10), compression="gzip")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(80):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 6):
            data[place] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])
        with suppress(DataError):
            assert str(inspect_file(path))


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="no /proc/self/io on this system")
def test_a_lab_size_file_is_not_read_whole(tmp_path):
    """Bytes that the process reads, as the system counts them: the file has 716 MB."""
    path = tmp_path / "valid.h5"
    with h5py.File(path, "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((11_547, 3, 55, 47))
        h5py.h5d.create(file.id, b"data", h5py.h5t.IEEE_F64LE, space, plan)
        file["label"] = np.arange(11_547) % 1283
    assert path.stat().st_size > 716e6

    def bytes_read():
        lines = Path("/proc/self/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["rchar"])

    before = bytes_read()
    found = inspect_file(path)
    assert bytes_read() - before < 20e6
    before = bytes_read()
    contact_sheet(path, tmp_path / "sheet.png")
    assert bytes_read() - before < 60e6  # 2 MB of the set; matplotlib's fonts
    assert (found.sampled, found.images, found.bytes_read) == (256, 11_547, 256 * 62_040)


@given(
    n=st.integers(1, 40), rows=st.integers(0, 40), count=st.integers(1, 50),
    budget=st.integers(0, 40),
)  # fmt: skip
def test_samples_are_images_of_the_set_within_the_budget(n, rows, count, budget):
    values = np.arange(n * 6, dtype=np.uint8).reshape(n, 2, 3, 1)
    chunks = (min(rows, n), 1, 3, 1) if rows else None
    with h5py.File("x", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset("data", data=values, chunks=chunks)
        sample = sample_images(data, count, budget=6 * budget)
    assert np.array_equal(sample.images, values[sample.indices])
    assert sample.read <= 6 * budget
    assert (np.diff(sample.indices) > 0).all()
    if chunks is None:
        assert len(sample.indices) == min(n, count, budget)
    if budget >= 2 * n:
        assert len(sample.indices) == min(n, count)
        assert {0, n - 1 if count > 1 else 0} <= set(sample.indices.tolist())


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((9, 3, 5, 7), "channels first"), ((9, 28, 28, 1), "channels last"), ((9, 3, 5, 3), "either"),
     ((9, 5, 5, 5), None), ((9, 5, 5), None)],
)  # fmt: skip
def test_layouts(shape, layout):
    assert guess_layout(shape) == layout


def test_the_range_of_integers_is_0_255_however_dark():
    assert pixel_range(np.ones((2, 3), np.uint8)).full == 255
    assert pixel_range(np.ones((2, 3))).full == 1
    assert pixel_range(np.full((2, 3), np.inf)).full is None


@pytest.mark.slow
def test_a_set_against_a_network(tmp_path, make_network, make_images, write_set, plain_classes):
    model = make_network("deepid_like", seed=3)
    kernel, bias = model.get_layer("output").get_weights()
    bias[6] = 9  # without a bias the scale would change no class
    model.get_layer("output").set_weights([kernel, bias])
    model.save(tmp_path / "b.keras")
    images = make_images(40)[0]
    labels = plain_classes(model, images)
    labels[0] = (labels[0] + 1) % 7
    found = checked(inspect_file(write_set("a.h5", images, labels), model=tmp_path / "b.keras"))
    small = plain_classes(model, images / 255)
    assert found.check.problem is None
    large = plain_classes(model, images * 255.0)
    hits = {1.0: 39, 255.0: (small == labels).sum(), 1 / 255: (large == labels).sum()}
    assert found.check.hits == hits
    assert (found.check.best, found.check.clearly) == (1, False)
    assert "none is clearly better than 1" in " ".join(str(found).split())
    unit = write_set("u.h5", images / 255, labels)
    found = checked(inspect_file(unit, model=tmp_path / "b.keras"))
    assert found.check.hits[1.0] == (small == labels).sum()
    assert found.check.hits[1 / 255] == 39
    assert "use --scale 1/255" not in " ".join(str(found).split()), "13 of 40 are not enough"
    labels[5] = 7
    found = inspect_file(write_set("bad.h5", images, labels), model=tmp_path / "b.keras")
    assert "labels 0 … 6" in found.check.problem
    other = make_images(9, shape=(12, 12, 3))
    found = inspect_file(write_set("other.h5", *other), model=tmp_path / "b.keras")
    assert "the network's input" in found.check.problem


def test_what_is_at_chance_fits_nowhere(tmp_path, write_set):
    """Of one label, a class that the network gives to any pixels is chance too."""
    inputs = keras.Input((12, 10, 3))
    x = layers.MaxPooling2D((12, 10))(layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(x)))
    model.set_weights([np.eye(3, 4), np.array([0, 0, 0, 0.5])])
    model.save(tmp_path / "b.keras")
    labels = np.arange(40) % 4
    images = np.zeros((40, 12, 10, 3))
    images[np.arange(40), 3, 4, labels % 3] = 255 * (labels < 3)

    def check(name, *of, **more):
        found = checked(inspect_file(write_set(name, *of, **more), model=tmp_path / "b.keras"))
        return found.check, " ".join(str(found).split())

    fits, text = check("a.h5", images, labels)
    assert (fits.problem, fits.best, fits.clearly) == (None, 1, False)
    assert "fits" in text
    other, text = check("b.h5", images, np.random.default_rng(1).permutation(labels))
    assert other.best is None
    assert "does not fit B gives their label to no more of 40 sampled images than chance" in text
    assert "no --scale of 1, 255 or 1/255 is clearly better" in text
    few, text = check("c.h5", images[:3], labels[:3])
    assert (few.problem, few.best) == (None, None)
    assert "may fit" in text
    assert "too few to tell" in text
    # All in the label's class, wherever their bright pixel lies: in disorder just the same.
    any_pixels, _ = check("d.h5", np.repeat(images[:1], 40, axis=0), np.zeros(40, int))
    assert any_pixels.hits[1.0] == 40
    assert "no more of 40 sampled images" in any_pixels.problem


# Contact sheets, folders, and the command.


@pytest.mark.slow
def test_contact_sheets(tmp_path, write_set, make_images):
    images, labels = make_images(50)
    path = write_set("a.h5", images, labels)
    assert contact_sheet(path, tmp_path / "a.png") == tmp_path / "a.png"
    first = (tmp_path / "a.png").read_bytes()
    with Image.open(tmp_path / "a.png") as sheet:
        assert min(sheet.size) > 300
        assert 1 < sheet.size[0] / sheet.size[1] < 2.5
    unit = write_set("a.h5", images / 255, labels, channels_first=False, chunks=(9, 12, 10, 3))
    contact_sheet(unit, tmp_path / "b.png", images=50)
    contact_sheet(path, tmp_path / "c.png", images=1)
    assert first != (tmp_path / "b.png").read_bytes() != (tmp_path / "c.png").read_bytes()
    grey = write_set("g.h5", images[..., :1], np.eye(50))
    contact_sheet(grey, tmp_path / "d.png", images=400)
    for options in ({"images": 0}, {"images": 401}):
        with pytest.raises(OptionError, match="1 to 400"):
            contact_sheet(path, tmp_path / "e.png", **options)
    with pytest.raises(OptionError, match=r"named \.png"):
        contact_sheet(path, tmp_path / "e.txt")
    with pytest.raises(DataError, match="1, 3 or 4 channels"):
        contact_sheet(write_set("x.h5", images[..., 0]), tmp_path / "e.png")
    assert not list(tmp_path.glob("e.*"))


def test_folders_and_images_point_to_their_command(tmp_path, make_images):
    pixels = make_images(1)[0][0]
    (tmp_path / "classes/0").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "classes/0/a.png")
    for path, word in (
        (tmp_path / "classes/0/a.png", "12 x 10"), (tmp_path / "classes/0", "fastprune predict"),
        (tmp_path / "classes", "fastprune make-set"),
    ):  # fmt: skip
        assert word in str(checked(inspect_file(path)))
    (tmp_path / "data/cl").mkdir(parents=True)
    assert "fastprune sweep --lab" in str(inspect_file(tmp_path / "data"))
    for path, word in ((tmp_path / "data/cl", "a folder of none"), (tmp_path / "x", "no such")):
        with pytest.raises(DataError, match=word):
            inspect_file(path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match="another format"):
        inspect_file(tmp_path / "notes.txt")


@pytest.mark.slow
def test_results_are_summarised(tmp_path, make_network, make_images, plain_classes):
    model = make_network("deepid_like", seed=1)
    images = make_images(30)[0]
    orders = ["ascending", "descending"]
    results = fastprune.sweep_orders(
        load_network(model), orders=orders, valid=(images, plain_classes(model, images)), drops=[99]
    )
    for result, order in zip(results, orders, strict=True):
        result.save(tmp_path / "r" / order, plots=False)
    found = checked(inspect_file(tmp_path / "r"))
    assert [result.order_name for result in found.results] == orders
    assert "results of 2 sweeps" in str(found)
    assert results[0].table() in str(inspect_file(tmp_path / "r/ascending"))


def test_the_next_steps_of_results_are_those_not_yet_done(tmp_path):
    results = sweep(valid=(9, [0] * STEPS)).save(tmp_path / "results", plots=False)
    plots = f"fastprune plot {results} draws its plots"
    page = f"fastprune report {results} makes one HTML page of them"
    assert inspect_file(results).hint == f"{plots}; {page}"
    assert plots.split()[0] in str(inspect_file(results))
    (results / "accuracy_asr.png").touch()
    assert inspect_file(results).hint == page
    (results / "report.html").touch()
    assert inspect_file(results).hint == f"look at {results / 'report.html'}"
    (tmp_path / "orders").mkdir()
    results.rename(tmp_path / "orders/ascending")
    assert inspect_file(tmp_path / "orders").hint.startswith(f"fastprune report {tmp_path}/orders ")


@pytest.mark.slow
def test_the_command(tmp_path, make_network, make_images, write_set, plain_classes, capsys):
    model = make_network("deepid_like")
    model.save(tmp_path / "b.keras")
    images, labels = make_images(20)
    a_set = write_set("a.h5", images, plain_classes(model, images))
    assert run(tmp_path / "b.keras", a_set, "--format", "json") == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [found["kind"] for found in files] == ["network", "set"]
    assert run(tmp_path / "none.h5", a_set) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{a_set}: image set, 20 images")
    assert err.startswith("fastprune: error: expected a file to inspect; got no such file")
    sheet = tmp_path / "sheet.png"
    assert run(a_set, "--contact-sheet", sheet, "--images", 4) == 0
    assert f"contact sheet {sheet}" in capsys.readouterr().out
    assert sheet.stat().st_size > 1000
    assert run(a_set, "--model", tmp_path / "b.keras", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["check"]["sampled"] == 20
    assert run(write_set("r.h5", images, labels), "--model", tmp_path / "b.keras") == 1
    assert "no more of 20 sampled images than chance" in " ".join(capsys.readouterr().out.split())
    assert run(write_set("l.h5", labels=np.full(20, 9)), "--model", tmp_path / "b.keras") == 1
    assert "does not fit" in capsys.readouterr().out
    for arguments in ((a_set, a_set), (tmp_path / "b.keras",)):
        assert run(*arguments, "--contact-sheet", tmp_path / "no.png") == 2
        assert "--contact-sheet" in capsys.readouterr().err
    assert not (tmp_path / "no.png").exists()


def test_a_set_is_told_without_keras(write_set):
    """The start of TensorFlow would take ten times as long as the reading."""
    code = (
        "import sys; from fastprune.cli.main import main; assert main(sys.argv[1:]) == 0; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", str(write_set("a.h5"))],
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
