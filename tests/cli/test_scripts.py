"""What scripts and shells rely on: exit statuses, JSON on stdout and stderr, closed pipes, Tab."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from fastprune import errors
from fastprune.cli import completion, demo, exits
from fastprune.cli.completion import FOLDERS, actions, script
from fastprune.cli.main import main
from fastprune.cli.parser import make_parser
from fastprune.runtime.progress import warn

PYTHON = [sys.executable, "-m", "fastprune"]


def commands():
    parser = make_parser()
    return next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices


@pytest.fixture(scope="module")
def files(tmp_path_factory, make_network, make_images, plain_classes):
    """A network and two sets."""
    import h5py

    folder = tmp_path_factory.mktemp("files")
    model = make_network("deepid_like", seed=1)
    model.save(folder / "b.keras")
    images = make_images(20)[0]
    for name, pixels, labels in (
        ("valid", images, plain_classes(model, images)), ("bd", 255 - images, np.full(20, 1)),
    ):  # fmt: skip
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"], file["label"] = pixels.astype("f4"), labels
    return {name: folder / name for name in ("b.keras", "valid.h5", "bd.h5")}


def sweep(files, *more):
    sets = ["--valid", files["valid.h5"], "--backdoored", f"bd={files['bd.h5']}"]
    return ["sweep", "--model", files["b.keras"], *sets, "--no-plots", *more]


def run(*arguments):
    return main([str(argument) for argument in arguments])


# Exit statuses


def test_the_table_of_statuses_is_in_the_help_and_the_errors(capsys):
    assert set(exits.STATUSES) == {0, 1, 2, 70, 130}
    with pytest.raises(SystemExit):
        main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    for status, words in exits.STATUSES.items():
        assert f"{status} {words}" in told
    for name in ("DataError", "NetworkError", "OptionError", "OutputError"):
        assert getattr(errors, name).exit_status == 2
    assert errors.VerificationError.exit_status == 1


ENDS = {
    "refused": (errors.DataError("expected x; got y"), 2, "expected x; got y"),
    "not confirmed": (errors.VerificationError("expected a; got b"), 1, "expected a; got b"),
    "interrupted": (KeyboardInterrupt(), 130, "interrupted; no file was left half-written"),
    "our fault": (RuntimeError("o\x1bh"), 70, "fault of fastprune: RuntimeError: o?h"),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_end_has_its_status_and_its_json(name, monkeypatch, capsys):
    raised, expected, message = ENDS[name]

    def fail(*_):
        raise raised

    monkeypatch.setattr("fastprune.cli.plot.run", fail)
    assert main(["plot", "x"]) == expected
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("fastprune: ")
    assert ("Traceback" in err) == (expected == 70)
    assert main(["plot", "x", "--format", "json"]) == expected
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    found = json.loads(err)
    assert (found["error"], found["exit_status"]) == (message, expected)
    assert ("traceback" in found) == (expected == 70)


@pytest.mark.parametrize("form", [["--format", "json"], ["--format=json"]])
@pytest.mark.parametrize(
    ("call", "word"),
    [
        (["sweep", "--clean", "file.h5"], "NAME=FILE"), (["nothing"], "one of sweep"),
        (["plot"], "RESULTS"), (["completion", "csh"], "bash"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_json_too(call, word, form, capsys):
    assert main([*call, *form]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    found = json.loads(err)
    assert set(found) == {"error", "exit_status"}
    assert found["exit_status"] == 2
    assert word in found["error"]


def test_a_backend_that_is_missing(monkeypatch, capsys):
    def fail():
        raise ImportError("No module named 'jax'")

    monkeypatch.setattr("fastprune.runtime.quiet_keras._import_keras", fail)
    monkeypatch.setattr("fastprune.cli.prepare.evaluate", lambda _: None)
    assert main(["evaluate", "a", "b", "c"]) == 2
    assert "choose another KERAS_BACKEND" in capsys.readouterr().err


@pytest.mark.slow
def test_a_disagreement_with_keras_ends_with_1(files, monkeypatch, capsys, tmp_path):
    from fastprune import reference

    monkeypatch.setattr(reference, "classes", lambda *a, **_: np.full(len(a[3]), -1))
    assert run(*sweep(files, "--verify", "1", "--quiet", "--out", tmp_path / "r")) == 1
    assert "expected the classes of plain Keras" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


# JSON


def test_every_command_knows_json():
    for name, command in commands().items():
        form = command._option_string_actions["--format"]
        assert form.default == "text", name
        assert {"text", "json"} <= set(form.choices), name


@pytest.mark.slow
def test_stdout_is_one_json_document_and_stderr_empty(files, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(demo.SIZES, "small", (40, 40))
    monkeypatch.chdir(tmp_path)
    calls = (
        sweep(files),
        ["evaluate", files["valid.h5"], files["bd.h5"], files["b.keras"]], ["demo"],
        ["plot", "results"], *(["completion", shell] for shell in ("bash", "zsh", "tcsh")),
    )  # fmt: skip
    for call in calls:
        assert run(*call, "--format", "json") == 0
        out, err = capsys.readouterr()
        assert json.loads(out)
        assert out.count("\n") == 1
        assert err == "", call


def test_warnings_are_json_lines_beside_the_result(monkeypatch, capsys):
    def say(_):
        warn("look\nhere")
        sys.stdout.write("{}\n")
        return 0

    monkeypatch.setattr("fastprune.cli.plot.run", say)
    monkeypatch.setattr(warnings, "showwarning", None)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["plot", "x", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {}
    assert json.loads(err) == {"warning": "look?here"}


# Closed pipes


@pytest.mark.parametrize(
    "arguments", [["--help"], ["completion", "bash"], ["completion", "zsh", "--format", "json"]]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.slow
def test_a_closed_pipe_ends_quietly(arguments, unbuffered):
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with os.fdopen(write) as stdout:
        done = subprocess.run(
            [*PYTHON, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False,
            env=environment,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


# Completion


def test_files_and_folders_are_known_by_their_type():
    pytest.importorskip("shtab")
    import shtab

    parser = make_parser()
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr("fastprune.cli.completion.make_parser", lambda: parser)
        script("bash")
    paths = [action for action in actions(parser) if action.type is Path]
    assert len(paths) >= 8
    for action in paths:
        expected = shtab.DIRECTORY if action.metavar in FOLDERS else shtab.FILE
        assert action.complete == expected, action
    assert {"DIR", "RESULTS"} == set(FOLDERS)


def test_completion_is_light_and_says_what_is_missing(monkeypatch, capsys):
    code = (
        "import sys; from fastprune.cli.main import main; main(['completion', 'bash'])\n"
        "sys.exit(bool({'keras', 'tensorflow', 'numpy', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install shtab" in capsys.readouterr().err


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    """Return a function: what bash offers for a line that ends at the cursor."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    folder = tmp_path_factory.mktemp("bash")
    (folder / "fp.bash").write_text(script("bash"))
    for name in ("net.h5", "data/my set.h5", "results/sweep.json"):
        (folder / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "here" / name).touch()

    def offered(*words):
        drive = (
            "source ../fp.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(( $# - 1 )); "
            "_shtab_fastprune; printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        done = subprocess.run(
            ["bash", "--norc", "-c", drive, "bash", "fastprune", *words],
            cwd=folder / "here", capture_output=True, text=True, check=True,
        )  # fmt: skip
        # The function sets how readline shows files, which there is none of here.
        assert [line for line in done.stderr.splitlines() if "compopt" not in line] == []
        return {line for line in done.stdout.splitlines() if line}

    return offered


def test_bash_takes_the_script_and_falls_back_on_files(tmp_path):
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (tmp_path / "fp.bash").write_text(script("bash"))
    check = "source fp.bash; complete -p fastprune"
    subprocess.run(["bash", "-n", "fp.bash"], cwd=tmp_path, check=True)
    done = subprocess.run(
        ["bash", "--norc", "-c", check], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "-o default" in done.stdout  # files after NAME=, where bash begins a word


def test_bash_completes_commands(tab):
    assert tab("") == set(commands())
    assert tab("swe") == {"sweep"}


def test_bash_completes_options_of_every_command(tab):
    for name, command in commands().items():
        assert tab(name, "--") == {o for o in command._option_string_actions if o[:2] == "--"}


def test_bash_completes_choices(tab):
    assert tab("sweep", "--engine", "") == {"auto", "incremental", "keras"}
    assert tab("sweep", "--format", "j") == {"json"}
    assert tab("completion", "") == {"bash", "zsh", "tcsh"}


def test_bash_completes_files_and_folders(tab):
    assert tab("sweep", "--model", "n") == {"net.h5"}
    assert tab("sweep", "--model", "data/my") == {"data/my set.h5"}
    assert tab("sweep", "--out", "") == {"data", "results"}
    assert tab("plot", "r") == {"results"}
    assert tab("evaluate", "n") == {"net.h5"}


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_take_their_script(shell, tmp_path):
    made = script(shell)
    assert all(command in made for command in commands())
    assert "_fastprune_named" in made or shell == "tcsh"
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(made)
    subprocess.run([shell, "-n", "script"], cwd=tmp_path, check=True, capture_output=True)


def test_nothing_is_kept_between_calls():
    assert completion.script("bash") == completion.script("bash")
    assert importlib.import_module("fastprune.cli.completion") is completion
