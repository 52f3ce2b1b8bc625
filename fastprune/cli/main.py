"""A call of the command line: parsed, run, and every end of it told."""

from __future__ import annotations

import argparse
import io
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
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
        From argparse: 0 for ``--help`` and ``--version``, 2 for a wrong call.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    as_json = exits.wants_json(words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # B′ on a terminal that has no such letter
    warnings.showwarning = _sayer(as_json)
    try:
        return _run(words, as_json)
    except FastpruneError as error:
        return exits.fail(error.exit_status, str(error), as_json=as_json)
    except BrokenPipeError:
        return exits.leave_quietly()
    except KeyboardInterrupt:
        return exits.interrupted(as_json=as_json)
    except Exception as error:
        return exits.fault(error, as_json=as_json)


def _run(words: list[str], as_json: bool) -> int:
    try:
        arguments = _parse(words, as_json)
    finally:
        sys.stdout.flush()  # a help text, here where a closed pipe is still caught
    if as_json and not sys.stderr.isatty():
        arguments.quiet = True  # a progress bar is nothing for a script
    if arguments.needs_keras:
        if not getattr(arguments, "verify", True):
            keras_start.compute_side_by_side()
        keras_start.import_keras_quietly()
    status: int = arguments.run(arguments)
    sys.stdout.flush()
    return status


def _parse(words: list[str], as_json: bool) -> argparse.Namespace:
    """Parse a call; a wrong one exits 2 after the usage or, for a script, its reason alone."""
    if not as_json:
        return make_parser().parse_args(words)
    told = io.StringIO()
    try:
        with redirect_stderr(told):
            return make_parser().parse_args(words)
    except SystemExit as end:
        if end.code:
            _, _, reason = told.getvalue().partition(": error: ")
            exits.fail(2, reason.strip(), as_json=True)
        raise


def _sayer(as_json: bool) -> Callable[..., None]:
    """Return what shows our own warnings as one line, other libraries' not at all."""

    def show(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, FastpruneWarning):
            exits.say("warning", str(message), as_json=as_json)

    return show
