"""What the command line does beside the import of Keras, and what it keeps Keras from importing."""

from __future__ import annotations

import json
import sys

import pytest

from fastprune.cli import keras_start
from fastprune.report.plots import artist
from fastprune.runtime.backend import ONE_CORE_A_CALL
from fastprune.suffix import ahead


@pytest.fixture
def begun(monkeypatch):
    """Return what was begun, in its order; nothing is."""
    found = []
    monkeypatch.delenv(ONE_CORE_A_CALL, raising=False)
    monkeypatch.setattr(ahead, "compile_ahead", lambda: found.append("compile"))
    monkeypatch.setattr(artist, "start", lambda: found.append("draw"))
    monkeypatch.setattr(keras_start, "import_keras_quietly", lambda: found.append("import"))
    return found


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, ["compile", "import", "draw"]),
        ({"engine": "keras"}, ["import", "draw"]),
        ({"plots": False}, ["compile", "import"]),
    ],
)
def test_what_is_begun_for_a_sweep(begun, monkeypatch, how, expected):
    monkeypatch.delitem(sys.modules, "tensorflow")
    keras_start.start_for_sweep(**{"engine": "auto", "verify": False, "plots": True, **how})
    assert begun == expected


def test_within_a_longer_program_nothing_is_begun(begun):
    keras_start.start_for_sweep(engine="auto", verify=False, plots=True)
    assert begun == ["import"]


def test_keras_is_kept_from_what_no_command_uses_and_programs_are_not(monkeypatch):
    """`wave` stands for a module that is there, but not imported yet."""
    seen = []

    def importing():
        with pytest.raises(ImportError):
            import wave  # noqa: F401
        seen.append(sys.modules["json"])

    sys.modules.pop("wave", None)
    monkeypatch.setattr(keras_start, "UNUSED", ("wave", "json"))
    monkeypatch.setattr(keras_start, "import_keras", importing)
    keras_start.import_keras_quietly()
    assert seen == [json]
    assert sys.modules["json"] is json
    import wave  # noqa: F401
