"""The command line: thin shims over the public functions; nothing heavy is imported for --help."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from typing import Any

from fastprune.cli import exits
from fastprune.errors import FastpruneError, OptionError


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
            _compute_side_by_side()
        import_keras_quietly()
    status: int = arguments.run(arguments)
    sys.stdout.flush()
    return status


def _parse(words: list[str], as_json: bool) -> argparse.Namespace:
    """Parse a call; a wrong one exits 2 after the usage or, for a script, its reason alone."""
    from fastprune.cli.parser import make_parser

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


def _compute_side_by_side() -> None:
    """Have each call of TensorFlow take one core, where nothing but a sweep will call it.

    Plain Keras, which ``--verify`` runs, wants all cores for a call.
    """
    from fastprune.runtime.backend import ONE_CORE_A_CALL

    if "tensorflow" not in sys.modules:
        os.environ.setdefault(ONE_CORE_A_CALL, "1")


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


def _sayer(as_json: bool) -> Callable[..., None]:
    """Return what shows our own warnings as one line, other libraries' not at all."""

    def show(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        from fastprune.runtime.progress import FastpruneWarning

        if issubclass(category, FastpruneWarning):
            exits.say("warning", str(message), as_json=as_json)

    return show
