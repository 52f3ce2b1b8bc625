"""CSV that spreadsheets, pandas and Unix tools read alike.

One header row, columns in snake_case, commas, dot decimals, no thousands separators, UTF-8 without
a byte order mark, lines that end in LF. Counts are whole numbers of images; whatever is called a
rate, an accuracy or a fraction is a share from 0 to 1, never a percentage. An empty cell is a value
that does not exist.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Text that begins so is run as a formula by one spreadsheet or another (the wide forms too)."""


def text_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: behind an apostrophe if need be.

    Names of sets and orders are free text and may come from the names of other people's files.

    References
    ----------
    OWASP, CSV Injection.

    Examples
    --------
    >>> text_cell("bd_test"), text_cell("=HYPERLINK(A1)"), text_cell(" @x")
    ('bd_test', "'=HYPERLINK(A1)", "' @x")
    """
    risky = text.startswith(FORMULA) or text.lstrip().startswith(FORMULA)
    return f"'{text}" if risky else text


def write_rows(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a header and rows.

    Parameters
    ----------
    file : text stream
        Opened with ``newline=""`` where it is a file.
    columns : sequence of str
        The header; the keys of every row.
    rows : iterable of mapping
        Numbers and text; None is an empty cell.
    """
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})


def _cell(value: Any) -> Any:
    return text_cell(value) if isinstance(value, str) else value
