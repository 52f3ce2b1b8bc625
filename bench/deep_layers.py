"""Layers of a ResNet50: its last convolution, its features, and a convolution inside.

``python -m bench.deep_layers`` sweeps four sets of 64 x 64 images through a seeded, untrained
ResNet50 whose normalizations know those images. The last convolution (2,048 channels) and the
classifier's masked input are measured beside the prefix alone, streamed as fastprune streams it,
and beside masked activations through plain Keras; a convolution inside a block, beside the loop
over zeroed weights. The plain sides measure some of the steps and are extrapolated. Counts are
compared before anything is timed; ratios are those of a round, every second round backwards.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from bench import labs, nets
from bench.plan import Entry, Sizes, alternating
from bench.run import Bench

SIZE, CLASSES = 64, 10
WOKEN_ON = 256
"""Images whose statistics the normalizations have."""

LAYERS: dict[str, dict[str, Any]] = {
    "last": {
        "layer": {}, "masked": "conv5_block3_3_conv", "sides": ["conv5_block2_out"],
        "zeroed": "conv5_block3_3_conv", "channels": 2048,
    },
    "features": {
        "layer": {"mask_layer": "features"}, "masked": "avg_pool", "sides": [], "channels": 2048,
    },
    "inner": {
        "layer": {"prune_layer": "conv5_block2_2_conv"}, "zeroed": "conv5_block2_2_conv",
        "channels": 512,
    },
}  # fmt: skip
"""What is swept: how fastprune is told, whose output or weights plain Keras prunes, and beside."""

BARS = (
    ("last", "sweep", "prefix", "≤", 1.25),
    ("features", "sweep", "prefix", "≤", 1.25),
    ("last", "masked", "sweep", "≥", 100.0),
    ("features", "masked", "sweep", "≥", 100.0),
    ("inner", "sweep", "loop", "≤", 0.1),
)
"""Point, numerator, denominator, side and bar, of times."""

SIDES = {"last": ("sweep", "prefix", "masked"), "features": ("sweep", "prefix", "masked"),
         "inner": ("sweep", "loop")}  # fmt: skip
"""What is timed in every round."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m bench.deep_layers", description=__doc__)
    made.add_argument("--images", type=int, default=1000, help="of each of four sets")
    made.add_argument("--inner-images", type=int, help="of each set, inside a block (as --images)")
    made.add_argument("--pairs", type=int, default=5, help="rounds")
    made.add_argument("--steps", type=int, default=3, help="steps measured of the plain sides")
    made.add_argument("--only", default=",".join(LAYERS), metavar="NAME,…", help="layers to run")
    made.add_argument(
        "--out", type=Path, default=Path("results-bench", "deep_layers.json"), metavar="FILE"
    )
    return made


def write(folder: Path, count: int) -> tuple[str, labs.Sets]:
    """Write the network and four sets of `count` images; return both."""
    import keras

    from bench.families import images_of, wake

    shape, network = (SIZE, SIZE, 3), folder / "resnet50.keras"
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50(weights=None, classes=CLASSES, input_shape=shape)
    wake(model, images_of(WOKEN_ON, shape, seed=1).astype(np.float32))
    model.save(network)
    return str(network), nets.write_sets(folder, model, count)


def steps_of(channels: int, count: int) -> list[int]:
    """Return `count` steps, even over a sweep, its ends left out."""
    return [round(channels * (index + 1) / (count + 1)) for index in range(count)]


def group(
    point: str, network: str, sets: labs.Sets, folder: Path, options: argparse.Namespace
) -> Iterator[Entry]:
    """Measure one layer: compared in round 0, then timed."""
    about, order = LAYERS[point], str(folder / f"{point}.npy")
    warm = labs.few(sets, folder / f"warm_{point}", 16)
    plain = {key: about[key] for key in ("masked", "sides", "zeroed") if key in about}

    def entry(case: str, number: int) -> Entry:
        chosen: dict[str, Any] = {"layer": about["layer"]}
        if case == "sweep":
            chosen["order_to"] = order
        elif case != "prefix":
            steps = steps_of(about["channels"], options.steps if number else 1)
            chosen |= {**plain, "order": order, "steps": steps}
        job = {"case": case, "network": network, "sets": sets, "warm": warm, "options": chosen}
        return Entry("layers", point, number, job)

    yield entry("sweep", 0)
    for case, needs in (("masked", "masked"), ("loop", "zeroed")):
        if needs in about:
            yield entry(case, 0)
    for number in range(1, options.pairs + 1):
        for case in alternating(SIDES[point], number):
            yield entry(case, number)


def ratios(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return every bar's ratios: median, least and most over the rounds."""
    found = []
    for point, above, below, sign, bar in BARS:
        seconds = {
            case: {run["round"]: run["seconds"] for run in runs
                   if (run["point"], run["case"]) == (point, case)}
            for case in (above, below)
        }  # fmt: skip
        both = sorted(seconds[above].keys() & seconds[below].keys())
        values = [seconds[above][number] / seconds[below][number] for number in both]
        if values:
            median = statistics.median(values)
            reached = median <= bar if sign == "≤" else median >= bar
            found.append({
                "layer": point, "ratio": f"{above} ÷ {below}", "median": median,
                "least": min(values), "most": max(values), "rounds": len(values),
                "bar": f"{sign} {bar:g}", "reached": reached,
            })  # fmt: skip
    return found


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    options = parser().parse_args(argv)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    bench = Bench(Sizes(pairs=options.pairs), options.out, set())
    with tempfile.TemporaryDirectory(prefix="fastprune-bench-") as name:
        folder = Path(name)
        for point in options.only.split(","):
            count = options.inner_images if point == "inner" else None
            network, sets = write(folder, count or options.images)
            bench.run_group(group(point, network, sets, folder, options))
    found = ratios(bench.runs)
    for one in found:
        print(
            f"{one['layer']}, {one['ratio']}, time: {one['median']:.3g} ({one['least']:.3g}–"
            f"{one['most']:.3g}, {one['rounds']} rounds); bar {one['bar']}: "
            f"{'reached' if one['reached'] else 'missed'}"
        )
    compared = [{key: one[key] for key in COMPARED} for one in bench.compared]
    print(json.dumps({"ratios": found, "compared": compared}))
    return int(not all(one["reached"] for one in found))


COMPARED = ("point", "case", "with", "compared", "different", "near_ties")
"""What is said of counts that were compared; a difference beyond near-ties ends the run."""

if __name__ == "__main__":
    raise SystemExit(main())
