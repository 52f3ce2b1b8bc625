"""``fastprune evaluate``: a drop-in for the lab's ``eval.py``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict


def run(arguments: argparse.Namespace) -> int:
    """Print clean accuracy and attack success rate, in the lab's own two lines by default.

    Of a G two lines follow: what it flags of the clean set and of the backdoored one.
    """
    from fastprune.evaluation import evaluate
    from fastprune.files.csv_files import write_rows

    found = evaluate(
        arguments.clean, arguments.backdoored, arguments.model, arguments.repaired,
        scale=arguments.scale, data_name=arguments.data_name, label_name=arguments.label_name,
    )  # fmt: skip
    figures = {
        "clean_accuracy": found.clean_accuracy,
        "attack_success_rate": found.attack_success_rate,
        "false_alarm_rate": found.false_alarm_rate,
        "detection_rate": found.detection_rate,
        **asdict(found),
    }
    figures = {key: value for key, value in figures.items() if value is not None}
    if arguments.format == "json":
        print(json.dumps(figures))
    elif arguments.format == "csv":
        figures["warnings"] = "; ".join(found.warnings)
        write_rows(sys.stdout, list(figures), [figures])
    else:
        print("Clean Classification accuracy:", found.clean_accuracy * 100)
        print("Attack Success Rate:", found.attack_success_rate * 100)
        for words, rate, flagged, images in (
            ("False Alarm Rate:", found.false_alarm_rate, found.clean_flagged,
             f"{found.clean_images:,} clean images"),
            ("Detection Rate:", found.detection_rate, found.backdoored_flagged,
             f"{found.backdoored_images:,} backdoored images"),
        ):  # fmt: skip
            if rate is not None:
                print(words, f"{100 * rate:.2f} ({flagged:,} of {images} flagged)")
    return 0
