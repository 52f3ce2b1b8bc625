"""What a run consists of: every measurement in its order, before anything is measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import labs
from fastprune.runtime.backend import ONE_CORE_A_CALL

GROUPS = ("lab", "startup", "networks", "images")


@dataclass(frozen=True)
class Sizes:
    """How large everything is.

    Attributes
    ----------
    lab : dict
        Images of the built-in lab's sets.
    pairs : int
        Rounds; in each every case of a group runs once, in every second one backwards.
    scaling_pairs : int
        Rounds of cases and points that no bar is about.
    warm : int
        Images of each set to warm up on.
    copies : tuple of int
        How many times over the sets are written for the scaling by images.
    networks : tuple of (int, int)
        Channels and classes of the VGG-like networks.
    images : int
        Their images.
    blocks : tuple of int
        Their convolutions before the last.
    stride : tuple of int, int
        One step in so many is measured of case (e): on the lab, on the VGG-like networks.
    together : bool
        One process for all: for the test, where the imports would take most of the time. Memory
        and start-up mean nothing then.
    """

    lab: dict[str, int] = field(default_factory=lambda: {"n_valid": 11_547, "n_test": 12_830})
    pairs: int = 5
    scaling_pairs: int = 1
    warm: int = 64
    copies: tuple[int, ...] = (1, 4, 16)
    networks: tuple[tuple[int, int], ...] = ((512, 1_283), (60, 1_283), (256, 1_283), (60, 10_000))
    images: int = 10_000
    blocks: tuple[int, ...] = (32, 64, 128)
    stride: tuple[int, int] = (12, 32)
    together: bool = False


QUICK = Sizes(
    {"n_valid": 48, "n_test": 32}, pairs=1, warm=8, copies=(1, 2), networks=((8, 20),), images=32,
    blocks=(4,), stride=(20, 4), together=True,
)  # fmt: skip


OURS = ("prefix", "startup", "sweep", "sweep_keras", "sweep_orders")
"""Cases that run as ``fastprune sweep`` does: calls of TensorFlow side by side, each on one core.
The others have TensorFlow's own choice, each call on all cores."""


@dataclass(frozen=True)
class Entry:
    """One measurement: group and point it belongs to, round (0: comparison), and the job."""

    group: str
    point: str
    round: int
    job: dict[str, Any]
    env: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return what the process of this measurement finds in its environment."""
        return {**({ONE_CORE_A_CALL: "1"} if self.job["case"] in OURS else {}), **self.env}


@dataclass(frozen=True)
class Lab:
    """Network, sets, the few images to warm up on, and steps at which others are compared."""

    network: str
    sets: labs.Sets
    warm: labs.Sets
    channels: int
    stride: int

    def job(self, case: str, **options: Any) -> dict[str, Any]:
        """Return a job of a case on these files."""
        steps = {
            "notebook": self.at(1 / 3, 3 / 4),
            "reference": self.at(0, 3 / 4, 9 / 10),
            "cached": sorted({*range(0, self.channels + 1, self.stride), self.channels}),
        }
        fixed = {"sweep_keras": {"engine": "keras"}, "sweep_orders": {"orders": 5}}
        chosen = {"steps": steps[case]} if case in steps else fixed.get(case, {})
        return {
            "case": case, "network": self.network, "sets": self.sets, "warm": self.warm,
            "options": {**chosen, **options},
        }  # fmt: skip

    def at(self, *shares: float) -> list[int]:
        """Return the steps at these shares of the sweep."""
        return [round(share * self.channels) for share in shares]


LAB_CASES = (
    "notebook", "sweep", "eval", "tuned", "prefix", "cached", "sweep_keras", "sweep_orders",
)  # fmt: skip


BARRED = ("notebook", "sweep", "eval", "prefix", "sweep_orders")
"""Those that a bar is about."""


def lab_group(lab: Lab, sizes: Sizes) -> Iterator[Entry]:
    """Run all cases on the lab; results compared first."""
    for case in ("sweep", "sweep_keras", "cached", "reference"):
        yield Entry("lab", "lab", 0, lab.job(case))
    for number in range(1, sizes.pairs + 1):
        for case in alternating(LAB_CASES, number):
            if case in BARRED or number <= sizes.scaling_pairs:
                yield Entry("lab", "lab", number, lab.job(case))


def startup_group(lab: Lab, sizes: Sizes, folder: Path) -> Iterator[Entry]:
    """Start as on a new machine, without numba's cache, and once more, with it."""
    job = {"case": "startup", "network": lab.network, "sets": lab.warm}
    for number in range(1, sizes.pairs + 1):
        cache = {"NUMBA_CACHE_DIR": tempfile.mkdtemp(dir=folder, prefix="numba-")}
        yield Entry("startup", "first", number, job, cache)
        yield Entry("startup", "later", number, job, cache)


def images_group(lab: Lab, sizes: Sizes, folder: Path) -> Iterator[Entry]:
    """Take more and more images: the sweep in every round, plain Keras passes once."""
    longer = {}
    for copies in sizes.copies:
        sets = labs.longer(lab.sets, folder / f"{copies}x", copies)
        longer[copies] = Lab(lab.network, sets, lab.warm, lab.channels, lab.stride)
    ends = (min(sizes.copies), max(sizes.copies))  # what the bar on memory is about
    for number in range(1, sizes.pairs + 1):
        for copies in alternating(sizes.copies, number):
            if copies not in ends and number > sizes.scaling_pairs:
                continue
            yield Entry("images", f"{copies}", number, longer[copies].job("sweep"))
    for copies, one in longer.items():
        yield Entry("images", f"{copies}", 1, one.job("tuned"))
        if _fits(one.sets):
            yield Entry("images", f"{copies}", 1, one.job("eval"))


def networks_group(sizes: Sizes, folder: Path) -> Iterator[Entry]:
    """Take wider networks, and networks of more classes."""
    for channels, classes in sizes.networks:
        point = f"{channels}x{classes}"
        target = folder / point
        options = {
            "channels": channels, "n_classes": classes, "n_images": sizes.images,
            "blocks": sizes.blocks,
        }  # fmt: skip
        made = {"case": "build", "folder": str(target), "options": options}
        yield Entry("networks", point, 0, made)
        sets: labs.Sets = {"valid": ("clean", str(target / "valid.h5"))}
        warm = labs.few(sets, target / "warm", sizes.warm)
        lab = Lab(str(target / "network.keras"), sets, warm, channels, sizes.stride[1])
        for case in ("sweep", "cached", "reference"):
            yield Entry("networks", point, 0, lab.job(case))
        rounds = sizes.pairs if (channels, classes) == sizes.networks[0] else sizes.scaling_pairs
        for number in range(1, rounds + 1):
            for case in alternating(("sweep", "cached", "tuned"), number):
                if case != "tuned" or number <= sizes.scaling_pairs:
                    yield Entry("networks", point, number, lab.job(case))


def alternating(names: tuple[Any, ...], number: int) -> tuple[Any, ...]:
    """Return names in their order, backwards in every second round."""
    return names if number % 2 else names[::-1]


def _fits(sets: labs.Sets) -> bool:
    """Return whether two whole sets, and the float32 copy that `predict` makes, fit in memory."""
    import os

    size = max(Path(path).stat().st_size for _, path in sets.values())
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 7 * size < available
