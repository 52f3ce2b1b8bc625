"""No test passes or fails by the clock: how long a thing takes is measured in bench/."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
CLOCKS = {"perf_counter", "perf_counter_ns", "monotonic", "process_time", "time_ns"}


def test_examples_of_hypothesis_have_no_deadline():
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check


@pytest.mark.parametrize("path", sorted(HERE.rglob("test_*.py")), ids=lambda path: path.stem)
def test_no_test_looks_at_the_clock(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in CLOCKS, where
            assert ast.unparse(node) != "time.time", where
        if isinstance(node, ast.keyword) and node.arg in ("deadline", "timeout"):
            value = ast.literal_eval(node.value)
            assert value is None or value >= 600, where
