"""How the command line starts Keras and its backend: quietly, and with one core a call."""

from __future__ import annotations

import os
import sys

from fastprune.runtime.quiet_keras import LEVEL, import_keras


def import_keras_quietly() -> None:
    """Import Keras and its backend without their talk, here and in processes started from here.

    Raises
    ------
    OptionError
        When one of them cannot be imported.
    """
    import_keras()
    os.environ.setdefault(LEVEL, "3")


def compute_side_by_side() -> None:
    """Have each call of TensorFlow take one core, where nothing but a sweep will call it.

    Plain Keras, which ``--verify`` runs, wants all cores for a call.
    """
    from fastprune.runtime.backend import ONE_CORE_A_CALL  # loads NumPy

    if "tensorflow" not in sys.modules:
        os.environ.setdefault(ONE_CORE_A_CALL, "1")


def compile_meanwhile() -> None:
    """Have a sweep's loops compiled while Keras is imported, where this machine has none yet."""
    if "tensorflow" not in sys.modules:
        from fastprune.suffix.ahead import compile_ahead  # loads numba, which a sweep needs anyway

        compile_ahead()
