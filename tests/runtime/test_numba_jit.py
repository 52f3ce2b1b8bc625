"""What is kept on disk of a compiled loop, and when it is compiled anew."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

INNER = """
from fastprune.runtime.numba_jit import inner

@inner
def step(value):
    return value + {step}
"""
BETWEEN = """
from deepest import step
from fastprune.runtime.numba_jit import inner

@inner
def twice(value):
    return step(step(value))
"""
OUTER = """
from between import twice
from fastprune.runtime.numba_jit import compiled

@compiled
def run(value):
    return twice(value)

print(run(1), sum(run.stats.cache_hits.values()))
"""


@pytest.fixture
def run(tmp_path):
    """Return what runs the loops of a folder in a process of its own: result and cache hits."""

    def call(step):
        (tmp_path / "deepest.py").write_text(INNER.format(step=step))
        # Python itself looks at time and size of a file, and these may be the same.
        environment = {
            **os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept"), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.getcwd()])
        done = subprocess.run(
            [sys.executable, "-c", "import outer"],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.split()

    (tmp_path / "between.py").write_text(BETWEEN)
    (tmp_path / "outer.py").write_text(OUTER)
    return call


def test_a_loop_is_compiled_anew_where_one_that_it_contains_has_changed(run):
    assert run(1) == ["3", "0"]
    assert run(1) == ["3", "1"]
    assert run(5) == ["11", "0"]
    assert run(1) == ["3", "1"]
