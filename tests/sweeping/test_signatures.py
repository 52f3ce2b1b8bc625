"""`sweep` spells its options, so that editors complete them: those of `sweep_orders`."""

from __future__ import annotations

import inspect

import pytest

from fastprune.sweeping import run


def options(function):
    found = inspect.signature(function).parameters
    return {
        name: (one.kind, one.default, one.annotation)
        for name, one in found.items()
        if name not in ("order", "orders")
    }


def test_sweep_and_sweep_orders_agree_in_names_and_defaults():
    assert options(run.sweep) == options(run.sweep_orders)
    assert inspect.signature(run.sweep).parameters["order"].default == "ascending"
    kinds = {one.kind for one in inspect.signature(run.sweep).parameters.values()}
    assert kinds == {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


def test_every_option_is_handed_on(monkeypatch):
    def told(*network, **given):
        return [(network, given)]

    monkeypatch.setattr(run, "sweep_orders", told)
    given = {name: object() for name in options(run.sweep) if name != "network"}
    assert run.sweep("b.h5", order="max", **given) == (("b.h5",), {**given, "orders": ["max"]})
    with pytest.raises(TypeError):
        run.sweep("b.h5", valid="v.h5", unknown=1)
