"""What is wrong with a call is told before Keras is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from fastprune.cli import prepare
from fastprune.cli.main import main
from fastprune.networks.declared import declared_input
from tests.helpers.commands import sweep_of

CONFIG = {"config": {"layers": [
    {"class_name": "InputLayer", "config": {"batch_shape": [None, 12, 10, 3]}},
    {"class_name": "Dense", "config": {}},
]}}  # fmt: skip


def keras_file(path, config):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
    return path


@pytest.fixture
def files(tmp_path):
    """Files that pass every check before loading, and are no network and no sets."""
    files = {"model": keras_file(tmp_path / "b.keras", CONFIG)}
    for name in ("valid", "test", "bd"):
        files[name] = tmp_path / f"{name}.h5"
        with h5py.File(files[name], "w") as file:
            file["data"], file["label"] = np.zeros((2, 3, 12, 10), "u1"), [0, 1]
    return files


def larger(path):
    with h5py.File(path, "w") as file:
        file["data"], file["label"] = np.zeros((2, 3, 13, 10), "u1"), [0, 1]
    return path


WRONG = {
    "no network": (lambda t, f: sweep_of({**f, "model": t / "none.h5"}), "no such file"),
    "no set": (lambda t, f: sweep_of({**f, "bd": t / "none.h5"}), "no such file"),
    "swapped": (lambda t, f: sweep_of({**f, "model": f["valid"], "valid": f["model"]}), "places"),
    "another size": (lambda t, f: sweep_of({**f, "bd": larger(t / "l.h5")}), "(2, 3, 13, 10)"),
    "a dataset": (lambda t, f: sweep_of(f, "--data-name", "x"), "a dataset 'x'"),
    "drops": (lambda t, f: sweep_of(f, "--drops", "0"), "drops above 0"),
    "scale": (lambda t, f: sweep_of(f, "--scale", "0"), "a scale above 0"),
    "memory": (lambda t, f: sweep_of(f, "--memory", "1M"), "a memory budget"),
    "verify": (lambda t, f: sweep_of(f, "--verify", "-1"), "steps to verify"),
    "order": (lambda t, f: sweep_of(f, "--order", "asc"), "did you mean ascending?"),
    "order file": (lambda t, f: sweep_of(f, "--order", "random"), "did you mean random:SEED?"),
    "oracle": (lambda t, f: sweep_of(f, "--order", "oracle:x"), "got 'x'; there is bd"),
    "pair": (lambda t, f: sweep_of(f, "--paired", "bd=tets"), "there is valid, test; did you mean"),
    "true labels": (lambda t, f: sweep_of(f, "--true-label", f"x={f['bd']}"), "there is bd"),
    "no true labels": (lambda t, f: sweep_of(f, "--true-label", "bd=x.h5"), "no such file"),
    "a name twice": (lambda t, f: sweep_of(f, "--clean", f"bd={f['bd']}"), "'bd' twice"),
    "lab": (lambda t, f: ["sweep", "--lab", t / "none"], "the lab's layout"),
    "out": (lambda t, f: sweep_of(f, "--out", t), "which no earlier run wrote"),
    "demo's out": (lambda t, f: ["demo", "--into", t, "--out", t], "which no earlier run wrote"),
    "evaluate": (lambda t, f: ["evaluate", f["test"], f["model"], f["bd"]], "places"),
    "evaluate's size": (
        lambda t, f: ["evaluate", larger(t / "l.h5"), f["bd"], f["model"]], "(2, 3, 13, 10)",
    ),
    "predict": (lambda t, f: ["predict", f["model"], t / "none.png"], "no such file"),
    "predict by a set": (lambda t, f: ["predict", f["bd"], t], "an HDF5 set"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls_are_told_before_keras_is_loaded(tmp_path, files, monkeypatch, capsys, name):
    def started():
        raise AssertionError("Keras was loaded")

    monkeypatch.setattr("fastprune.cli.keras_start.import_keras_quietly", started)
    monkeypatch.chdir(tmp_path)
    make, words = WRONG[name]
    before = sorted(tmp_path.rglob("*"))
    arguments = [str(word) for word in make(tmp_path, files)]
    before = sorted({*before, *tmp_path.rglob("*")})
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("fastprune: error: expected ")
    assert words in err
    assert sorted(tmp_path.rglob("*")) == before


def test_right_calls_pass_without_keras_and_numba(files):
    """In a process of its own: here both are loaded long since."""
    calls = [sweep_of(files), ["evaluate", files["test"], files["bd"], files["model"]], ["demo"]]
    code = (
        "import json, sys\n"
        "from fastprune.cli.parser import make_parser\n"
        "for call in json.loads(sys.argv[1]):\n"
        "    arguments = make_parser().parse_args(call)\n"
        "    arguments.prepare(arguments)\n"
        "heavy = {'keras', 'tensorflow', 'numba', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    calls = json.dumps([[str(word) for word in call] for call in calls])
    done = subprocess.run(
        [sys.executable, "-c", code, calls],
        capture_output=True, text=True, check=False, cwd=files["model"].parent,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_that_needs_keras_is_prepared():
    from tests.cli.test_scripts import commands

    for name, command in commands().items():
        if command.get_default("needs_keras"):
            assert hasattr(prepare, name.replace("-", "_")), name


@pytest.mark.parametrize("name", ["deepid_like", "vgg_like"])
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_the_input_that_a_network_declares(tmp_path, make_network, name, suffix):
    path = tmp_path / f"b.{suffix}"
    make_network(name).save(path)
    assert declared_input(path) == (12, 10, 3)


@pytest.mark.parametrize(
    "config",
    [
        "", "[" * 100_000, "{}", "[]", {"config": {"layers": [{}]}}, {"config": []},
        {"config": {"layers": CONFIG["config"]["layers"] * 2}},
        {"config": [{"class_name": "InputLayer", "config": {"batch_shape": [None, None, 2, 3]}}]},
        {"config": [{"class_name": "InputLayer", "config": {"batch_shape": [True, 1, 2, "3"]}}]},
    ],
)  # fmt: skip
def test_what_is_not_declared_is_left_to_loading(tmp_path, config):
    assert declared_input(keras_file(tmp_path / "b.keras", config)) is None
    assert declared_input(tmp_path / "none.h5") is None
