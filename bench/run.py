"""Runs the plan: one process per measurement, results compared, everything kept in one JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import labs, plan
from bench.about import about_machine
from fastprune.files.atomic import whole_file

ROOT = Path(__file__).resolve().parents[1]


class Child:
    """A process that answers jobs."""

    def __init__(self, env: dict[str, str]) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.child"], cwd=ROOT, env={**os.environ, **env}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Send a job, return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            tail = self._errors.read()[-3000:]
            message = f"{job['case']} ended with {self._process.returncode}:\n{tail}"
            raise SystemExit(message)
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._errors.close()


class Bench:
    """One run: its settings, and what was measured so far.

    Parameters
    ----------
    sizes : Sizes
        How large everything is.
    out : Path
        Where ``results.json`` goes.
    only : set of str
        Groups and cases to run; empty for all.
    """

    def __init__(self, sizes: plan.Sizes, out: Path, only: set[str]) -> None:
        self.sizes, self.out, self.only = sizes, out, only
        self._shared = Child({}) if sizes.together else None
        self.compared: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.about: dict[str, Any] = {"machine": about_machine(), "sizes": vars(sizes)}

    def run(self, lab: Path | None) -> None:
        """Run every group; write what there is after each measurement."""
        with tempfile.TemporaryDirectory(prefix="fastprune-bench-") as folder:
            found = self._lab(lab, Path(folder))
            makers = {
                "lab": lambda: plan.lab_group(found, self.sizes),
                "startup": lambda: plan.startup_group(found, self.sizes, Path(folder)),
                "images": lambda: plan.images_group(found, self.sizes, Path(folder, "images")),
                "networks": lambda: plan.networks_group(self.sizes, Path(folder, "networks")),
            }
            groups = self.only & set(plan.GROUPS) or set(plan.GROUPS)
            for name in plan.GROUPS:
                if name in groups:
                    self.run_group(makers[name]())
        if self._shared is not None:
            self._shared.close()

    def _lab(self, lab: Path | None, folder: Path) -> plan.Lab:
        if lab is None:
            say(f"rendering the built-in lab: {self.sizes.lab}")
            network, sets = labs.render(folder / "lab", **self.sizes.lab)
        else:
            network, sets = labs.find_lab(lab.resolve())
        warm = labs.few(sets, folder / "warm", self.sizes.warm)
        self.about["lab"] = {
            "built_in": lab is None, "sets": labs.images_in(sets),
        }  # fmt: skip
        described = self._answer(
            plan.Entry("lab", "lab", 0, {"case": "describe", "network": network})
        )
        self.about["lab"]["network"] = described["network"]
        channels = described["network"]["n_channels"]
        return plan.Lab(network, sets, warm, channels, self.sizes.stride[0])

    def run_group(self, entries: Iterator[plan.Entry]) -> None:
        """Run measurements one after another; compare what they count, keep what they took."""
        first: dict[str, dict[str, Any]] = {}
        cases = self.only - set(plan.GROUPS)
        for entry in entries:
            case = entry.job["case"]
            if cases and case not in cases and entry.round:
                continue
            answer = self._answer(entry)
            where = {"group": entry.group, "point": entry.point, "case": case}
            if answer.get("hits"):
                base = first.setdefault(entry.point, {**answer, "case": case})
                self._compare(where, base, answer)
            if entry.round and case != "build":
                kept = {key: answer[key] for key in KEPT if key in answer}
                self.runs.append({**where, "round": entry.round, **kept})
            self.write()

    def _answer(self, entry: plan.Entry) -> dict[str, Any]:
        start = time.perf_counter()
        child = self._shared or Child(entry.environment())
        answer = child.ask(entry.job)
        if self._shared is None:
            child.close()
        spent = time.perf_counter() - start
        seconds, memory = answer.get("seconds", 0.0), answer.get("memory", 0) / 1e6
        say(
            f"{entry.group} {entry.point}, round {entry.round}: {entry.job['case']} "
            f"{seconds:.2f} s, {memory:.0f} MB (process: {spent:.0f} s)"
        )
        return answer

    def _compare(self, where: dict[str, str], base: dict[str, Any], other: dict[str, Any]) -> None:
        """Compare hits at every step both have; end the run when they differ beyond near-ties."""
        compared = different = 0
        for name, steps in other["hits"].items():
            for step, hits in steps.items():
                compared += 1
                gap = abs(hits - base["hits"][name][step])
                different += gap > 0
                if gap > base["near_ties"].get(name, {}).get(step, 0):
                    message = (
                        f"{where['case']} and {base['case']} differ on {name} at n_pruned {step}: "
                        f"{hits} and {base['hits'][name][step]} hits, more than near-ties explain"
                    )
                    raise SystemExit(message)
        ties = sum(sum(steps.values()) for steps in base["near_ties"].values())
        found = {"compared": compared, "different": different, "near_ties": ties}
        self.compared.append({**where, "with": base["case"], **found})

    def write(self) -> None:
        """Write what was measured so far, whole."""
        kept = {**self.about, "compared": self.compared, "runs": self.runs}
        with whole_file(self.out) as temporary:
            Path(temporary).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


KEPT = ("seconds", "measured_seconds", "memory", "memory_how", "about")
"""What is kept of an answer."""


def say(text: str) -> None:
    """Say on stderr what goes on."""
    print(text, file=sys.stderr, flush=True)
