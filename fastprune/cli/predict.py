"""``fastprune predict``: the class of image files, as the competition asks of its entries."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastprune.cli import exits
from fastprune.errors import DataError

if TYPE_CHECKING:
    from fastprune.prediction import Prediction, Predictor

COLUMNS = (
    "image", "class", "flagged", "b_class", "b_confidence", "b_prime_class", "b_prime_confidence",
)  # fmt: skip
"""A row of CSV; empty where there is no G. ``b`` is the network itself where there is one alone."""


def run(arguments: argparse.Namespace) -> int:
    """Print the class of every image; 1 when one of them could not be read."""
    from fastprune.prediction import Predictor, resized_words
    from fastprune.runtime.progress import warn
    from fastprune.sets.image_files import list_images

    networks, sources = sorted_out(arguments)
    images = list_images(sources)
    predictor = Predictor(*networks, scale=arguments.scale)
    failures: list[tuple[Path, DataError]] = []

    def unreadable(path: Path, error: DataError) -> None:
        failures.append((path, error))
        exits.say("error", str(error), as_json=arguments.format == "json")

    form = "class" if arguments.class_only else arguments.format
    FORMS[form](predictor, predictor.stream(images, unreadable=unreadable), failures)
    if predictor.resized:
        warn(resized_words(predictor, len(images)))
    return 1 if failures else 0


def sorted_out(arguments: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """Return networks and images: B_PRIME is one by its name, wherever options stood."""
    optional = [] if arguments.repaired is None else [arguments.repaired]
    networks, rest = [arguments.model], [*optional, *arguments.images]
    if rest[0].suffix in (".h5", ".hdf5", ".keras"):
        networks.append(rest.pop(0))
    return networks, rest


def _print_classes(_: Predictor, predictions: Iterable[Prediction], __: Any) -> None:
    for each in predictions:
        print(each.predicted)


def _print_csv(_: Predictor, predictions: Iterable[Prediction], __: Any) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_row, predictions))


def _print_json(predictor: Predictor, predictions: Iterable[Prediction], failures: Any) -> None:
    rows = [_row(each) for each in predictions]
    print(json.dumps({
        "n_classes": predictor.n_classes, "input_shape": predictor.input_shape,
        "confidence": predictor.confidence, "images": rows, "resized": predictor.resized,
        "warnings": predictor.warnings,
        "unreadable": [{"image": str(path), "error": str(error)} for path, error in failures],
    }))  # fmt: skip


def _print_text(predictor: Predictor, predictions: Iterable[Prediction], _: Any) -> None:
    from fastprune.report.text.words import PRIME, plain

    first = True
    for each in predictions:
        votes = [f"{share:10.2%}" for share in each.confidences]
        head = ["confidence"]
        if len(votes) == 2:
            votes = [f"{voted:6}  {vote}" for voted, vote in zip(each.classes, votes, strict=True)]
            head = [f"{name:>6}  confidence" for name in ("B", PRIME)]
        if first:
            print("  ".join([" class", *head, "image"]))
            first = False
        flag = ["flagged"] if each.flagged else []
        print("  ".join([f"{each.predicted:6}", *votes, plain(each.image, 4096), *flag]))
    if not first:
        print(f"confidence: {predictor.confidence}")


def _row(each: Prediction) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"image": str(each.image), "class": each.predicted, "flagged": each.flagged}
    for name, voted, share in zip(("b", "b_prime"), each.classes, each.confidences, strict=False):
        row |= {f"{name}_class": voted, f"{name}_confidence": round(share, 7)}
    return row


FORMS = {
    "text": _print_text, "json": _print_json, "csv": _print_csv, "class": _print_classes,
}  # fmt: skip
