"""Sweeps made of a few counts."""

import numpy as np

from fastprune.result import SweepResult
from fastprune.results.counts import Counts
from fastprune.results.network_info import NetworkInfo
from fastprune.results.record import Samples, SetResult

STEPS = 7


def network_info(**known):
    """Return what results say of a small network; what is not `known` is made up."""
    made_up = {
        "path": None, "name": "small_net", "n_classes": 5, "n_channels": STEPS - 1,
        "prune_layer": "conv_a", "cut_layer": "pool_a", "input_shape": (6, 5, 3),
        "parameters": 100, "fingerprint": "blake2b-weights:0", "written_by": "nobody",
    }  # fmt: skip
    return NetworkInfo(**{**made_up, **known})


def counts(images, flagged, **more):
    zeros = np.zeros(STEPS, np.int64)
    return Counts(images, zeros, zeros, np.array(flagged, np.int64), zeros, **more)


def sweep(**parts):
    """Return a sweep of sets by name: (images, flagged), or (images, flagged, paired)."""
    none = Samples(np.zeros((0, 2, 2, 3), np.float32), np.zeros(0, int), np.zeros((STEPS, 0), int))
    sets = {}
    for name, (images, flagged, *paired) in parts.items():
        kind = "backdoored" if paired or name.startswith("bd") else "clean"
        sets[name] = SetResult(name, kind, counts(images, flagged), none, {}, *paired)
    return SweepResult(
        network=network_info(name="b"), order_name="ascending", order=np.arange(STEPS - 1),
        activations=np.arange(STEPS - 1.0), valid="valid", sets=sets, drops=(2.0,),
        drop_kind="points",
    )  # fmt: skip
