"""`--strict`: a warning makes the exit status 1, and takes nothing from what is printed."""

from __future__ import annotations

import json
import sys
import warnings

import pytest

from fastprune.cli.exits import STATUSES
from fastprune.cli.parser import make_parser
from fastprune.runtime.progress import FastpruneWarning, warn

STRICT = ("sweep", "demo", "evaluate", "predict")


def commands():
    (action,) = [one for one in make_parser()._actions if isinstance(one.choices, dict)]
    return action.choices


def test_who_is_strict():
    found = [
        name for name, command in commands().items()
        if "--strict" in command._option_string_actions
    ]  # fmt: skip
    assert sorted(found) == sorted(STRICT)
    assert "--strict" in STATUSES[1]


@pytest.mark.parametrize(
    ("said", "own", "strict", "status"),
    [(True, 0, True, 1), (True, 0, False, 0), (False, 0, True, 0), (True, 2, True, 2)],
)
def test_a_warning_is_a_failure_for_the_strict(run, files, monkeypatch, said, own, strict, status):
    def evaluated(_):
        if said:
            warn("look here")
        sys.stdout.write("done\n")
        return own

    monkeypatch.setattr("fastprune.cli.evaluate.run", evaluated)
    with warnings.catch_warnings():
        warnings.simplefilter("always", FastpruneWarning)
        found = run("evaluate", files["test"], files["bd"], files["model"], *["--strict"] * strict)
    assert found == (status, "done\n", "fastprune: warning: look here\n" if said else "")


@pytest.mark.slow
def test_an_evaluation_of_one_set_twice(run, files):
    twice = ("evaluate", files["test"], files["test"], files["model"], "--format", "json")
    with warnings.catch_warnings():
        warnings.simplefilter("always", FastpruneWarning)
        status, out, err = run(*twice, "--strict")
    found = json.loads(out)
    assert (status, found["clean_hits"]) == (1, 19)
    assert [json.loads(err)["warning"]] == found["warnings"]
    assert "the same file" in found["warnings"][0]


def test_a_scale_may_be_a_fraction(run):
    for command in ("sweep", "evaluate", "predict"):
        kind = commands()[command]._option_string_actions["--scale"].type
        assert (kind("255"), kind("1/255")) == (255, 1 / 255)
    status, out, err = run("evaluate", "a", "b", "c", "--scale", "1/0")
    assert (status, out) == (2, "")
    assert "expected a number or a fraction, such as 255 or 1/255; got '1/0'" in err
