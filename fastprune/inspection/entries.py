"""The lines of an inspection, for 80 columns: a thing, and beside it what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from textwrap import wrap

from fastprune.report.text.words import plain

LEFT = 15
"""Columns before what is said of each thing."""


def entry(name: str, text: str) -> list[str]:
    """Return a thing and what is said of it, wrapped beside it."""
    head = f"  {plain(name, 40)}"
    body = wrap(text, 80 - LEFT - 1, break_long_words=False) or [""]
    if len(head) > LEFT:
        return [head, *(f"{'':<{LEFT}} {line}" for line in body)]
    return [f"{head:<{LEFT}} {body[0]}", *(f"{'':<{LEFT}} {line}" for line in body[1:])]


def shape_words(shape: Sequence[int | None]) -> str:
    """Return a shape as ``55 x 47 x 3``."""
    return " x ".join("any" if size is None else str(size) for size in shape) or "-"


def size_words(count: int) -> str:
    """Return a number of bytes in a unit that fits it."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers in rising order, runs of three and more as first and last.

    Examples
    --------
    >>> ranges([0, 2, 3, 4, 9, 10])
    '0 2-4 9 10'
    """
    numbers = list(numbers)
    ends = [i for i, (a, b) in enumerate(pairwise(numbers)) if b != a + 1]
    words: list[str] = []
    start = 0
    for stop in [*(end + 1 for end in ends), len(numbers)]:
        run = numbers[start:stop]
        words += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run)
        start = stop
    return " ".join(words)


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return rows of words in columns, those of `right` flush right.

    Examples
    --------
    >>> table([("a", "1"), ("long", "12")], right=(1,))
    ['  a      1', '  long  12']
    """
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(
            word.rjust(wide[column]) if column in right else word.ljust(wide[column])
            for column, word in enumerate(row)
        ).rstrip()
        for row in rows
    ]  # fmt: skip
