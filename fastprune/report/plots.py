"""Every plot of a sweep, as matplotlib figures or as PNG and SVG files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastprune.files import whole_file
from fastprune.report.bars import goodnet
from fastprune.report.curves import accuracy_asr, activations, detector
from fastprune.report.samples import samples
from fastprune.report.style import RC
from fastprune.result import SweepResult

MAKERS = (accuracy_asr, activations, goodnet, detector, samples)
"""What draws each figure, which is named as its maker; one may return None and draw nothing."""

DPI = 150
METADATA: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None}}
"""What matplotlib would write into a file that changes from run to run, left out."""


def figures(result: SweepResult) -> dict[str, Any]:
    """Make every figure of a sweep.

    Parameters
    ----------
    result : SweepResult
        The sweep.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        ``accuracy_asr``, ``activations``, ``goodnet`` and ``samples``, and ``detector`` where there
        are both clean and backdoored sets. They belong to no window and no pyplot state.
    """
    with settings():
        made = {maker.__name__: maker(result) for maker in MAKERS}
    return {name: figure for name, figure in made.items() if figure is not None}


def draw(result: SweepResult, folder: str | Path) -> list[Path]:
    """Write every figure of a sweep as PNG (150 dots an inch) and as SVG.

    The same result gives the same bytes with the same release of matplotlib.

    Parameters
    ----------
    result : SweepResult
        The sweep.
    folder : path
        Where the files go; made where it is missing.

    Returns
    -------
    list of Path
        The files, ``NAME.png`` and ``NAME.svg`` of every figure.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    written = []
    with settings():
        for maker in MAKERS:
            figure = maker(result)
            if figure is None:
                continue
            for suffix, metadata in METADATA.items():
                path = Path(folder) / f"{maker.__name__}.{suffix}"
                with whole_file(path) as temporary:
                    figure.savefig(temporary, dpi=DPI, metadata=metadata)
                written.append(path)
    return written


@contextmanager
def settings() -> Iterator[None]:
    """Apply :data:`~fastprune.report.style.RC` over matplotlib's own defaults for a while."""
    from matplotlib import rc_context, rcdefaults, rcParams

    with rc_context(), warnings.catch_warnings():
        rcdefaults()
        rcParams.update(RC)
        # Names may hold letters that the font lacks; the SVG shows them all the same.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield
