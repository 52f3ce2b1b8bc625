"""What is kept on disk of a compiled loop, and when it is compiled anew."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest

from fastprune.runtime.numba_jit import compiled

FILES = {
    "constants": """
STEP = {step}
""",
    "tables": """
from typing import NamedTuple

class Table(NamedTuple):
    {first}: int
    {second}: int
""",
    "deepest": """
from fastprune.runtime.numba_jit import inner
from loops import constants
from loops.constants import STEP

@inner
def step(value):
    return value + constants.STEP + STEP + {more}
""",
    "between": """
from fastprune.runtime.numba_jit import inner
from loops.deepest import step

@inner
def twice(table):
    return step(step(table.value))
""",
    "outer": """
from fastprune.runtime.numba_jit import compiled
from loops.between import twice
from loops.tables import Table

@compiled
def run(table):
    return twice(table)

print(run(Table(value=1, other=100)), sum(run.stats.cache_hits.values()))
""",
}
"""A package of compiled loops, one inside the other, with what they take from other modules."""

AS_THEY_ARE = {"step": 1, "first": "value", "second": "other", "more": 0}


@pytest.fixture
def run(tmp_path):
    """Return what runs the loops in a process of its own: result and cache hits."""
    folder = tmp_path / "loops"
    folder.mkdir()

    def call(**changes):
        for name, text in FILES.items():
            (folder / f"{name}.py").write_text(text.format(**AS_THEY_ARE | changes))
        # Python itself looks at time and size of a file, and these may be the same.
        environment = {
            **os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept"), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.getcwd()])
        done = subprocess.run(
            [sys.executable, "-c", "import loops.outer"],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.split()

    return call


@pytest.mark.parametrize(
    ("changes", "result"),
    [({"more": 5}, "15"), ({"step": 2}, "9"), ({"first": "other", "second": "value"}, "5")],
    ids=["a loop inside a loop", "a constant of another module", "the fields of a NamedTuple"],
)
@pytest.mark.slow
def test_a_loop_is_compiled_anew_where_what_it_contains_has_changed(run, changes, result):
    assert run() == ["5", "0"]
    assert run() == ["5", "1"]
    assert run(**changes) == [result, "0"]
    assert run() == ["5", "1"]


def test_arrays_outlive_a_call_and_are_let_go_afterwards():
    """Loops count no references: the caller's must be right before and after."""
    pairs = Pair(np.arange(3.0), np.arange(3.0))
    before = [sys.getrefcount(array) for array in pairs]
    for _ in range(3):
        assert product(pairs) == 5
    assert [sys.getrefcount(array) for array in pairs] == before


class Pair(NamedTuple):
    left: Any
    right: Any


@compiled
def product(pairs):
    left, total = pairs.left, 0.0
    for i in range(len(left)):
        total += left[i] * pairs.right[i]
    return total
