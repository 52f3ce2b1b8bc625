"""What is compiled ahead is what a sweep calls."""

from __future__ import annotations

import numba
import numpy as np

from fastprune.networks.network import load_network
from fastprune.runtime import machine
from fastprune.suffix import ahead, kernels
from fastprune.suffix.select import candidates


def test_a_sweep_calls_the_loops_with_the_types_that_are_compiled_ahead(
    make_network, make_images, monkeypatch
):
    called = {}
    for loop, _ in ahead.CALLS:

        def noted(*arguments, loop=loop):
            called[loop] = tuple(map(numba.typeof, arguments))
            return loop(*arguments)

        monkeypatch.setattr(kernels, loop.py_func.__name__, noted)
    network = load_network(make_network("deepid_like"))
    cut = np.array(network.prefix(make_images(3)[0].astype(np.float32)))
    for engine in candidates(network):
        engine.classes(engine.block(cut), np.arange(network.n_channels))
    assert called == {
        loop: tuple(map(numba.typeof, arguments)) for loop, arguments in ahead.CALLS
    }


def test_one_core_has_nothing_to_spare(monkeypatch):
    started = []
    monkeypatch.setattr(ahead, "compile_apart", started.append)
    monkeypatch.setattr(ahead, "uncompiled", lambda calls: ["loop"])
    for cores in (1, 2):
        monkeypatch.setattr(machine, "cores", lambda cores=cores: cores)
        ahead.compile_ahead()
    assert started == [["loop"]]
