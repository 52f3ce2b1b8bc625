"""How Keras and its backend are started: without their talk, and with one core a call."""

from __future__ import annotations

import importlib
import os
import sys

from fastprune.errors import OptionError


def import_keras_quietly() -> None:
    """Import Keras and its backend without their start-up talk on stderr.

    Raises
    ------
    OptionError
        When one of them cannot be imported.
    """
    try:
        _import_keras()
    except ImportError as error:
        message = (
            f"expected Keras and its backend; got {error}; install them or choose another "
            "KERAS_BACKEND"
        )
        raise OptionError(message) from error


def _import_keras() -> None:
    """Import Keras with stderr turned away.

    TensorFlow logs which instructions it found and which GPUs it did not before it reads its own
    log level, so the file descriptor is turned away while it loads; errors are still raised.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        importlib.import_module("keras").backend.backend()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def compute_side_by_side() -> None:
    """Have each call of TensorFlow take one core, where nothing but a sweep will call it.

    Plain Keras, which ``--verify`` runs, wants all cores for a call.
    """
    from fastprune.runtime.backend import ONE_CORE_A_CALL  # loads NumPy

    if "tensorflow" not in sys.modules:
        os.environ.setdefault(ONE_CORE_A_CALL, "1")
