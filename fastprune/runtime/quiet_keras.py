"""Keras and its backend, imported without their start-up talk."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fastprune.errors import OptionError

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""Environment variable: the least important lines of TensorFlow that are shown; 0 for all."""


def import_keras() -> None:
    """Import Keras and its backend, without their talk of instructions and GPUs on stderr.

    TensorFlow reads its log level once, with its first lines: it keeps to it although the variable
    is put back. Whoever has asked for all lines, or has imported TensorFlow before, keeps them.

    Raises
    ------
    OptionError
        When one of them cannot be imported.
    """
    try:
        if "keras" in sys.modules or "tensorflow" in sys.modules or os.environ.get(LEVEL) == "0":
            _import_keras()
        else:
            with _level(), _nothing_on_stderr(), uncollected():
                _import_keras()
    except ImportError as error:
        message = (
            f"expected Keras and its backend; got {error}; install them or choose another "
            "KERAS_BACKEND"
        )
        raise OptionError(message) from error


def _import_keras() -> None:
    importlib.import_module("keras").backend.backend()


@contextmanager
def uncollected() -> Iterator[None]:
    """Have no garbage collected for a block: an import makes none, and 0.4 s of 2 went into it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def _level() -> Iterator[None]:
    """Set TensorFlow's log level for a block, unless the user has."""
    own = os.environ.get(LEVEL)
    os.environ.setdefault(LEVEL, "3")
    try:
        yield
    finally:
        if own is None:
            del os.environ[LEVEL]


@contextmanager
def _nothing_on_stderr() -> Iterator[None]:
    """Turn the file descriptor away for a block: TensorFlow's first lines heed no level.

    Errors are still raised.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # closed, as in a program without a console
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
