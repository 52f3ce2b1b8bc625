"""What is changed for the whole process while Keras loads or saves a file: one thread at a time.

Keras has no limit to the weights that a file may ask for, hence a method of its class ``Layer`` is
replaced meanwhile. Python's warning filters and absl's level are the process's, too. Each is put
back as it was found: two threads that did so across each other would leave one's change behind.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastprune.errors import NetworkError

SPARE_WEIGHTS = 1 << 20
"""Weights that a network may have beyond those in its file: states of random generators."""

_CHANGING = threading.RLock()
"""Held while something process-wide is changed."""


@contextmanager
def limited_weights(stored: int, path: Path) -> Iterator[None]:
    """Replace ``keras.layers.Layer.add_weight``: it refuses more weights than the file holds.

    Keras makes weights before it reads them, and a configuration of a few bytes may ask for a Dense
    layer of 10^12 units. Only this thread's weights count: others may build networks meanwhile.
    Warnings are silenced, those of input shapes in the files of Keras 2 above all.

    Parameters
    ----------
    stored : int
        Weights in the file.
    path : Path
        The file, for the message.

    Raises
    ------
    NetworkError
        When more are asked for.
    """
    import keras

    asked, loading = 0, threading.get_ident()

    def add_weight(layer: Any, shape: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal asked
        if threading.get_ident() == loading:
            asked += math.prod(shape or ())
            if asked > stored + SPARE_WEIGHTS:
                raise MemoryError
        return plain(layer, shape, *args, **kwargs)

    with _CHANGING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = keras.layers.Layer.add_weight
        keras.layers.Layer.add_weight = add_weight
        try:
            yield
        except Exception as error:
            if asked <= stored + SPARE_WEIGHTS:
                raise
            message = (
                f"expected a network of the {stored:,} weights in its file; got a configuration "
                f"that asks for {asked:,} or more ({path}); do not trust it"
            )
            raise NetworkError(message) from error
        finally:
            keras.layers.Layer.add_weight = plain


@contextmanager
def without_talk_of_formats() -> Iterator[None]:
    """Silence what Keras says of ``.h5`` as legacy: the lab's eval.py asks for it."""
    from absl import logging

    with _CHANGING, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        level = logging.get_verbosity()
        logging.set_verbosity(logging.ERROR)
        try:
            yield
        finally:
            logging.set_verbosity(level)
