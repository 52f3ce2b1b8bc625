"""A process that draws the plots of a sweep while this one makes B′ and G.

It loads matplotlib while the sweep begins, when this process keeps no more than one core busy.
Nothing depends on it: what it does not draw is drawn here.
"""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from fastprune.report.plots import drawing
from fastprune.report.plots.canvas import new_figure
from fastprune.report.plots.style import settings
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
def begun(
    result: SweepRecord, folder: Path
) -> Iterator[dict[tuple[str, ...], Callable[[], Any]]]:
    """Begin to draw the plots of a sweep into a folder; give the files of each, and what waits.

    They are drawn in the process that :func:`start` has started, if it has. What it has not drawn
    when it is waited for is drawn here, and what is wrong with it raised here.
    """
    with _asked(result, folder) as drawn:

        def finish(maker: Callable[[SweepRecord], Any]) -> None:
            if maker.__name__ not in drawn():
                drawing.draw(result, folder, [maker])

        yield {drawing.files(maker): partial(finish, maker) for maker in drawing.MAKERS}


@contextmanager
def _asked(result: SweepRecord, folder: Path) -> Iterator[Callable[[], set[str]]]:
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
            yield partial(_answer, asked, _process)
        finally:
            if not (asked.done() and asked.result()):
                apart.end(_process)
                _process = None


def _answer(asked: Future[set[str]], process: subprocess.Popen[bytes]) -> set[str]:
    try:
        return asked.result(PATIENCE)
    except TooLate:
        apart.end(process)
        return asked.result()


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
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    with settings():  # what the first figure loads, fonts above all
        figure = new_figure(1, 1)
        figure.text(0, 0, "0")
        for suffix in drawing.METADATA:
            figure.savefig(io.BytesIO(), format=suffix)
    with suppress(EOFError):
        while True:
            result, folder = pickle.load(sys.stdin.buffer)
            drawn = set()
            for maker in drawing.MAKERS:
                with suppress(Exception):
                    drawing.draw(result, folder, [maker])
                    drawn.add(maker.__name__)
            pickle.dump(drawn, answers)
            answers.flush()
