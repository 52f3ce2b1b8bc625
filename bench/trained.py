"""Trained BadNets of five kinds, every step of three interventions against plain Keras.

``python -m bench.trained`` trains (seeded, a minute or two each; see :mod:`bench.trained_nets`) a
residual network with activations behind its convolutions and one with them before, a dense one, a
depthwise separable one and one that holds a network of its own. Of each it sweeps the convolution
that is chosen by itself, convolutions inside, and the masked input of the classifier, on a clean
and a backdoored set, and counts every step again from the definition (:mod:`bench.plain`). A line
per case and a JSON summary; ends with 1 when a count differs by more than near-ties, when the
automatic choice is not the last convolution, or when a network is no BadNet.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from bench import plain
from bench.trained_nets import KINDS, TARGET, sets_of, trained

INTO = Path("results-bench", "trained")
IMAGES = 400
SEED = 5
"""Of the images of both sets; none of them was trained on."""

LEAST_ACCURACY, LEAST_ASR = 0.6, 0.9
"""What makes a BadNet: it knows faces, and the sunglasses more than them."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m bench.trained", description=__doc__)
    made.add_argument("--only", default=",".join(KINDS), metavar="KIND,…", help="networks to run")
    made.add_argument(
        "--into", type=Path, default=INTO, metavar="DIR",
        help="where trained networks are kept and taken from (%(default)s)",
    )  # fmt: skip
    made.add_argument("--images", type=int, default=IMAGES, help="of each set (%(default)s)")
    made.add_argument("--train-only", action="store_true", help="train, measure, sweep nothing")
    return made


def cases_of(kind: str) -> Iterator[tuple[str, str | None, dict[str, str]]]:
    """Yield what is swept of a kind: words, the prune layer that is expected, options."""
    about = KINDS[kind]
    yield "last convolution", about.last, {}
    for name in about.inner:
        yield f"inner {name}", name, {"prune_layer": name}
    yield "features", None, {"mask_layer": "features"}


def badnet(model: Any, sets: plain.Sets) -> dict[str, float]:
    """Return clean accuracy and attack success rate of a network."""
    nothing = plain.masked_hits(model, [], sets, [0])
    shares = {name: nothing[name][0] / len(label) for name, (_, label) in sets.items()}
    return {"clean_accuracy": shares["valid"], "attack_success_rate": shares["bd_valid"]}


def case(
    kind: str, model: Any, path: Path, sets: plain.Sets, words: str, layer: str | None,
    options: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    """Sweep one layer of one network and count every step again; return what was found."""
    import fastprune

    backdoored, begin = {"bd_valid": sets["bd_valid"]}, time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = fastprune.sweep(path, valid=sets["valid"], backdoored=backdoored, **options)
    swept, begin = time.perf_counter() - begin, time.perf_counter()
    steps = range(result.n_channels + 1)
    if layer is None:
        hits = plain.masked_hits(model, result.order, sets, steps)
    else:
        hits = plain.weights_hits(model, layer, result.order, sets, steps)
    found = plain.compared(result, hits)
    pruned = result.network.prune_layer
    return {
        "network": kind, "case": words, "prune_layer": pruned,
        "cut_layer": result.network.cut_layer, "channels": result.n_channels,
        "engine": result.options["engine_used"], **found,
        "ok": not found["beyond"] and layer in (None, pruned),
        "seconds_sweep": round(swept, 2), "seconds_plain": round(time.perf_counter() - begin, 2),
    }  # fmt: skip


def line_of(found: dict[str, Any]) -> str:
    """Return one line for one case."""
    verdict = "ok" if found["ok"] else "FAILED"
    start = f"{found['network']}, {found['case']}: {verdict}"
    if "error" in found:
        return f"{start}: {found['error']}"
    if "channels" not in found:
        return (
            f"{start}: clean accuracy {found['clean_accuracy']:.1%}, attack success rate "
            f"{found['attack_success_rate']:.1%}; {found['seconds']} s"
        )
    return (
        f"{start}: {found['channels']} channels of {found['prune_layer']}, cut at "
        f"{found['cut_layer']}, {found['engine']}; {found['compared']} counts compared, "
        f"{found['different']} differ, {found['beyond']} by more than near-ties "
        f"({found['near_ties']}); {found['seconds_sweep']} s, plain {found['seconds_plain']} s"
    )


def run(kind: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train a kind, or take it from the folder, and yield what is found of it, case by case."""
    import keras

    begin = time.perf_counter()
    path = trained(kind, options.into)
    model, sets = keras.saving.load_model(path), sets_of(options.images, seed=SEED)
    rates = badnet(model, sets)
    ok = rates["clean_accuracy"] > LEAST_ACCURACY and rates["attack_success_rate"] > LEAST_ASR
    seconds = round(time.perf_counter() - begin, 1)
    yield {"network": kind, "case": "trained", "ok": ok, **rates, "seconds": seconds}
    if options.train_only:
        return
    for words, layer, chosen in cases_of(kind):
        try:
            yield case(kind, model, path, sets, words, layer, chosen)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            yield {"network": kind, "case": words, "ok": False, "error": said}


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    options = parser().parse_args(argv)
    reports = []
    for kind in options.only.split(","):
        for found in run(kind, options):
            reports.append(found)
            print(line_of(found), flush=True)
    ok = all(one["ok"] for one in reports)
    print(json.dumps({"ok": ok, "target": TARGET, "images": options.images, "cases": reports}))
    return int(not ok)


if __name__ == "__main__":
    sys.exit(main())
