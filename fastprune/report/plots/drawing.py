"""Every plot of a sweep, as matplotlib figures or as PNG and SVG files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fastprune.errors import OptionError
from fastprune.files.atomic import whole_file
from fastprune.report.plots.bars import goodnet
from fastprune.report.plots.curves import accuracy_asr, activations, detector
from fastprune.report.plots.samples import samples
from fastprune.report.plots.style import settings
from fastprune.results.record import SweepRecord

MAKERS = (accuracy_asr, activations, goodnet, detector, samples)
"""What draws each figure, which is named as its maker; one may return None and draw nothing."""

DPI = 150
METADATA: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None}}
"""What matplotlib would write into a file that changes from run to run, left out."""


def figures(result: SweepRecord) -> dict[str, Any]:
    """Make every figure of a sweep.

    Parameters
    ----------
    result : SweepResult
        The sweep.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        ``accuracy_asr``, ``activations``, ``goodnet`` and ``samples``, and ``detector`` where there
        is a backdoored set. They belong to no window and no pyplot state.
    """
    with settings():
        drawn = {maker.__name__: maker(result) for maker in MAKERS}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def figure(result: SweepRecord, name: str) -> Any:
    """Make one figure of a sweep.

    Raises
    ------
    OptionError
        When there is no figure of that name, or this sweep has not the sets that it needs.
    """
    makers = {maker.__name__: maker for maker in MAKERS}
    with settings():
        drawn = makers[name](result) if name in makers else None
    if drawn is None:
        message = (
            f"expected a plot of this sweep: {', '.join(figures(result))}; got {name!r}; name one "
            "of these"
        )
        raise OptionError(message)
    return drawn


def files(maker: Callable[[SweepRecord], Any]) -> tuple[str, ...]:
    """Return the names of the files of a figure."""
    return tuple(f"{maker.__name__}.{suffix}" for suffix in METADATA)


def draw(
    result: SweepRecord,
    folder: str | Path,
    makers: Iterable[Callable[[SweepRecord], Any]] = MAKERS,
) -> list[Path]:
    """Write figures of a sweep as PNG (150 dots an inch) and as SVG.

    The same result gives the same bytes with the same release of matplotlib.

    Parameters
    ----------
    result : SweepResult
        The sweep.
    folder : path
        Where the files go; made where it is missing.
    makers : iterable of callable
        What is drawn, of :data:`MAKERS`.

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
        for maker in makers:
            figure = maker(result)
            if figure is None:
                continue
            for suffix, metadata in METADATA.items():
                path = Path(folder) / f"{maker.__name__}.{suffix}"
                with whole_file(path) as temporary:
                    figure.savefig(temporary, dpi=DPI, metadata=metadata)
                written.append(path)
    return written
