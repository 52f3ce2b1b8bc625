"""Progress is shown where somebody looks: on a terminal, or where it is asked for."""

from __future__ import annotations

import sys

import pytest

from fastprune.cli import prepare
from fastprune.cli.main import main


@pytest.fixture
def shown(monkeypatch):
    """Return a function: run a call that does nothing, on a terminal or not; is progress shown?"""

    def shown(*words, terminal):
        found = []

        def run(arguments):
            found.append(arguments.progress)
            return 0

        for command in ("sweep", "demo"):
            monkeypatch.setattr(prepare, command, lambda _: None)
            monkeypatch.setattr(f"fastprune.cli.{command}.run", run)
        monkeypatch.setattr("fastprune.cli.make_set.run", run)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
        assert main(list(words)) == 0
        return found[0]

    return shown


@pytest.mark.parametrize("call", [["sweep"], ["demo"], ["make-set", "a", "b.h5"]])
@pytest.mark.parametrize("form", ["text", "json"])
def test_progress_is_for_terminals(shown, call, form):
    call = [*call, "--format", form]
    assert shown(*call, terminal=True)
    assert not shown(*call, terminal=False)
    for terminal in (True, False):
        assert shown(*call, "--progress", terminal=terminal)
        assert not shown(*call, "--quiet", terminal=terminal)
