"""Progress and warnings, on stderr; results go to stdout."""

from __future__ import annotations

import warnings
from typing import Any


class FastpruneWarning(UserWarning):
    """Something that a user should look at, although the run goes on."""


def warn(message: str) -> None:
    """Say something on stderr that does not stop the run."""
    warnings.warn(message, FastpruneWarning, stacklevel=3)


def bar(total: int, *, shown: bool) -> Any:
    """Return a tqdm bar that counts images: images/s and time left; in a notebook, a widget.

    A notebook without ipywidgets gets the bar of a terminal, of which tqdm would warn.
    """
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        from tqdm.auto import tqdm

    return tqdm(total=total, unit=" images", unit_scale=False, disable=not shown, leave=False)
