"""TensorFlow's start-up talk stays out of programs and notebooks, unless they ask for it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from fastprune.errors import OptionError
from fastprune.runtime import quiet_keras
from fastprune.runtime.quiet_keras import LEVEL, import_keras

LOAD = """
import os, sys
import fastprune
fastprune.load_network(sys.argv[1])
assert "tensorflow" in sys.modules
assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") is None
os.write(2, b"heard")
"""


@pytest.mark.slow
def test_a_python_program_hears_nothing(tmp_path, make_network):
    make_network("vgg_like").save(tmp_path / "b.keras")
    environment = {name: value for name, value in os.environ.items() if name != LEVEL}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, tmp_path / "b.keras"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "heard")


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not imported Keras: its import talks on stderr and notes its level."""
    for name in ("keras", "tensorflow"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delenv(LEVEL, raising=False)
    levels = []

    def talk():
        levels.append(os.environ.get(LEVEL))
        os.write(2, b"talk")

    monkeypatch.setattr(quiet_keras, "_import_keras", talk)
    return levels


@pytest.mark.parametrize("own", [None, "1", "3"])
def test_the_import_is_quiet_and_leaves_the_environment(fresh, monkeypatch, capfd, own):
    if own is not None:
        monkeypatch.setenv(LEVEL, own)
    import_keras()
    assert fresh == [own or "3"]
    assert os.environ.get(LEVEL) == own
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_no_garbage_is_looked_for_during_the_import(fresh, monkeypatch):
    monkeypatch.setattr(quiet_keras, "_import_keras", lambda: fresh.append(gc.isenabled()))
    import_keras()
    assert (fresh, gc.isenabled()) == ([False], True)


def test_whoever_asks_for_all_lines_gets_them(fresh, monkeypatch, capfd):
    monkeypatch.setenv(LEVEL, "0")
    import_keras()
    assert capfd.readouterr().err == "talk"


def test_what_is_imported_already_is_left_alone(fresh, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    import_keras()
    assert (fresh, capfd.readouterr().err) == ([None], "talk")


def test_an_error_is_raised_and_stderr_comes_back(fresh, monkeypatch, capfd):
    def fail():
        raise ImportError("No module named 'jax'")

    monkeypatch.setattr(quiet_keras, "_import_keras", fail)
    with pytest.raises(OptionError, match=r"No module named 'jax'.*KERAS_BACKEND"):
        import_keras()
    assert LEVEL not in os.environ
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_a_program_without_stderr(fresh, monkeypatch):
    def closed(_):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    monkeypatch.setattr(sys, "stderr", None)
    import_keras()
    assert fresh == ["3"]
