"""The figure that every plot is drawn on: it shows itself in a notebook, once."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

from fastprune.report.plots.style import settings

DPI = 110
"""Dots an inch in a notebook: 10 inches are as wide as its column."""


class NotebookFigure(Figure):
    """A matplotlib figure of no window and no pyplot state that displays as a PNG.

    Where matplotlib's inline mode is on, its own printer for figures comes first, so that a figure
    is never shown twice.
    """

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        with settings():
            self.savefig(file, format="png", dpi=DPI)
        return file.getvalue()
