"""Whole results directories of many networks: ``python -m bench.families [--only NAME,…]``.

Sweeps 16 families of ``keras.applications`` and 20 small networks with calls of ``keras.ops``, each
with seeded random weights, on images that the network labels itself; then reads every file of the
results directory in a process of plain Keras. A line per network and a JSON summary; ends with 1
when a file is missing or predicts otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from numpy.typing import NDArray

from bench.ops_networks import NETWORKS

CLASSES = 10
DROPS = (2, 10, 30)
IMAGES, NOISE = 48, 12
"""Images of the clean validation set; one in so many gets another label."""
BATCH = 32
SPREAD = 4.0
"""Standard deviation of a network's scores over classes and images, before the softmax."""
TIE = 1e-4
"""Two best scores this close, relative to the largest, are nearer than classes are compared."""

EXPECTED = json.loads(Path(__file__).with_name("expected_layers.json").read_text(encoding="utf-8"))
"""Which layer of a network of ``keras.applications`` is pruned, and where it is cut."""

FAMILIES: dict[str, tuple[str, int]] = {
    "xception": ("Xception", 71), "vgg": ("VGG16", 32), "resnet": ("ResNet50", 32),
    "resnet_v2": ("ResNet50V2", 32), "inception": ("InceptionV3", 75),
    "inception_resnet": ("InceptionResNetV2", 75), "mobilenet": ("MobileNet", 32),
    "mobilenet_v2": ("MobileNetV2", 32), "mobilenet_v3": ("MobileNetV3Small", 32),
    "densenet": ("DenseNet121", 32), "efficientnet": ("EfficientNetB0", 32),
    "efficientnet_v2": ("EfficientNetV2B0", 32), "convnext": ("ConvNeXtTiny", 32),
    "resnet_101": ("ResNet101", 32), "vgg_19": ("VGG19", 32), "nasnet": ("NASNetMobile", 32),
}  # fmt: skip
"""By name, a network of ``keras.applications`` and the smallest images it takes."""

PLAIN = """
import json, sys
import keras, numpy as np
images = np.load("images.npy")
scores = {}
for path in json.loads(sys.argv[1]):
    scores[path] = keras.saving.load_model(path).predict(images, batch_size=32, verbose=0)
assert not any(name.split(".")[0] == "fastprune" for name in sys.modules)
np.savez("scores.npz", **scores)
"""
"""Reads networks as plain Keras does, and predicts."""


def images_of(count: int, shape: tuple[int, ...], seed: int) -> NDArray[np.uint8]:
    """Return images of soft colour fields, uint8 (count, height, width, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 4, 4, 3)) * rng.random((count, 1, 1, 3))
    times = -(-shape[0] // 4)
    fields = coarse.repeat(times, axis=1).repeat(times, axis=2)
    return fields[:, : shape[0], : shape[1]].astype(np.uint8)


def make(name: str) -> Any:
    """Return a seeded network, its layers named as Keras does in a fresh process."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    if name in NETWORKS:
        return NETWORKS[name]()
    kind, size = FAMILIES[name]
    options = {"weights": None, "classes": CLASSES, "input_shape": (size, size, 3)}
    return getattr(keras.applications, kind)(**options)


def wake(model: Any, images: NDArray[np.float32]) -> None:
    """Give a network the statistics of `images`, and scores that differ from image to image."""
    import keras

    norms = [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
    momenta = [one.momentum for one in norms]
    for one in norms:
        one.momentum = 0.0
    model(images, training=True)
    for one, momentum in zip(norms, momenta, strict=True):
        one.momentum = momentum
    last = [one for one in model.layers if hasattr(one, "kernel") and one.use_bias][-1]
    kernel, bias = last.get_weights()
    for _ in range(2):  # the first round is bound by how near to each other the scores are
        scores = model.predict(images, batch_size=BATCH, verbose=0).astype(np.float64)
        if (scores >= 0).all():
            scores = np.log(np.maximum(scores, 1e-30))  # a softmax: up to a number an image
        scores -= scores.mean(axis=1, keepdims=True)
        factor = SPREAD / (scores - scores.mean(axis=0)).std()
        kernel, bias = kernel * factor, (bias - scores.mean(axis=0)) * factor
        last.set_weights([kernel, bias])


def expected_files(result: Any, found: dict[str, Any]) -> set[str]:
    """Return every file that a whole results directory has."""
    plots = ("accuracy_asr", "activations", "goodnet", "detector", "samples")
    names = {f"{plot}.{suffix}" for plot in plots for suffix in ("png", "svg")}
    names |= {"sweep.csv", "metrics.json", "samples.npz", "class_hits.npz"}
    for drop, step in result.crossings.items():
        if step is not None:
            kinds = ("repaired_{:g}.keras", "repaired_{:g}.h5", "goodnet_{:g}.keras")
            names |= {kind.format(drop) for kind in kinds}
    return names - set(found["left_out"])


def differences(
    result: Any, folder: Path, images: NDArray[np.float32]
) -> tuple[dict[str, int], int]:
    """Return how many classes each saved network has wrong, and at how many images scores tie."""
    from fastprune import reference

    names = sorted(item.name for item in folder.iterdir() if item.suffix in (".keras", ".h5"))
    np.save(folder / "images.npy", images)
    command = [sys.executable, "-c", PLAIN, json.dumps(names)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    network = result.loaded_network()

    def plain(step: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        pruned = result.order[:step]
        scores = reference.predict(network.model, network.cut.prune.name, pruned, images, BATCH)
        best = np.sort(scores, axis=1)[:, -2:]
        return scores.argmax(axis=1), best[:, 1] - best[:, 0] <= TIE * np.abs(best).max(axis=1)

    first, first_ties = plain(0)
    wrong, ties = {}, 0
    with np.load(folder / "scores.npz") as found:
        for drop, step in result.crossings.items():
            if step is None:
                continue
            second, second_ties = plain(step)
            sure = ~(first_ties | second_ties)
            ties += int((~sure).sum())
            goodnet = np.where(first == second, first, network.n_classes)
            for name in names:
                if name.rsplit(".", 1)[0] == f"repaired_{drop:g}":
                    wrong[name] = int((found[name].argmax(axis=1) != second)[sure].sum())
                elif name.rsplit(".", 1)[0] == f"goodnet_{drop:g}":
                    wrong[name] = int((found[name].argmax(axis=1) != goodnet)[sure].sum())
    return wrong, ties


def counts_off(result: Any, images: NDArray[np.float32], labels: NDArray[np.int64]) -> int:
    """Return by how many hits steps differ from plain Keras's beyond what near-ties allow."""
    from fastprune import reference

    network, counts = result.loaded_network(), result.sets["valid"].counts
    off = 0
    for step in {0, result.n_channels, *filter(None, result.crossings.values())}:
        layer, pruned = network.cut.prune.name, result.order[:step]
        classes = reference.classes(network.model, layer, pruned, images, BATCH)
        hits = int((classes == labels).sum())
        off += max(0, abs(hits - int(counts.hits[step])) - int(counts.near_ties[step]))
    return off


def check(name: str, folder: Path, drops: tuple[float, ...] = DROPS) -> dict[str, Any]:
    """Sweep one network, save everything, read it back; return what was found."""
    import fastprune

    started = time.perf_counter()
    model = make(name)
    shape = tuple(model.inputs[0].shape[1:])
    images = images_of(IMAGES, shape, seed=1)
    wake(model, images.astype(np.float32))
    labels = model.predict(images.astype(np.float32), batch_size=BATCH, verbose=0).argmax(axis=1)
    labels[::NOISE] = (labels[::NOISE] + 1) % model.outputs[0].shape[-1]
    model.save(folder / "network.keras")
    stamped = images[: IMAGES // 2].copy()
    stamped[:, -4:, -4:] = 255
    backdoored = {"bd": (stamped, np.zeros(len(stamped), np.int64))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = fastprune.sweep(
            folder / "network.keras", valid=(images, labels), backdoored=backdoored, drops=drops
        )
        result.save(folder / "results")
    found = json.loads((folder / "results" / "sweep.json").read_text(encoding="utf-8"))
    pixels = images.astype(np.float32)
    lacking = expected_files(result, found).difference(found["files"])
    wrong, ties = differences(result, folder / "results", pixels)
    off = counts_off(result, pixels, labels)
    crossings = {f"{drop:g}": step for drop, step in result.crossings.items()}
    expected = EXPECTED.get(FAMILIES.get(name, ("", 0))[0])
    cut = {"prune": found["network"]["prune_layer"], "cut": found["network"]["cut_layer"]}
    as_expected = expected is None or cut.items() <= expected.items()
    ok = as_expected and not (lacking or found["failed"] or any(wrong.values()) or off)
    return {
        "name": name, "ok": ok and None not in crossings.values(),
        "cut": f"{found['network']['cut_layer']} ({result.n_channels} channels)",
        "pruned": cut["prune"], "as_expected": as_expected,
        "engine": result.options["engine_used"], "crossings": crossings,
        "files": len(found["files"]), "left_out": found["left_out"], "failed": found["failed"],
        "lacking": sorted(lacking), "networks": len(wrong), "wrong": sum(wrong.values()),
        "ties": ties, "counts_off": off,
        "near_ties": result.near_ties / (result.n_channels + 1) / (len(images) + len(stamped)),
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip


def line_of(found: dict[str, Any]) -> str:
    """Return one line for one network."""
    verdict = "ok" if found["ok"] else "FAILED"
    if "error" in found:
        return f"{found['name']}: {verdict}: {found['error']}"
    crossings = ", ".join(f"{drop} at {step}" for drop, step in found["crossings"].items())
    another = "" if found["as_expected"] else " (another layer than expected)"
    return (
        f"{found['name']}: {verdict}: {found['pruned']}{another}, cut at {found['cut']}, "
        f"{found['engine']}; crossed "
        f"{crossings}; {found['files']} files, {len(found['left_out'])} left out, "
        f"{len(found['failed'])} failed, {len(found['lacking'])} lacking; {found['networks']} "
        f"networks read back, "
        f"{found['wrong']} classes wrong, {found['ties']} ties; counts off by "
        f"{found['counts_off']}, {found['near_ties']:.2%} near-ties; {found['seconds']} s"
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.families", description=__doc__)
    known = [*FAMILIES, *NETWORKS]
    parser.add_argument("--only", default=",".join(known), metavar="NAME,…", help="networks to run")
    usual = ",".join(map(str, DROPS))
    parser.add_argument("--drops", default=usual, metavar="X,…", help="drops to save networks of")
    options = parser.parse_args()
    drops, reports = tuple(map(float, options.drops.split(","))), []
    for name in options.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = check(name, Path(folder), drops)
            except Exception as error:
                found = {"name": name, "ok": False, "error": f"{type(error).__name__}: {error}"}
        reports.append(found)
        print(line_of(found), flush=True)
    print(json.dumps({"ok": all(one["ok"] for one in reports), "networks": reports}))
    return int(not all(one["ok"] for one in reports))


if __name__ == "__main__":
    sys.exit(main())
