"""An empty figure to draw on. Importing this loads no matplotlib."""

from __future__ import annotations

from typing import Any


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of a size in inches, tied to no window and no global state."""
    from fastprune.report.plots.notebook_figure import NotebookFigure

    return NotebookFigure(figsize=(width, height))
