"""The command line: thin shims over the public functions; nothing heavy is imported for --help."""

from __future__ import annotations

import importlib
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from fastprune.errors import FastpruneError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a fastprune command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; those of the process by default.

    Returns
    -------
    int
        0; 1 with one line on stderr when something given cannot be used; 2 for a wrong call; 130
        when interrupted.
    """
    from fastprune.cli.parser import make_parser

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # B′ on a terminal that has no such letter
    arguments = make_parser().parse_args(argv)
    warnings.showwarning = _say
    try:
        if getattr(arguments, "needs_keras", True):
            import_keras_quietly()
        status: int = arguments.run(arguments)
        sys.stdout.flush()  # here, where a closed pipe is still caught
    except FastpruneError as error:
        say_error(error)
        return 1
    except ImportError as error:
        print(f"fastprune: error: expected Keras and its backend; got {error}; install them or "
              "choose another KERAS_BACKEND", file=sys.stderr)  # fmt: skip
        return 1
    except BrokenPipeError:  # a reader such as head has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
        return 0
    except KeyboardInterrupt:
        print("fastprune: interrupted; no file was left half-written", file=sys.stderr)
        return 130
    return status


def say_error(error: FastpruneError) -> None:
    """Print one line on stderr: a path or a layer's name may hold line breaks or escapes."""
    line = "".join(letter if letter.isprintable() else "?" for letter in str(error))
    print(f"fastprune: error: {line}", file=sys.stderr)


def import_keras_quietly() -> None:
    """Import Keras and its backend without their start-up talk on stderr.

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


def _say(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    """Show our own warnings as one line, other libraries' not at all."""
    from fastprune.progress import FastpruneWarning

    if issubclass(category, FastpruneWarning):
        print(f"fastprune: warning: {message}", file=sys.stderr)
