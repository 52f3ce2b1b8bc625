"""The names that `import fastprune` gives."""

from __future__ import annotations

import pytest

import fastprune


def test_public_names_are_there():
    for name in fastprune.__all__:
        assert getattr(fastprune, name) is not None
    assert set(dir(fastprune)) == set(fastprune.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fastprune.nothing
