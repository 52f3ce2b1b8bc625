"""Whatever a person or an attacker gets wrong takes one line and leaves nothing behind."""

from __future__ import annotations

import json
import os

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from tests.helpers.commands import sweep_of


def in_the_way(tmp_path):
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file"


def with_dataset(path, name, values):
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = values
    return path


def nan_pixel(path):
    with h5py.File(path, "a") as file:
        file["data"][7, 0, 0, 0] = np.nan
    return path


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lambda_network(path):
    layer = {"class_name": "Lambda", "config": {"function": ["4wAA", None, None]}}
    with h5py.File(path, "w") as file:
        config = {"name": "m", "layers": [layer]}
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": config})
        file.create_group("model_weights")
    return path


def dense_network(path):
    inputs = keras.Input((12, 10, 3))
    keras.Model(inputs, layers.Dense(7)(layers.Flatten()(inputs))).save(path)
    return path


BAD = {
    "model missing": (lambda t, f: sweep_of({**f, "model": t / "none.h5"}), "no such file"),
    "model a folder": (lambda t, f: sweep_of({**f, "model": t}), "a folder"),
    "model an image set": (lambda t, f: sweep_of({**f, "model": f["valid"]}), "an image set"),
    "model text": (
        lambda t, f: sweep_of({**f, "model": written(t / "net.h5", "hello")}), "network file",
    ),
    "model of noise": (
        lambda t, f: sweep_of({**f, "model": written(t / "n.keras", os.urandom(999))}), "network",
    ),
    "model with code": (
        lambda t, f: sweep_of({**f, "model": lambda_network(t / "l.h5")}), "it was not run",
    ),
    "model without cut": (
        lambda t, f: sweep_of({**f, "model": dense_network(t / "d.keras")}), "convolutions: none",
    ),
    "model name with newlines": (
        lambda t, f: sweep_of({**f, "model": t / "a\nfastprune: error: b"}), "no such file",
    ),
    "set missing": (lambda t, f: sweep_of({**f, "valid": t / "none.h5"}), "no such file"),
    "set a folder": (lambda t, f: sweep_of({**f, "test": t}), "a folder"),
    "set text": (
        lambda t, f: sweep_of({**f, "bd": written(t / "x.h5", "hello")}), "another format",
    ),
    "set cut short": (
        lambda t, f: sweep_of({**f, "bd": written(t / "x.h5", f["bd"].read_bytes()[:20_000])}),
        "truncated",
    ),
    "set is the network": (lambda t, f: sweep_of({**f, "valid": f["model"]}), "changed places"),
    "dataset missing": (lambda t, f: sweep_of(f, "--data-name", "x"), "'data', 'label'"),
    "label missing": (lambda t, f: sweep_of(f, "--label-name", "y"), "a dataset 'y'"),
    "names swapped": (
        lambda t, f: sweep_of(f, "--data-name", "label", "--label-name", "data"), "shape",
    ),
    "labels too large": (
        lambda t, f: sweep_of({**f, "valid": with_dataset(f["valid"], "label", np.arange(30))}),
        "got 7 for image 7",
    ),
    "labels too few": (
        lambda t, f: sweep_of({**f, "bd": with_dataset(f["bd"], "label", np.zeros(9))}),
        "one label per image",
    ),
    "no images": (
        lambda t, f: sweep_of(
            {**f, "bd": with_dataset(f["bd"], "data", np.zeros((0, 3, 12, 10)))}
        ),
        "at least one image",
    ),
    "other images": (
        lambda t, f: sweep_of(
            {**f, "bd": with_dataset(f["bd"], "data", np.zeros((10, 3, 12, 12)))}
        ),
        "the network's input",
    ),
    "NaN pixel": (lambda t, f: sweep_of({**f, "bd": nan_pixel(f["bd"])}), "image 7"),
    "NaN pixel in valid": (lambda t, f: sweep_of({**f, "valid": nan_pixel(f["valid"])}), "image 7"),
    "cut layer": (lambda t, f: sweep_of(f, "--cut-layer", "conv_4"), "conv_3, pool_3"),
    "order": (lambda t, f: sweep_of(f, "--order", "upwards"), "ascending, descending"),
    "order twice": (lambda t, f: sweep_of(f, "--order", "ascending,ascending"), "each order once"),
    "order file missing": (lambda t, f: sweep_of(f, "--order", t / "none.txt"), "which is none"),
    "order file of words": (
        lambda t, f: sweep_of(f, "--order", written(t / "o.txt", "a b")), "whole numbers",
    ),
    "order file short": (
        lambda t, f: sweep_of(f, "--order", written(t / "o.txt", "0 1 2")), "missing [3, 4, 5]",
    ),
    "drop 0": (lambda t, f: sweep_of(f, "--drops", "0"), "drops above 0"),
    "drop 101": (lambda t, f: sweep_of(f, "--drops", "2,101"), "drops above 0"),
    "drop nan": (lambda t, f: sweep_of(f, "--drops", "nan"), "drops above 0"),
    "drop twice": (lambda t, f: sweep_of(f, "--drops", "2,2.0"), "each once"),
    "scale 0": (lambda t, f: sweep_of(f, "--scale", "0"), "a scale above 0"),
    "scale nan": (lambda t, f: sweep_of(f, "--scale", "nan"), "a scale above 0"),
    "memory": (lambda t, f: sweep_of(f, "--memory", "lots"), "a memory budget"),
    "little memory": (lambda t, f: sweep_of(f, "--memory", "1M"), "a memory budget"),
    "verify": (lambda t, f: sweep_of(f, "--verify", "99"), "steps to verify"),
    "verify below 0": (lambda t, f: sweep_of(f, "--verify", "-1"), "steps to verify"),
    "a name twice": (
        lambda t, f: sweep_of(f, "--clean", f"test={f['valid']}"), "a name of its own",
    ),
    "a name twice over kinds": (
        lambda t, f: sweep_of(f, "--backdoored", f"test={f['valid']}"), "'test' twice",
    ),
    "valid without model": (lambda t, f: ["sweep", "--valid", f["valid"]], "--model and --valid"),
    "lab and sets": (lambda t, f: sweep_of(f, "--lab", t), "no --lab"),
    "lab missing": (lambda t, f: ["sweep", "--lab", t / "none"], "valid.h5"),
    "output is a file": (lambda t, f: sweep_of(f, "--out", in_the_way(t)), "got a file"),
    "output below a file": (lambda t, f: sweep_of(f, "--out", in_the_way(t) / "x"), "got a file"),
    "demo below a file": (
        lambda t, f: ["demo", "--quiet", "--into", in_the_way(t) / "x"], "got a file",
    ),
    "evaluate a missing set": (
        lambda t, f: ["evaluate", t / "none.h5", f["bd"], f["model"]], "no such file",
    ),
    "evaluate a missing network": (
        lambda t, f: ["evaluate", f["test"], f["bd"], t / "none.h5"], "no such file",
    ),
    "evaluate with scale 0": (
        lambda t, f: ["evaluate", f["test"], f["bd"], f["model"], "--scale", "0"],
        "a scale above 0",
    ),
    "evaluate other networks": (
        lambda t, f: [
            "evaluate", f["test"], f["bd"], f["model"], lambda_network(t / "l.h5")
        ],
        "it was not run",
    ),
    "plot nothing": (lambda t, f: ["plot", t / "none"], "complete results directory"),
    "plot a file": (lambda t, f: ["plot", in_the_way(t)], "complete results directory"),
}  # fmt: skip


def everything_below(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.slow
def test_bad_input_takes_one_line_and_leaves_nothing(run, files, tmp_path, name):
    make, word = BAD[name]
    arguments = make(tmp_path, files)
    before = everything_below(tmp_path)
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert err.startswith("fastprune: error: expected ")
    assert word in err
    assert err[:-1].isprintable()
    assert everything_below(tmp_path) == before
