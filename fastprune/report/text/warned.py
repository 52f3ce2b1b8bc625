"""What a reader should know before the figures, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from fastprune.report.text.words import plain

WIDTH = 100
"""Columns of the lines."""


def warning_lines(warnings: Iterable[str]) -> list[str]:
    """Return warnings, each once, wrapped and with an empty line at the end; no line for none.

    Examples
    --------
    >>> warning_lines([]), warning_lines(["look here", "look here"])
    ([], ['warning: look here', ''])
    """
    lines = [
        line
        for warning in dict.fromkeys(warnings)
        for line in wrap(f"warning: {plain(warning, 2000)}", WIDTH, subsequent_indent="  ")
    ]
    return [*lines, ""] if lines else []
