"""What a sweep has found is saved, whatever the network holds and whichever file fails."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import warnings
from contextlib import contextmanager

import h5py
import keras
import numpy as np
import pytest

import fastprune
from bench.ops_networks import NETWORKS
from fastprune import reference
from fastprune.cli.main import main
from fastprune.export import folder
from fastprune.networks import goodnet, loading
from fastprune.networks.tracing import trace
from fastprune.report.plots import drawing
from fastprune.result import SweepResult
from fastprune.runtime.progress import FastpruneWarning

LAYERS = ("default_names", "clashing_names")
CALLS = ("constants", "sliced", "nested")
DROPS = (20, 40)
H5 = {f"repaired_{drop}.h5" for drop in DROPS}
KERAS = {f"{kind}_{drop}.keras" for drop in DROPS for kind in ("repaired", "goodnet")}
FIGURES = {"sweep.json", "sweep.csv", "metrics.json"}
FILES = FIGURES | KERAS | H5 | {"samples.npz", "class_hits.npz"}
PLOTS = {f"{maker.__name__}.{end}" for maker in drawing.MAKERS[:3] for end in ("png", "svg")}


PLAIN = """
import json, sys
import keras, numpy as np
images, scores = np.load("images.npy"), {}
for path in json.loads(sys.argv[1]):
    scores[path] = keras.saving.load_model(path)(images, training=False)
assert not any(name.split(".")[0] == "fastprune" for name in sys.modules)
np.savez("scores.npz", **scores)
"""


def made(name, images):
    """Return a network with the names of a fresh process, and its own classes of `images`."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    model = NETWORKS[name]()
    pixels = images.astype(np.float32)
    last = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1]
    scores = np.log(np.maximum(goodnet.scores_of(model, pixels), 1e-30))
    kernel, bias = last.get_weights()
    last.set_weights([kernel, bias - scores.mean(axis=0)])  # so that no class wins everywhere
    return model, goodnet.scores_of(model, pixels).argmax(axis=1)


@contextmanager
def heard():
    """Give a list that gets fastprune's warnings; Keras's own are passed over."""
    lines = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lines
    lines += [str(one.message) for one in caught if issubclass(one.category, FastpruneWarning)]


@pytest.fixture(scope="module")
def images(make_images):
    return make_images(40, shape=(12, 12, 3))[0]


@pytest.fixture(scope="module")
def results(images):
    """Sweeps of all networks, by name."""
    found = {}
    for name in (*LAYERS, *CALLS):
        model, labels = made(name, images)
        found[name] = fastprune.sweep(model, valid=(images, labels), drops=DROPS, engine="keras")
        assert None not in found[name].crossings.values()
    return found


@pytest.fixture(scope="module")
def saved(results, images, tmp_path_factory):
    """The folder of all results, and what plain Keras predicts by the networks in it, by path."""
    folder = tmp_path_factory.mktemp("saved")
    with heard():
        for name, result in results.items():
            keras.backend.clear_session()  # Keras counts its names from the start again
            result.save(folder / name, plots=False)
    files = [*folder.glob("*/repaired_*"), *folder.glob("*/goodnet_*")]
    paths = [str(path.relative_to(folder)) for path in files]
    np.save(folder / "images.npy", images.astype(np.float32))
    command = [sys.executable, "-c", PLAIN, json.dumps(paths)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, dict(np.load(folder / "scores.npz"))


@pytest.mark.parametrize("name", [*LAYERS, *CALLS])
@pytest.mark.slow
def test_every_network_is_read_back_by_plain_keras(results, saved, images, name):
    folder, scores = saved
    result, pixels = results[name], images.astype(np.float32)
    network = result.loaded_network()
    layer = network.cut.prune.name
    first = reference.classes(network.model, layer, [], pixels)
    read = 0
    for drop, step in result.crossings.items():
        second = reference.classes(network.model, layer, result.order[:step], pixels)
        assert (first != second).any()
        expected = np.where(first == second, first, 5)
        np.testing.assert_array_equal(scores[f"{name}/goodnet_{drop:g}.keras"].argmax(1), expected)
        for path in (folder / name).glob(f"repaired_{drop:g}.*"):
            np.testing.assert_array_equal(scores[f"{name}/{path.name}"].argmax(1), second)
            read += 1
    assert read == (4 if name in LAYERS else 2)


@pytest.mark.parametrize("name", [*LAYERS, *CALLS])
@pytest.mark.slow
def test_fastprune_reads_its_own_goodnets(saved, name):
    graph = trace(loading.load_model(saved[0] / name / "goodnet_20.keras"))
    assert [tensor.shape for tensor in goodnet.scores_inside(graph)] == [(None, 5)] * 2


@pytest.mark.parametrize("name", [*LAYERS, *CALLS])
@pytest.mark.slow
def test_a_format_that_cannot_hold_calls_is_left_out(saved, name):
    folder = saved[0] / name
    found = json.loads((folder / "sweep.json").read_text())
    left_out = H5 if name in CALLS else set()
    assert {path.name for path in folder.iterdir()} == FILES - left_out
    assert set(found["files"]) == FILES - left_out - {"sweep.json"}
    assert (set(found["left_out"]), found["failed"]) == (left_out, {})
    assert SweepResult.load(folder).crossings.keys() == set(map(float, DROPS))
    if name == "sliced":
        calls = "Concatenate, GetItem"
        reason = f".h5 cannot hold calls of keras.ops ({calls}); use repaired_20.keras"
        assert found["left_out"]["repaired_20.h5"] == reason


@pytest.mark.slow
def test_a_format_that_cannot_hold_a_layer_is_left_out(results, tmp_path, monkeypatch):
    save = keras.Model.save

    def picky(model, path, **options):
        if path.suffix == ".h5":
            raise ValueError("no such layer\nin HDF5")
        save(model, path, **options)

    monkeypatch.setattr(keras.Model, "save", picky)
    with heard() as lines:
        results["default_names"].save(tmp_path, plots=False)
    assert lines[0] == (
        "repaired_20.h5 is left out: .h5 cannot hold this network (ValueError: no such layer); use "
        "repaired_20.keras"
    )
    found = json.loads((tmp_path / "sweep.json").read_text())
    assert (set(found["left_out"]), found["failed"]) == (H5, {})


def fail(*_, **__):
    raise RuntimeError("a fault\nof some lines")


def full(*_, **__):
    raise OSError(28, "No space left on device")


FAULTS = {
    "samples": (np, "savez_compressed", fail, {"samples.npz", "class_hits.npz"}),
    "copies": (keras.models, "clone_model", fail, KERAS | H5),
    "B′": (folder, "save_repaired", fail, H5 | {"repaired_20.keras", "repaired_40.keras"}),
    "G": (goodnet, "make_goodnet", fail, {"goodnet_20.keras", "goodnet_40.keras"}),
    "reading": (keras.saving, "load_model", fail, KERAS | H5),
    "disk": (keras.Model, "save", full, KERAS | H5),
}


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.slow
def test_figures_are_saved_whichever_file_fails(results, tmp_path, monkeypatch, what):
    home, name, fault, missing = FAULTS[what]
    monkeypatch.setattr(home, name, fault)
    result = results["default_names"]
    with heard() as lines:
        result.save(tmp_path, plots=False)
    assert {path.name for path in tmp_path.iterdir()} == FILES - missing
    found = json.loads((tmp_path / "sweep.json").read_text())
    assert (set(found["failed"]), found["left_out"]) == (missing, {})
    assert len(lines) == len(missing)
    assert not any("\n" in line or ".writing" in line for line in lines)
    monkeypatch.undo()
    loaded = SweepResult.load(tmp_path)
    assert loaded.sets["valid"].counts.hits.tolist() == result.sets["valid"].counts.hits.tolist()
    rows = list(csv.DictReader((tmp_path / "sweep.csv").read_text().splitlines()))
    assert [int(row["hits"]) for row in rows] == result.sets["valid"].counts.hits.tolist()
    loaded.plot(tmp_path)  # without samples, too


@pytest.mark.slow
def test_other_plots_are_drawn_when_one_fails(results, tmp_path, monkeypatch):
    def activations(_):
        fail()

    first, _, third = drawing.MAKERS[:3]
    monkeypatch.setattr(drawing, "MAKERS", [first, activations, third])
    with heard() as lines:
        results["default_names"].save(tmp_path)
    assert lines[0].startswith("activations.png is missing, the figures are saved: RuntimeError")
    missing = {"activations.png", "activations.svg"}
    assert {path.name for path in tmp_path.iterdir()} == (FILES | PLOTS) - missing


@pytest.fixture
def command(tmp_path, monkeypatch, images):
    """Return a function: sweep a network by the command line; its status and lines on stderr."""
    monkeypatch.chdir(tmp_path)

    def run(name, capsys):
        model, labels = made(name, images)
        model.save("network.keras")
        with h5py.File("valid.h5", "w") as file:
            file["data"], file["label"] = images, labels
        capsys.readouterr()
        words = "sweep --model network.keras --valid valid.h5 --drops 20,40 --engine keras"
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            status = main([*words.split(), "--no-plots", "--quiet"])
        return status, capsys.readouterr().err.splitlines()

    return run


@pytest.mark.slow
def test_a_format_left_out_is_no_failure_of_the_command(command, capsys):
    status, lines = command("divided", capsys)
    assert status == 0
    assert lines == [
        f"fastprune: warning: repaired_{drop}.h5 is left out: .h5 cannot hold calls of keras.ops "
        f"(TrueDivide); use repaired_{drop}.keras"
        for drop in DROPS
    ]


@pytest.mark.slow
def test_a_file_that_fails_is_one(command, capsys, monkeypatch):
    monkeypatch.setattr(folder, "save_goodnet", fail)
    status, lines = command("default_names", capsys)
    assert status == 1
    assert lines == [
        f"fastprune: warning: goodnet_{drop}.keras is missing, the figures are saved: "
        "RuntimeError: a fault"
        for drop in DROPS
    ]


def test_layers_of_keras_applications_are_keras_own(tmp_path):
    from keras.src.applications.convnext import LayerScale
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)
    x = CustomScaleLayer(0.5)([x, LayerScale(0.1, 4)(x)])
    keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x))).save(tmp_path / "b.keras")
    kinds = [type(layer) for layer in loading.load_model(tmp_path / "b.keras").layers]
    assert {LayerScale, CustomScaleLayer} <= set(kinds)
