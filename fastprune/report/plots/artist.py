"""A process that draws the plots of a sweep while this one makes B′ and G.

It loads matplotlib while the sweep begins, when one core is enough for this process. Nothing depends
on it: what it does not draw is drawn here.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path

from fastprune.results.record import SweepRecord
from fastprune.runtime import apart, machine

PATIENCE = 60.0
"""Seconds that plots are waited for at most; they take 1."""

_process: subprocess.Popen[bytes] | None = None


def start() -> None:
    """Start the process, where there is a core for it; a failure to start is none."""
    global _process
    if machine.cores() > 1:
        _process = apart.start(__name__, "serve")


@contextmanager
def drawing(result: SweepRecord, folder: Path) -> Iterator[Callable[[], set[str]]]:
    """Have the process draw into a folder; give what waits, and tells the plots that are drawn.

    At an error the process is ended: nothing is written into the folder from then on.
    """
    global _process
    if _process is None:
        yield set
        return
    with ThreadPoolExecutor(1, "fastprune-plots") as pool:
        asked = pool.submit(_ask, _process, result, folder)
        try:
            yield lambda: _answer(asked)
        finally:
            if not (asked.done() and asked.result()):
                apart.end(_process)
                _process = None


def _answer(asked: Future[set[str]]) -> set[str]:
    with suppress(TooLate):
        return asked.result(PATIENCE)
    return set()


def _ask(process: subprocess.Popen[bytes], result: SweepRecord, folder: Path) -> set[str]:
    """Send a sweep to the process and return the names of the plots that it has drawn."""
    record = SweepRecord(**{item.name: getattr(result, item.name) for item in fields(SweepRecord)})
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(Exception):  # it may end at any time, and its answer be cut short anywhere
        process.stdin.write(pickle.dumps((record, folder.absolute())))
        process.stdin.flush()
        return set(pickle.load(process.stdout))
    return set()


def serve() -> None:
    """Draw what is asked for, until there is nobody left to ask: the life of the process."""
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_svg  # noqa: F401  for what is drawn later

    from fastprune.report.plots.drawing import MAKERS, draw

    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    with suppress(EOFError):
        while True:
            result, folder = pickle.load(sys.stdin.buffer)
            drawn = set()
            for maker in MAKERS:
                with suppress(Exception):
                    draw(result, folder, [maker])
                    drawn.add(maker.__name__)
            pickle.dump(drawn, answers)
            answers.flush()
