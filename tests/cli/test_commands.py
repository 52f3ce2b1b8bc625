"""The command line: whatever is wrong takes one line and leaves nothing behind."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import fastprune
from fastprune.cli.layout import find_lab
from fastprune.cli.main import main
from fastprune.cli.parser import make_parser
from fastprune.errors import DataError
from fastprune.export.rows import COLUMNS
from fastprune.result import SweepResult
from tests.helpers.commands import COMMANDS


@pytest.fixture(scope="module")
def model_file(tmp_path_factory, make_network):
    path = tmp_path_factory.mktemp("network") / "b.keras"
    make_network("deepid_like", seed=1).save(path)
    return path


@pytest.fixture
def files(model_file, write_set, make_images, plain_classes):
    """A network and sets on which it is nearly always right."""
    model = keras.saving.load_model(model_file)
    images = make_images(30)[0]
    labels = plain_classes(model, images)
    labels[0] = (labels[0] + 1) % 7
    return {
        "model": model_file,
        "valid": write_set("valid.h5", images, labels),
        "test": write_set("test.h5", images[:20], labels[:20]),
        "bd": write_set("bd.h5", images[5:15], np.full(10, labels[5])),
    }


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder of its own; return status, stdout, stderr."""
    folder = tmp_path / "here"
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def sweep(files, *more):
    named = {"--model": files["model"], "--valid": files["valid"]}
    arguments = [word for pair in named.items() for word in pair]
    sets = ["--clean", f"test={files['test']}", "--backdoored", f"bd={files['bd']}"]
    return ["sweep", *arguments, *sets, "--no-plots", "--quiet", *more]


def test_sweep_prints_the_drops_and_writes_the_results(run, files, tmp_path):
    status, out, err = run(*sweep(files, "--verify", "3"))
    assert (status, err) == (0, "")
    assert "6 channels of conv_3, cut at pool_3, 7 classes" in out
    assert "verified with plain Keras" in out
    assert out.endswith("results in results\n")
    found = SweepResult.load(tmp_path / "here/results")
    assert {name: part.counts.images for name, part in found.sets.items()} == {
        "valid": 30, "test": 20, "bd": 10,
    }  # fmt: skip
    assert found.sets["valid"].counts.hits[0] == 29


def test_sweep_formats(run, files):
    status, out, err = run(*sweep(files, "--format", "json"))
    found = json.loads(out)
    assert (status, err, found["results"]) == (0, "", "results")
    assert found["sets"]["valid"]["hits"][0] == 29
    status, out, err = run(*sweep(files, "--format", "csv"))
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, err, len(rows), tuple(rows[0])) == (0, "", 3 * 7, COLUMNS)
    assert [int(row["hits"]) for row in rows[:7]] == found["sets"]["valid"]["hits"]


@pytest.mark.slow
def test_several_orders_get_a_folder_each(run, files, tmp_path):
    (tmp_path / "mine.txt").write_text("5 4 3 2 1 0")
    orders = f"ascending,random:3,{tmp_path / 'mine.txt'}"
    status, out, _ = run(*sweep(files, "--order", orders, "--format", "json", "--out", "o"))
    assert status == 0
    assert [found["results"] for found in json.loads(out)] == [
        "o/ascending", "o/random-3", "o/mine",
    ]  # fmt: skip
    assert json.loads(out)[2]["order"] == [5, 4, 3, 2, 1, 0]
    status, out, _ = run(*sweep(files, "--order", "ascending,descending", "--format", "csv"))
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["order"] for row in rows} == {"ascending", "descending"}


@pytest.mark.slow
def test_several_orders_are_compared(run, files, tmp_path):
    orders = "ascending,max,apoz,l1,l2,fpgm,random:0,oracle"
    status, out, err = run(*sweep(files, "--order", orders, "--out", "o"))
    assert (status, err) == (0, "")
    names = [line.split()[0] for line in out.splitlines() if line]
    for name in (*orders.split(",")[:-1], "oracle:bd*"):
        assert name in names
    assert "as no defender can" in out
    assert "o/max, o/apoz" in out
    folder = tmp_path / "here/o"
    rows = list(csv.DictReader(io.StringIO((folder / "compare.csv").read_text())))
    assert {row["order"] for row in rows} == {*orders.split(",")[:-1], "oracle:bd"}
    assert json.loads((folder / "compare.json").read_text())["clean_set"] == "test"
    assert SweepResult.load(folder / "oracle").oracle == "bd"
    assert not (folder / "compare.png").exists(), "--no-plots"


@pytest.mark.slow
def test_true_labels_and_pairs(run, files, write_set):
    few = write_set("few.h5", n=10)
    status, out, _ = run(*sweep(files, "--true-label", f"bd={few}", "--format", "json"))
    found = json.loads(out)
    assert (status, len(found["sets"]["bd"]["true_hits"])) == (0, 7)
    assert found["options"]["true_labels"] == {"bd": str(few)}
    more = ("--clean", f"few={few}", "--paired", "bd=few")
    status, out, _ = run(*sweep(files, *more, "--format", "json"))
    assert json.loads(out)["sets"]["bd"]["true_hits"] == found["sets"]["bd"]["true_hits"]
    assert json.loads(out)["sets"]["bd"]["paired"] == "few"
    text = run(*sweep(files, *more))[1]
    assert "G as a detector" in text
    for wrong, words in (
        (("--paired", "bd=test"), "got 10 and 20"),
        (("--paired", "x=test"), "got 'x'"),
        (("--paired", "bd=x"), "there is valid, test"),
        (("--paired", "bd=test", "--paired", "bd=valid"), "every --paired set"),
        (("--true-label", f"x={few}"), "there is bd"),
        (("--true-label", "bd=none.h5"), "no such file"),
        (("--order", "oracle:x"), "got 'x'; there is bd"),
        (("--order", "upward"), "fpgm, oracle, random:SEED"),
    ):
        status, out, err = run(*sweep(files, *wrong))
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert words in err
    for option in ("--paired", "--true-label"):
        with pytest.raises(SystemExit, match="2"):
            run(*sweep(files, option, "bd"))


def test_evaluate_formats(run, files):
    arguments = ["evaluate", files["test"], files["bd"], files["model"]]
    status, out, err = run(*arguments, "--format", "json")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert found["clean_accuracy"] == 19 / 20
    assert found["clean_hits"] == 19
    status, out, err = run(*arguments, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [{key: float(value) for key, value in row.items()} for row in rows] == [found]
    found = json.loads(run(*arguments, files["model"], "--format", "json")[1])
    assert (found["clean_hits"], found["clean_flagged"], found["backdoored_flagged"]) == (19, 0, 0)


@pytest.mark.slow
def test_plot_draws_the_results_again(run, files, tmp_path):
    assert run(*sweep(files))[0] == 0
    status, out, err = run("plot", "results", "--out", "drawn", "--format", "json")
    assert (status, err) == (0, "")
    drawn = json.loads(out)["plots"]
    assert drawn
    assert all((tmp_path / "here" / path).stat().st_size > 0 for path in drawn)


def lay_out(folder, files, weights="models/bd_net.h5"):
    wanted = {
        "cl/valid.h5": "valid", "cl/test.h5": "test", "bd/bd_valid.h5": "bd", "bd/bd_test.h5": "bd",
    }  # fmt: skip
    for name, source in wanted.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(files[source].read_bytes())
    return folder / weights


@pytest.mark.parametrize("form", ["data", "."])
def test_the_labs_layout_is_found_in_both_forms(run, files, tmp_path, form):
    """With its folder data, as in the lab's repository, or without, as unpacked."""
    lab = tmp_path / "lab"
    lay_out(lab / form, files)
    found = find_lab(lab, model=files["model"])
    assert found.valid == lab / form / "cl/valid.h5"
    assert list(found.clean) == ["test"]
    assert list(found.backdoored) == ["bd_valid", "bd_test"]
    options = ("--lab", lab, "--model", files["model"], "--no-plots", "--quiet", "--format", "json")
    status, out, err = run("sweep", *options)
    assert (status, err) == (0, "")
    assert list(json.loads(out)["sets"]) == ["valid", "test", "bd_valid", "bd_test"]


def test_the_labs_network_or_its_weights_are_found(tmp_path, files):
    lay_out(tmp_path / "data", files)
    models = tmp_path / "models"
    models.mkdir()
    (models / "bd_weights.h5").write_bytes(b"")
    assert find_lab(tmp_path).model == models / "bd_weights.h5"
    (models / "bd_net.h5").write_bytes(b"")
    assert find_lab(tmp_path).model == models / "bd_net.h5"


def test_missing_files_of_the_lab_are_named(run, tmp_path, files):
    status, out, err = run("sweep")
    assert (status, out) == (2, "")
    for name in ("cl/valid.h5", "cl/test.h5", "bd/bd_valid.h5", "bd/bd_test.h5", "bd_net.h5"):
        assert name in err
    assert len(err.splitlines()) == 1
    assert "CSAW-HackML-2020" in err
    lay_out(tmp_path / "data", files)
    (tmp_path / "data/bd/bd_test.h5").unlink()
    with pytest.raises(DataError) as caught:
        find_lab(tmp_path, model=files["model"])
    assert "bd_test.h5" in str(caught.value)
    assert "valid.h5," not in str(caught.value)


# Everything that a person or an attacker can get wrong.


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
    "model missing": (lambda t, f: sweep({**f, "model": t / "none.h5"}), "no such file"),
    "model a folder": (lambda t, f: sweep({**f, "model": t}), "a folder"),
    "model an image set": (lambda t, f: sweep({**f, "model": f["valid"]}), "configuration"),
    "model text": (
        lambda t, f: sweep({**f, "model": written(t / "net.h5", "hello")}), "network file",
    ),
    "model of noise": (
        lambda t, f: sweep({**f, "model": written(t / "n.keras", os.urandom(999))}), "network",
    ),
    "model with code": (
        lambda t, f: sweep({**f, "model": lambda_network(t / "l.h5")}), "it was not run",
    ),
    "model without cut": (
        lambda t, f: sweep({**f, "model": dense_network(t / "d.keras")}), "convolutions: none",
    ),
    "model name with newlines": (
        lambda t, f: sweep({**f, "model": t / "a\nfastprune: error: b"}), "no such file",
    ),
    "set missing": (lambda t, f: sweep({**f, "valid": t / "none.h5"}), "no such file"),
    "set a folder": (lambda t, f: sweep({**f, "test": t}), "a folder"),
    "set text": (lambda t, f: sweep({**f, "bd": written(t / "x.h5", "hello")}), "another format"),
    "set cut short": (
        lambda t, f: sweep({**f, "bd": written(t / "x.h5", f["bd"].read_bytes()[:20_000])}),
        "truncated",
    ),
    "set is the network": (lambda t, f: sweep({**f, "valid": f["model"]}), "another format"),
    "dataset missing": (lambda t, f: sweep(f, "--data-name", "x"), "'data', 'label'"),
    "label missing": (lambda t, f: sweep(f, "--label-name", "y"), "a dataset 'y'"),
    "names swapped": (
        lambda t, f: sweep(f, "--data-name", "label", "--label-name", "data"), "shape",
    ),
    "labels too large": (
        lambda t, f: sweep({**f, "valid": with_dataset(f["valid"], "label", np.arange(30))}),
        "got 7 for image 7",
    ),
    "labels too few": (
        lambda t, f: sweep({**f, "bd": with_dataset(f["bd"], "label", np.zeros(9))}),
        "one label per image",
    ),
    "no images": (
        lambda t, f: sweep(
            {**f, "bd": with_dataset(f["bd"], "data", np.zeros((0, 3, 12, 10)))}
        ),
        "at least one image",
    ),
    "other images": (
        lambda t, f: sweep(
            {**f, "bd": with_dataset(f["bd"], "data", np.zeros((10, 3, 12, 12)))}
        ),
        "the network's input",
    ),
    "NaN pixel": (lambda t, f: sweep({**f, "bd": nan_pixel(f["bd"])}), "image 7"),
    "NaN pixel in valid": (lambda t, f: sweep({**f, "valid": nan_pixel(f["valid"])}), "image 7"),
    "cut layer": (lambda t, f: sweep(f, "--cut-layer", "conv_4"), "conv_3, pool_3"),
    "order": (lambda t, f: sweep(f, "--order", "upwards"), "ascending, descending"),
    "order twice": (lambda t, f: sweep(f, "--order", "ascending,ascending"), "each order once"),
    "order file missing": (lambda t, f: sweep(f, "--order", t / "none.txt"), "which is none"),
    "order file of words": (
        lambda t, f: sweep(f, "--order", written(t / "o.txt", "a b")), "whole numbers",
    ),
    "order file short": (
        lambda t, f: sweep(f, "--order", written(t / "o.txt", "0 1 2")), "missing [3, 4, 5]",
    ),
    "drop 0": (lambda t, f: sweep(f, "--drops", "0"), "drops above 0"),
    "drop 101": (lambda t, f: sweep(f, "--drops", "2,101"), "drops above 0"),
    "drop nan": (lambda t, f: sweep(f, "--drops", "nan"), "drops above 0"),
    "drop twice": (lambda t, f: sweep(f, "--drops", "2,2.0"), "each once"),
    "scale 0": (lambda t, f: sweep(f, "--scale", "0"), "a scale above 0"),
    "scale nan": (lambda t, f: sweep(f, "--scale", "nan"), "a scale above 0"),
    "memory": (lambda t, f: sweep(f, "--memory", "lots"), "a memory budget"),
    "little memory": (lambda t, f: sweep(f, "--memory", "1M"), "a memory budget"),
    "verify": (lambda t, f: sweep(f, "--verify", "99"), "steps to verify"),
    "verify below 0": (lambda t, f: sweep(f, "--verify", "-1"), "steps to verify"),
    "a name twice": (
        lambda t, f: sweep(f, "--clean", f"test={f['valid']}"), "a name of its own",
    ),
    "a name twice over kinds": (
        lambda t, f: sweep(f, "--backdoored", f"test={f['valid']}"), "'test' twice",
    ),
    "valid without model": (lambda t, f: ["sweep", "--valid", f["valid"]], "--model and --valid"),
    "lab and sets": (lambda t, f: sweep(f, "--lab", t), "no --lab"),
    "lab missing": (lambda t, f: ["sweep", "--lab", t / "none"], "valid.h5"),
    "output is a file": (lambda t, f: sweep(f, "--out", in_the_way(t)), "got a file"),
    "output below a file": (lambda t, f: sweep(f, "--out", in_the_way(t) / "x"), "got a file"),
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


def test_evaluating_b_with_g_as_its_repaired_network(run, files):
    arguments = ["evaluate", files["test"], files["bd"], files["model"]]
    assert run(*sweep(files, "--drops", "1"))[0] == 0
    status, out, err = run(*arguments, "results/goodnet_1.keras")
    assert (status, out) == (2, "")
    assert "the input and the classes of B" in err


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["nothing"], ["sweep", "--order"], ["sweep", "--clean", "file.h5"],
        ["sweep", "--clean", "=x"], ["sweep", "--drops", "a"], ["sweep", "--drops", ""],
        ["sweep", "--format", "xml"], ["sweep", "--engine", "magic"], ["sweep", "--scale", "x"],
        ["sweep", "--verify", "1.5"], ["evaluate"], ["evaluate", "a", "b"], ["plot"], ["demo", "x"],
        ["--unknown"],
    ],
)  # fmt: skip
def test_wrong_calls_exit_2_with_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    assert err.startswith("usage: fastprune")


@pytest.mark.parametrize("arguments", [[], *([command] for command in COMMANDS)])
def test_help_of_every_command(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--help"])
    out, err = capsys.readouterr()
    assert (caught.value.code, err) == (0, "")
    assert out.startswith(" ".join(["usage: fastprune", *arguments]))
    assert max(map(len, out.splitlines())) <= 100


def test_every_option_has_help():
    parser = make_parser()
    commands = next(
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    assert set(commands.choices) == set(COMMANDS)
    for command in commands.choices.values():
        for action in command._actions:
            assert action.help, (command.prog, action.dest)


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"fastprune {fastprune.__version__}\n"


HEAVY = ("tensorflow", "keras", "jax", "torch", "numba", "h5py", "matplotlib", "numpy")


@pytest.mark.parametrize("arguments", [None, ["--help"], ["sweep", "--help"], ["--version"]])
def test_nothing_heavy_is_imported_for_help(arguments):
    code = "import sys, fastprune\n"
    if arguments is not None:
        code += (
            "from fastprune.cli.main import main\n"
            f"try: main({arguments!r})\n"
            "except SystemExit as error: assert error.code == 0\n"
        )
    code += f"found = [name for name in {HEAVY!r} if name in sys.modules]\n"
    code += "sys.exit(f'imported {found}' if found else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_public_names_are_there():
    for name in fastprune.__all__:
        assert getattr(fastprune, name) is not None
    assert set(dir(fastprune)) == set(fastprune.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fastprune.nothing


@pytest.mark.slow
def test_python_m_fastprune_is_quiet_on_stderr(files):
    """One real process: TensorFlow's start-up talk must not reach the user."""
    arguments = ["evaluate", files["test"], files["bd"], files["model"]]
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", "fastprune", *map(str, arguments)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Clean Classification accuracy: 95.0\n")


@pytest.mark.parametrize("method", ["write", "flush"])
def test_a_reader_that_has_seen_enough(files, monkeypatch, method):
    def fail(*_):
        raise BrokenPipeError

    closed = io.StringIO()
    monkeypatch.setattr(closed, method, fail)
    monkeypatch.setattr(sys, "stdout", closed)
    assert main(["evaluate", *map(str, (files["test"], files["bd"], files["model"]))]) == 0
    sys.stdout.close()


def test_interrupting(run, files, monkeypatch):
    from fastprune.cli import evaluate

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "run", interrupt)
    status, out, err = run("evaluate", "a", "b", "c")
    assert (status, out) == (130, "")
    assert err == "fastprune: interrupted; no file was left half-written\n"
