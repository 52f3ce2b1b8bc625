"""How the command line starts Keras and its backend: quietly, and with one core a call."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fastprune.runtime.quiet_keras import LEVEL, import_keras, uncollected

UNUSED = ("IPython", "matplotlib", "pandas")
"""What Keras imports where it is installed, for functions that no command calls: 0.5 s of its 2.4,
and 59 MB. What draws imports matplotlib later."""


def import_keras_quietly() -> None:
    """Import Keras and its backend without their talk, here and in processes started from here.

    Raises
    ------
    OptionError
        When one of them cannot be imported.
    """
    if "tensorflow" not in sys.modules:
        # At its end Python looks through all objects for garbage several times, 0.6 s in vain.
        atexit.register(gc.freeze)
    with _without(UNUSED):
        import_keras()
    os.environ.setdefault(LEVEL, "3")


def start_for_sweep(*, engine: str, verify: bool, plots: bool) -> None:
    """Import Keras for a sweep alone, and have done meanwhile what another process can do.

    Where TensorFlow is imported already, this is a part of a longer program: it only imports Keras.

    Parameters
    ----------
    engine : str
        As for the sweep: loops are compiled for all but ``keras``, where this machine has none yet.
    verify : bool
        Whether plain Keras is run, which wants all cores for a call; otherwise each call of
        TensorFlow takes one.
    plots : bool
        Whether plots are drawn: in another process, while this one makes B′ and G.
    """
    if "tensorflow" in sys.modules:
        import_keras_quietly()
        return
    if not verify:
        from fastprune.runtime.backend import ONE_CORE_A_CALL  # loads NumPy

        os.environ.setdefault(ONE_CORE_A_CALL, "1")
    if engine != "keras":
        with uncollected():
            from fastprune.suffix.ahead import compile_ahead  # loads numba, which it needs anyway
        compile_ahead()
    import_keras_quietly()
    if plots:
        from fastprune.report.plots import artist

        artist.start()


@contextmanager
def _without(names: Sequence[str]) -> Iterator[None]:
    """Let modules that are not imported yet be as if they were not installed, for a while."""
    missing = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]  # None: see importlib
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]
