"""A call of the command line: parsed, run, and every end of it told."""

from __future__ import annotations

import io
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fastprune.cli import exits, keras_start
from fastprune.cli.parser import make_parser
from fastprune.errors import FastpruneError
from fastprune.runtime.progress import FastpruneWarning


def main(argv: Sequence[str] | None = None) -> int:
    """Run a fastprune command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; those of the process by default.

    Returns
    -------
    int
        One of :data:`fastprune.cli.exits.STATUSES`. Whatever is not 0 is told on stderr: in one
        line, or with ``--format json`` as one JSON object ``{"error": …, "exit_status": …}``.

    Raises
    ------
    SystemExit
        From argparse: 0 for ``--help`` and ``--version``.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    as_json = exits.wants_json(words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # B′ on a terminal that has no such letter
    said: list[str] = []
    warnings.showwarning = _sayer(said, as_json)
    try:
        with _ended_as_by_hand():
            return _run(words, said)
    except FastpruneError as error:
        return exits.fail(error.exit_status, str(error), as_json=as_json)
    except BrokenPipeError:
        return exits.leave_quietly()
    except KeyboardInterrupt:
        return exits.interrupted(as_json=as_json)
    except Exception as error:
        return exits.fault(error, as_json=as_json)


def _run(words: list[str], said: list[str]) -> int:
    """Run a call; `said` gets its warnings, which ``--strict`` takes for a check that failed."""
    try:
        arguments = make_parser().parse_args(words)
    finally:
        sys.stdout.flush()  # a help text, here where a closed pipe is still caught
    if hasattr(arguments, "progress") and not arguments.quiet:
        arguments.progress |= sys.stderr.isatty()  # a bar is nothing for a file or a script
    if arguments.needs_keras:
        arguments.prepare(arguments)  # what is wrong is told before the seconds that Keras takes
        if hasattr(arguments, "verify"):
            keras_start.start_for_sweep(
                engine=getattr(arguments, "engine", "auto"), verify=bool(arguments.verify),
                plots=not getattr(arguments, "no_plots", False),
            )  # fmt: skip
        else:
            keras_start.import_keras_quietly()
    status: int = arguments.run(arguments)
    sys.stdout.flush()
    return status or int(bool(said) and getattr(arguments, "strict", False))


@contextmanager
def _ended_as_by_hand() -> Iterator[None]:
    """Let the signals that end a process raise KeyboardInterrupt, so that it cleans up.

    A signal that is ignored, as under nohup, stays so.
    """
    names = ("SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        signals = []
    before = {one: signal.getsignal(one) for one in signals}
    changed = {one: was for one, was in before.items() if was == signal.SIG_DFL}
    for one in changed:
        signal.signal(one, signal.default_int_handler)
    try:
        yield
    finally:
        for one, was in changed.items():
            signal.signal(one, was)


def _sayer(said: list[str], as_json: bool) -> Callable[..., None]:
    """Return what shows our own warnings as one line and notes them; other libraries' neither."""

    def show(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, FastpruneWarning):
            said.append(str(message))
            exits.say("warning", str(message), as_json=as_json)

    return show
