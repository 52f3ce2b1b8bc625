"""Loops compiled in another process: taken from there, and never missed when it fails."""

from __future__ import annotations

import os
import subprocess
import sys

import numba
import pytest
from numba.core.caching import FunctionCache

from fastprune.runtime import apart, compiling
from fastprune.runtime.numba_jit import compiled, uncompiled

PROGRAM = """
import sys, time
from loops import run
from fastprune.runtime import compiling
from fastprune.runtime.numba_jit import uncompiled

missing = uncompiled([(run, (1.0,))])
compiling.compile_apart(missing)
run(1.0)
run(1)
hits, misses = (sum(counts.values()) for counts in (run.stats.cache_hits, run.stats.cache_misses))
print(len(missing), hits, misses)
"""
LOOPS = """
from fastprune.runtime.numba_jit import compiled

@compiled
def run(value):
    return value + 1
"""


@pytest.mark.slow
def test_a_loop_is_compiled_there_or_here_and_once(tmp_path):
    """The argument that is no float is compiled here: what the other process does not make."""
    (tmp_path / "loops.py").write_text(LOOPS)
    # What lies in the folder that a call is made from is not for the other process to run.
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "pickle.py").write_text("raise SystemExit")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.getcwd()])
    (tmp_path / "program.py").write_text(PROGRAM)
    told = [
        subprocess.run(
            [sys.executable, tmp_path / "program.py"], env=environment, cwd=tmp_path / "here",
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for _ in range(2)
    ]  # fmt: skip
    assert told == [["1", "1", "1"], ["0", "2", "0"]]
    assert len(list((tmp_path / "kept").rglob("*.nbc"))) == 2


class Process:
    """One that ends after so many looks at it; None for never."""

    def __init__(self, looks):
        self.looks = looks

    def poll(self):
        if self.looks is None:
            return None
        self.looks -= 1
        return None if self.looks >= 0 else 1


@compiled
def loop(value):
    return value


TYPES = (numba.float64,)


@pytest.fixture
def working(monkeypatch):
    """Let a process be at work on `loop`."""
    monkeypatch.setattr(compiling, "_working", {})

    def start(process):
        monkeypatch.setattr(apart, "start", lambda *_: process)
        compiling.compile_apart([(__name__, "loop", TYPES)])

    return start


@pytest.fixture
def looked(monkeypatch):
    """Let the cache hold machine code from its third look on; return the looks."""
    looks = []

    def load(*_):
        looks.append(None)
        return "code" if len(looks) == 3 else None

    monkeypatch.setattr(FunctionCache, "load_overload", load)
    return looks


def test_a_loop_is_waited_for_while_the_process_is_at_it(working, looked):
    working(Process(None))
    assert loop._cache.load_overload(TYPES, None) == "code"
    assert len(looked) == 3


@pytest.mark.parametrize("process", [None, Process(0)], ids=["not started", "failed"])
def test_nothing_is_waited_for_where_there_is_no_process(working, looked, process):
    working(process)
    assert loop._cache.load_overload(TYPES, None) is None
    assert len(looked) == 1


def test_the_cache_is_looked_at_once_more_when_the_process_has_ended(working, monkeypatch):
    """It may have written its work between the last look and its end."""
    process = Process(1)
    monkeypatch.setattr(
        FunctionCache, "load_overload", lambda *_: "code" if process.looks < 0 else None
    )
    working(process)
    assert loop._cache.load_overload(TYPES, None) == "code"


def test_what_the_process_does_not_make_is_not_waited_for(working, looked):
    working(Process(None))
    assert loop._cache.load_overload((numba.int64,), None) is None


def test_a_process_that_does_not_come_to_an_end_is_given_up(working, looked, monkeypatch):
    monkeypatch.setattr(compiling, "PATIENCE", -1.0)
    working(Process(None))
    assert loop._cache.load_overload(TYPES, None) is None


def test_only_what_the_cache_lacks_is_compiled(monkeypatch):
    held = {TYPES}
    monkeypatch.setattr(type(loop._cache), "holds", lambda cache, types, _: types in held)
    found = uncompiled([(loop, (1.0,)), (loop, (1,))])
    assert found == [(__name__, "loop", (numba.int64,))]


@pytest.mark.parametrize("executable", ["", "/nowhere/python"])
def test_without_a_python_no_process_is_started(monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    assert apart.start("sys", "exit") is None


def test_a_process_that_has_ended_can_be_ended():
    process = apart.start("sys", "exit", 3)
    assert process.wait(60) == 3
    apart.end(process)
    apart.end(process)
