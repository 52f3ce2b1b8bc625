"""Small parts, and a trigger."""

from __future__ import annotations

import pytest

from fastprune.making import from_folders, writer
from tests.helpers.images import write_trigger


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Several parts even of small sets."""
    monkeypatch.setattr(from_folders, "AT_ONCE", 4)
    monkeypatch.setattr(writer, "PART", 9 * 12 * 10 * 3 * 8)


@pytest.fixture
def trigger(tmp_path):
    return write_trigger(tmp_path / "trigger.png")
