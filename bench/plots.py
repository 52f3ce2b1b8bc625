"""Time and memory against images, channels, classes and orders."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cases import CASES

COLOURS = {
    "sweep": "#0072b2", "sweep_orders": "#0072b2", "cached": "#d55e00", "tuned": "#009e73",
    "eval": "#cc79a7",
}  # fmt: skip

Run = dict[str, Any]


def _orders(run: Run) -> float:
    return float(run["about"]["orders"])


def _side(index: int) -> Callable[[Run], float]:
    return lambda run: float(run["point"].split("x")[index])


def _is_network(run: Run, side: int, fixed: str) -> bool:
    return run["group"] == "networks" and run["point"].split("x")[side] == fixed


def _choices(runs: list[Run]) -> dict[str, tuple[str, list[Run], Callable[[Run], float]]]:
    """Return each plot's words, runs and abscissa."""
    points = [run["point"].split("x") for run in runs if run["group"] == "networks"]
    least = [min(column, key=int) for column in zip(*points, strict=True)] or ["", ""]
    of_images = [run for run in runs if run["group"] == "images"]
    swept = [
        {**run, "case": "sweep"}
        for run in runs
        if run["group"] == "lab" and run["case"] in ("sweep", "sweep_orders")
    ]
    return {
        "images": ("images, times the lab's", of_images, lambda run: float(run["point"])),
        "channels": (
            "channels of the prune layer",
            [run for run in runs if _is_network(run, 1, least[1])],
            _side(0),
        ),
        "classes": ("classes", [run for run in runs if _is_network(run, 0, least[0])], _side(1)),
        "orders": ("orders in one sweep", swept, _orders),
    }


def write_plots(runs: list[Run], folder: Path) -> dict[str, str]:
    """Write one PNG per scaling that was measured; return name to what it shows."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, (words, chosen, abscissa) in _choices(runs).items():
        if len({abscissa(run) for run in chosen}) > 1:
            _plot(chosen, abscissa, words, folder / f"{name}.png")
            written[name] = f"Time and peak memory against {words}"
    return written


def _plot(runs: list[Run], abscissa: Callable[[Run], float], words: str, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, quantity, unit, label in (
        (figure.add_subplot(1, 2, 1), "seconds", 1, "time, s"),
        (figure.add_subplot(1, 2, 2), "memory", 1e6, "peak memory above baseline, MB"),
    ):
        for case in dict.fromkeys(run["case"] for run in runs):
            points: dict[float, list[float]] = {}
            for run in runs:
                if run["case"] == case:
                    points.setdefault(abscissa(run), []).append(run[quantity] / unit)
            places = sorted(points)
            middle = [statistics.median(points[place]) for place in places]
            title = f"({CASES[case].letter}) {case}"
            axes.plot(places, middle, "o-", color=COLOURS.get(case), label=title)
        axes.set(xlabel=words, ylabel=label)
        axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
        axes.set_xticks(sorted({abscissa(run) for run in runs}))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})
