"""How a command ends: its exit status, and the one thing it says on stderr when it fails."""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from fastprune.errors import printable

STATUSES = {
    0: "done",
    1: "finished, but a check failed, something is missing, or --strict met a warning",
    2: "the call, its input or the output folder cannot be used",
    70: "a fault of fastprune itself, please report it",
    130: "interrupted",
}
"""Every exit status and what it says to a script; the words of ``fastprune --help``."""


def wants_json(argv: Sequence[str]) -> bool:
    """Return whether a call asks for JSON: it may be too wrong to be parsed.

    Examples
    --------
    >>> wants_json(["plot", "--format=json"]), wants_json(["plot", "x", "--format", "text"])
    (True, False)
    """
    pairs = [*pairwise(argv), *(word.split("=", 1) for word in argv)]
    return ["--format", "json"] in [list(pair) for pair in pairs]


def say(kind: str, message: str, *, as_json: bool, **more: Any) -> None:
    """Print an error or a warning on stderr: one line of text, or one JSON object on a line.

    Parameters
    ----------
    kind : {"error", "warning"}
        What it is; the key of the message in JSON.
    message : str
        What happened. Paths and names in it may hold line breaks or escape sequences.
    as_json : bool
        Whether stderr is read by a script.
    **more
        Further keys of the JSON object.
    """
    line = printable(message)
    text = json.dumps({kind: line, **more}) if as_json else f"fastprune: {kind}: {line}"
    print(text, file=sys.stderr)


def fail(status: int, message: str, *, as_json: bool) -> int:
    """Say what went wrong; return the exit status."""
    say("error", message, as_json=as_json, exit_status=status)
    return status


def interrupted(*, as_json: bool) -> int:
    """Say that the user ended the run; return the exit status."""
    message = "interrupted; no file was left half-written"
    if as_json:
        return fail(130, message, as_json=True)
    print(f"fastprune: {message}", file=sys.stderr)
    return 130


def fault(error: Exception, *, as_json: bool) -> int:
    """Say that fastprune itself is at fault, with the traceback; return the exit status."""
    trace = "".join(traceback.format_exception(error))
    if as_json:
        message = f"fault of fastprune: {type(error).__name__}: {error}"
        say("error", message, as_json=True, exit_status=70, traceback=trace)
    else:
        print(trace, end="", file=sys.stderr)
        say("error", "this is a fault of fastprune; please report it", as_json=False)
    return 70


def leave_quietly() -> int:
    """End after a reader such as head has closed stdout; return the exit status.

    What is still buffered would raise again when Python closes the stream, so that the closed pipe
    is replaced below it.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (io.UnsupportedOperation, ValueError):  # no stream of the operating system
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
    finally:
        os.close(nowhere)
    return 0
