"""A sweep as a pandas frame."""

from __future__ import annotations

from typing import Any

from fastprune.errors import OptionError
from fastprune.export.rows import COLUMNS, rows
from fastprune.results.labels import ASPECTS
from fastprune.results.record import SweepRecord

TEXTS = (*ASPECTS, "set", "kind", "clean_set")
"""Columns of text."""
WHOLE = ("n_pruned", "images", "hits", "goodnet_hits", "flagged")
"""Columns of whole numbers that no row lacks."""
WHOLE_OR_NONE = ("channel", "true_hits", "goodnet_true_hits", "others", "other_hits")
"""Columns of whole numbers that some rows lack: as plain columns they would be floats."""


def to_pandas(result: SweepRecord) -> Any:
    """Return every set and step as a frame; see :meth:`SweepResult.to_pandas`."""
    try:
        import pandas as pd
    except ImportError as error:
        message = (
            f"expected pandas for to_pandas(); got {error}; install it: pip install "
            "'fastprune[pandas]'"
        )
        raise OptionError(message) from error
    table = list(rows(result))
    kinds = {
        **dict.fromkeys(COLUMNS, "float64"), **dict.fromkeys(TEXTS, None),
        **dict.fromkeys(WHOLE, "int64"), **dict.fromkeys(WHOLE_OR_NONE, "Int64"),
    }  # fmt: skip
    return pd.DataFrame(
        {
            column: pd.Series(
                [None if row[column] == "" else row[column] for row in table], dtype=kind
            )
            for column, kind in kinds.items()
        }
    )
