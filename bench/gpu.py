"""A GPU: counts compared with the CPU's, then sweep, prefix, transfers and memory.

``python -m bench.gpu`` runs from a checkout on a machine without TensorFlow and without a network:
Keras computes on JAX or PyTorch, whichever is there and sees an accelerator, and what is missing is
carried along as wheels (``--wheels DIR``). It makes its own networks and images. Each network is
measured on the accelerator and on the CPU in processes of their own, in float32 without TF32; where
they count differently by more than near-ties, or differently from plain Keras on zeroed weights, it
ends with 1. Without an accelerator it says so; ``--quick`` then runs a tiny pass on the CPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = ("jax", "torch")
NETWORKS = {
    "lab": {"size": [55, 47], "classes": 1283, "images": 10_000},
    "resnet50": {"size": [224, 224], "classes": 10, "images": 500},
}
"""The lab's architecture and ResNet50, seeded and untrained, and images of each of four sets."""

QUICK = {
    "lab": {"size": [55, 47], "classes": 12, "images": 20},
    "resnet50": {"size": [64, 64], "classes": 10, "images": 20},
}
"""The same, tiny."""

CPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
"""Environment of a process that is to compute on the CPU."""

FLOAT32 = {"NVIDIA_TF32_OVERRIDE": "0", "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
"""Environment without TF32, whose products keep 10 bits where float32 keeps 23."""

KEEP_COMPILED = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
"""Environment in which JAX keeps compiled code in files: a sweep compiles anew what it calls, the
prefix alone as well, and rounds would measure little else."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    made.add_argument("--backend", choices=BACKENDS, help="the first that sees an accelerator")
    made.add_argument("--wheels", type=Path, metavar="DIR", help="wheels of what is missing here")
    made.add_argument("--only", metavar="NAME,…", help=f"networks: {', '.join(NETWORKS)}")
    made.add_argument("--images", type=int, help="of each set, instead of each network's own")
    made.add_argument("--engines", default="auto,keras", metavar="NAME,…", help="to sweep with")
    made.add_argument("--pairs", type=int, default=5, help="rounds of sweep and prefix")
    made.add_argument("--tf32", action="store_true", help="let the accelerator use TF32")
    made.add_argument("--quick", action="store_true", help="tiny, to see that it runs; CPU allowed")
    made.add_argument("--out", type=Path, default=Path("results-bench", "gpu.json"), metavar="FILE")
    return made


def unpacked(wheels: Path, target: Path) -> None:
    """Install wheels into a folder, from nowhere else.

    Raises
    ------
    SystemExit
        When there are none, or pip refuses them.
    """
    files = sorted(map(str, wheels.glob("*.whl")))
    if not files:
        message = f"expected wheels; got none ({wheels}); fill it with pip download --no-deps"
        raise SystemExit(message)
    quiet = ("--quiet", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *quiet, "--target", str(target), *files]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"pip could not install the wheels in {wheels}")


def ask(job: dict[str, Any], env: dict[str, str]) -> dict[str, Any]:
    """Do a job in a process of its own; see :mod:`bench.gpu_child`.

    Raises
    ------
    SystemExit
        When it fails; the end of what it said on stderr is shown.
    """
    command = [sys.executable, "-m", "bench.gpu_child", json.dumps(job)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{job['do']} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def choose(backends: Iterable[str], env: dict[str, str]) -> dict[str, Any]:
    """Return what there is to compute on: the first backend that sees an accelerator, or the first.

    Raises
    ------
    SystemExit
        When no backend can be imported.
    """
    found = []
    for name in backends:
        if importlib.util.find_spec(name) is not None:
            found.append(ask({"do": "probe"}, {**env, "KERAS_BACKEND": name}))
            if found[-1]["accelerator"]:
                return found[-1]
    if not found:
        raise SystemExit(f"expected one of {', '.join(backends)}; got none; carry it as wheels")
    return found[0]


def differing(one: dict[str, Any], other: dict[str, Any]) -> dict[str, int]:
    """Compare the hits of two runs at every set and step that both have.

    Parameters
    ----------
    one, other : dict
        ``hits`` and ``near_ties``, set name to step to number; near-ties may be missing.

    Returns
    -------
    dict of str to int
        ``compared`` counts, those ``different``, and those ``beyond`` the near-ties of both.
    """
    found = {"compared": 0, "different": 0, "beyond": 0}
    for name, by_step in other["hits"].items():
        for step, hits in by_step.items():
            apart = abs(hits - one["hits"][name][step])
            both = (side.get("near_ties", {}) for side in (one, other))
            ties = sum(side.get(name, {}).get(step, 0) for side in both)
            found["compared"] += 1
            found["different"] += apart > 0
            found["beyond"] += apart > ties
    return found


def measured(
    name: str, device: dict[str, Any], options: argparse.Namespace, env: dict[str, str]
) -> dict[str, Any]:
    """Make a network and its images, measure on the device and on the CPU, and compare."""
    about = dict((QUICK if options.quick else NETWORKS)[name])
    about["images"] = options.images or about["images"]
    engines, own = options.engines.split(","), {} if options.tf32 else FLOAT32
    with tempfile.TemporaryDirectory(prefix="fastprune-gpu-") as folder:
        env = {**env, **KEEP_COMPILED, "JAX_COMPILATION_CACHE_DIR": str(Path(folder, "jax"))}
        made = ask({"do": "make", "name": name, "folder": folder, **about}, {**env, **CPU})
        job = {"do": "measure", **made, "engines": engines, "pairs": options.pairs}
        on = ask({**job, "oracle": True}, {**env, **own, **({} if device["accelerator"] else CPU)})
        compared = {"plain Keras": differing(on["sweeps"][engines[0]], on["oracle"])}
        compared |= {
            f"engine {engine}": differing(on["sweeps"][engines[0]], on["sweeps"][engine])
            for engine in engines[1:]
        }
        found = {"network": name, **about, "device": on}
        if device["accelerator"]:
            once = {**job, "engines": engines[:1], "pairs": 1, "oracle": False}
            found["cpu"] = ask(once, {**env, **CPU})
            first = found["cpu"]["sweeps"][engines[0]]
            compared["CPU"] = differing(on["sweeps"][engines[0]], first)
    return {**found, "compared": compared, "ok": not any(c["beyond"] for c in compared.values())}


def lines_of(found: dict[str, Any]) -> list[str]:
    """Return what is said of one network."""
    on, verdict = found["device"], "ok" if found["ok"] else "FAILED"
    lines = [
        f"{found['network']}: {verdict}: {on['channels']} channels of {on['prune_layer']}, cut at "
        f"{on['cut_layer']}; four sets of {found['images']} images of {on['input_shape']}"
    ]
    lines += [
        f"  compared with {name}: {c['compared']} counts, {c['different']} differ, {c['beyond']} "
        "by more than near-ties"
        for name, c in found["compared"].items()
    ]
    for side in ("device", "cpu"):
        for engine, one in found.get(side, {}).get("sweeps", {}).items():
            pairs = [a / b for a, b in zip(one["seconds"], one["prefix_seconds"], strict=True)]
            whole, before = map(statistics.median, (one["seconds"], one["prefix_seconds"]))
            lines.append(
                f"  {side}, engine {engine} ({one['engine']}): sweep {whole:.3f} s (a few images "
                f"{one['few_seconds']:.3f} s, the first time {one['first_seconds']:.3f} s); prefix "
                f"{before:.3f} s; sweep ÷ prefix {statistics.median(pairs):.2f} "
                f"({min(pairs):.2f}–{max(pairs):.2f})"
            )
        for way, one in found.get(side, {}).get("transfers", {}).items():
            rate = one["bytes"] / max(one["seconds"], 1e-9) / 1e9
            lines.append(
                f"  {side}, {way}: {one['bytes'] / 1e6:.0f} MB, {one['seconds']:.3f} s, "
                f"{rate:.1f} GB/s"
            )
        if side in found:
            held = {key: f"{value / 1e6:.0f} MB" for key, value in found[side]["memory"].items()}
            lines.append(f"  {side}, memory: " + ", ".join(f"{k} {v}" for k, v in held.items()))
    return lines


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    options = parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="fastprune-wheels-") as site:
        if options.wheels is not None:
            unpacked(options.wheels, Path(site))
            sys.path.insert(0, site)
        paths = [site, str(ROOT), os.environ.get("PYTHONPATH", "")]
        env = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        device = choose([options.backend] if options.backend else BACKENDS, env)
        env["KERAS_BACKEND"] = device["backend"]
        print(f"Keras {device['keras']} on {device['backend']}: {device['device']}", flush=True)
        if not device["accelerator"]:
            said = "a tiny pass on the CPU" if options.quick else "nothing was measured (--quick)"
            print(f"no accelerator is seen here: {said}", flush=True)
            if not options.quick:
                return 1
        usual = ("lab",) if options.quick else NETWORKS
        reports = []
        for name in options.only.split(",") if options.only else usual:
            reports.append(measured(name, device, options, env))
            print("\n".join(lines_of(reports[-1])), flush=True)
    found = {"ok": all(one["ok"] for one in reports), **device, "tf32": options.tf32}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**found, "networks": reports}, indent=1)
    options.out.write_text(text + "\n", encoding="utf-8")
    print(json.dumps({key: found[key] for key in ("ok", "backend", "accelerator")}))
    return int(not found["ok"])


if __name__ == "__main__":
    sys.exit(main())
