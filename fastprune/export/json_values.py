"""A sweep as values that JSON knows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.export.rows import derived
from fastprune.results.counts import Counts
from fastprune.results.detection import detection, operating_points, pairs, roc
from fastprune.results.network_info import NetworkInfo
from fastprune.results.operating_points import OperatingPoint
from fastprune.results.record import Samples, SetResult, SweepRecord

FORMAT = 1
"""Version of ``sweep.json``; a reader refuses a newer one."""


def as_json(result: SweepRecord) -> dict[str, Any]:
    """Return everything but the sample images and the counts by label.

    ``detector`` holds what G is as a detector: the operating points, and rates, intervals and area
    under the ROC of every pair of a clean and a backdoored set. What has no value is None.
    """
    return {
        "format": FORMAT,
        "network": result.network.as_json(),
        "order_name": result.order_name,
        "warnings": list(result.warnings),
        "order": result.order.tolist(),
        "oracle": result.oracle,
        "scores": None if result.scores is None else result.scores.tolist(),
        "activations": result.activations.tolist(),
        "valid": result.valid,
        "drops": list(result.drops),
        "drop_kind": result.drop_kind,
        "crossings": {at.label: at.step for at in result.at_drops},
        "near_ties": result.near_ties,
        "sets": {name: _set_json(result, part) for name, part in result.sets.items()},
        "detector": {
            "operating_points": [_point_json(point) for point in operating_points(result)],
            "pairs": [
                _pair_json(result, clean, backdoored)
                for clean, backdoored in pairs(result)
                if backdoored is not None
            ],
        },
        "options": dict(result.options),
        "versions": dict(result.versions),
        "seconds": dict(result.seconds),
        "peak_memory": result.peak_memory,
    }


def from_json(content: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SweepRecord:
    """Return the sweep that was written, as ``sweep.json`` and the arrays of its npz files."""
    sets = {}
    for index, (name, part) in enumerate(content["sets"].items()):
        samples = Samples(
            images=arrays[f"{index}_images"],
            labels=arrays[f"{index}_labels"],
            classes=arrays[f"{index}_classes"],
            truth=arrays.get(f"{index}_truth"),
        )
        counts = Counts(
            images=part["images"],
            hits=_ints(part["hits"]),
            goodnet_hits=_ints(part["goodnet_hits"]),
            flagged=_ints(part["flagged"]),
            near_ties=_ints(part["near_ties"]),
            class_hits=arrays.get(f"{index}_class_hits"),
            class_images=arrays.get(f"{index}_class_images"),
            true_hits=_ints(part["true_hits"]) if "true_hits" in part else None,
            goodnet_true_hits=_ints(part["goodnet_true_hits"]) if "true_hits" in part else None,
            other_hits=_ints(part["other_hits"]) if "true_hits" in part else None,
            others=part.get("others"),
        )
        about, paired = part["source"], part.get("paired")
        sets[name] = SetResult(name, part["kind"], counts, samples, about, paired)
    scores = content.get("scores")
    return SweepRecord(
        network=NetworkInfo.from_json(content["network"]),
        order_name=content["order_name"],
        order=_ints(content["order"]),
        activations=np.array(content["activations"], np.float64),
        valid=content["valid"],
        sets=sets,
        drops=tuple(content["drops"]),
        drop_kind=content["drop_kind"],
        options=content["options"],
        versions=content["versions"],
        seconds=content["seconds"],
        peak_memory=content["peak_memory"],
        scores=None if scores is None else np.array(scores, np.float64),
        warnings=tuple(content.get("warnings", content["options"].get("warnings", ()))),
    )


def _ints(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def _set_json(result: SweepRecord, part: SetResult) -> dict[str, Any]:
    counts = part.counts
    return {
        "kind": part.kind,
        "paired": part.paired,
        "source": dict(part.source),
        "images": counts.images,
        "hits": counts.hits.tolist(),
        "goodnet_hits": counts.goodnet_hits.tolist(),
        "flagged": counts.flagged.tolist(),
        "near_ties": counts.near_ties.tolist(),
        **{name: _plain(values) for name, values in derived(result, part).items()},
    }


def _pair_json(result: SweepRecord, clean: str, backdoored: str) -> dict[str, Any]:
    detector = detection(result, clean, backdoored)
    figures: dict[str, Any] = {"clean": clean, "backdoored": backdoored, "area": roc(detector).area}
    for name in ("tpr", "fpr", "precision"):
        low, high = getattr(detector, f"{name}_interval")
        columns = {name: getattr(detector, name), f"{name}_low": low, f"{name}_high": high}
        figures |= {key: _plain(values) for key, values in columns.items()}
    return figures


def _point_json(point: OperatingPoint) -> dict[str, Any]:
    return {
        "max_fpr": point.max_fpr,
        "n_pruned": point.n_pruned,
        "chosen_by": point.chosen_by,
        "figures": [
            {
                "clean": part.clean,
                "backdoored": part.backdoored,
                "chose": part.chose,
                **{
                    name: None if share is None else share.as_json()
                    for name, share in (
                        ("fpr", part.fpr), ("tpr", part.tpr), ("precision", part.precision),
                    )
                },
            }
            for part in point.figures
        ],
    }  # fmt: skip


def _plain(values: Any) -> Any:
    """Return an array as a list with None for what is no number; other values as they are."""
    if not isinstance(values, np.ndarray):
        return values
    return [None if value != value else value for value in values.tolist()]
