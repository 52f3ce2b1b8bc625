"""``fastprune evaluate``: a drop-in for the lab's ``eval.py``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict


def run(arguments: argparse.Namespace) -> int:
    """Print clean accuracy and attack success rate, in the lab's own two lines by default."""
    from fastprune.evaluation import evaluate
    from fastprune.files.csv_files import write_rows

    found = evaluate(
        arguments.clean, arguments.backdoored, arguments.model, arguments.repaired,
        scale=arguments.scale, data_name=arguments.data_name, label_name=arguments.label_name,
    )  # fmt: skip
    figures = {
        "clean_accuracy": found.clean_accuracy,
        "attack_success_rate": found.attack_success_rate,
        **{key: value for key, value in asdict(found).items() if value is not None},
    }
    if arguments.format == "json":
        print(json.dumps(figures))
    elif arguments.format == "csv":
        write_rows(sys.stdout, list(figures), [figures])
    else:
        print("Clean Classification accuracy:", found.clean_accuracy * 100)
        print("Attack Success Rate:", found.attack_success_rate * 100)
    return 0
