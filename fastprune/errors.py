"""What fastprune raises when its input cannot be used: one clear line each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


class FastpruneError(Exception):
    """Base of every error that a user can mend.

    The message is one line: expected what; got what (file:dataset or layer); what to do next.
    `exit_status` is what the command line ends with.
    """

    exit_status = 2


class DataError(FastpruneError, ValueError):
    """An image set cannot be used: its file, datasets, shapes, labels or pixels."""


class NetworkError(FastpruneError, ValueError):
    """A network cannot be used: its file, its layers, or it has no usable cut."""


class OptionError(FastpruneError, ValueError):
    """An option or argument is out of its range or does not fit the network or the sets."""


class OutputError(FastpruneError, OSError):
    """Results cannot be written or read back."""


class FormatError(OutputError):
    """A file format cannot hold a network."""


class VerificationError(FastpruneError):
    """A check of the finished figures failed: plain Keras gives another class."""

    exit_status = 1


class FaultError(FastpruneError):
    """fastprune contradicts plain Keras or itself: its own fault, whatever the input is."""

    exit_status = 70


CAUSE = "Exception encountered: "
"""What Keras writes before the cause of an error, behind all that led to it."""

MAX_CAUSE = 240
"""Letters of a cause that are told."""


def first_line(error: BaseException) -> str:
    """Return what an error says in one line of ours: its first line, or the cause that Keras names.

    Keras's own begin with the whole configuration of a layer and end with what is wrong with it.
    """
    text = re.sub(r"\x1b\[[\d;]*m", "", str(error)).strip()
    before, found, cause = text.rpartition(CAUSE)
    kind = type(error).__name__
    if found and cause.strip():
        layers = re.findall(r"deserializing class '(\w{1,60})'", before)
        kind, text = (layers[-1] if layers else kind), cause.strip()
    elif calling := re.match(r"Exception encountered when calling (\w{1,60})\S*\s+(?=\S)", text):
        kind, text = calling[1], text[calling.end() :]
    lines = text.splitlines() or [type(error).__name__]
    return f"{kind}: {printable(lines[0][:MAX_CAUSE], ' ')}"


def printable(text: str, instead: str = "?") -> str:
    r"""Return text that no terminal obeys: `instead` stands for every letter that is not printed.

    Paths and names come from other people's files and may hold line breaks or escape sequences.

    Examples
    --------
    >>> printable("bd\x1b[2J\nnet")
    'bd?[2J?net'
    """
    return "".join(letter if letter.isprintable() else instead for letter in text)


def meant(word: str, known: Iterable[str]) -> str:
    """Return a question for the end of a message: which known word may have been meant, if any.

    Examples
    --------
    >>> meant("asc", ["ascending", "max"]), meant("--ordr", ["--order"]), meant("x", ["max"])
    ('; did you mean ascending?', '; did you mean --order?', '')
    """
    names = {name.lower().lstrip("-"): name for name in known}
    letters = word.lower().lstrip("-")
    begun = [name for name in names if len(letters) > 1 and name.startswith(letters)]
    found = begun or get_close_matches(letters, names, 1)
    return f"; did you mean {names[found[0]]}?" if found else ""


def check_printable(name: str, what: str, error: type[FastpruneError], where: str = "") -> None:
    """Refuse a name that cannot be printed.

    Raises
    ------
    error
        When a letter of it cannot.
    """
    if not name.isprintable():
        place = f" ({where})" if where else ""
        message = f"expected {what} that can be printed; got {name!r}{place}; rename it"
        raise error(message)
