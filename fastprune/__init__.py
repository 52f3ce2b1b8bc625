"""The pruning defense on backdoored networks, exactly and for the price of one pass.

Names are loaded when they are first used: importing fastprune loads no TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Comparison": "comparison",
    "DataError": "errors",
    "Evaluation": "evaluation",
    "FastpruneError": "errors",
    "FaultError": "errors",
    "NetworkError": "errors",
    "OptionError": "errors",
    "OutputError": "errors",
    "Prediction": "prediction",
    "SweepResult": "result",
    "VerificationError": "errors",
    "compare": "comparison",
    "contact_sheet": "report.plots.contact_sheets",
    "evaluate": "evaluation",
    "inspect_file": "inspection.files",
    "load_network": "networks.network",
    "make_set": "making.from_folders",
    "predict": "prediction",
    "stamp_set": "making.backdoor_set",
    "sweep": "sweeping.run",
    "sweep_layers": "sweeping.run",
    "sweep_orders": "sweeping.run",
}

_MODULES = {"detector": "results.detection"}
"""Modules that are public: ``from fastprune import detector``."""

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"fastprune.{_MODULES[name]}")
    if name not in _HOMES:
        message = f"module 'fastprune' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"fastprune.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
