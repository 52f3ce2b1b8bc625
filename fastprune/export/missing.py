"""What a run could not write, noted and told of while everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastprune.errors import FormatError, OutputError, first_line
from fastprune.runtime.progress import warn


class Missing:
    """What a results directory lacks: the figures are worth saving whatever fails beside them.

    Parameters
    ----------
    staging, folder : Path
        Where files are written, and where they end.

    Attributes
    ----------
    left_out : dict of str to str
        Files whose format cannot hold the network, while another one does, and why.
    failed : dict of str to str
        Files that could not be written, and why.
    """

    def __init__(self, staging: Path, folder: Path) -> None:
        self.staging, self.folder = staging, folder
        self.left_out: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    @contextmanager
    def spared(self, *names: str, instead: str | None = None) -> Iterator[None]:
        """Write files; one that fails is noted and told of, and the others go on.

        Parameters
        ----------
        *names : str
            The files, each whole or not there when its writing fails.
        instead : str, optional
            A file of another format that holds the same.
        """
        try:
            yield
        except Exception as error:  # Keras and matplotlib raise whatever they happen to raise
            own = isinstance(error, OutputError)
            reason = str(error) if own else first_line(error)
            reason = reason.replace(str(self.staging), str(self.folder))
            held = instead is not None and (self.staging / instead).exists()
            for name in names:
                if (self.staging / name).exists():
                    continue
                if held and isinstance(error, FormatError):
                    self.left_out[name] = f"{reason}; use {instead}"
                    warn(f"{name} is left out: {self.left_out[name]}")
                else:
                    self.failed[name] = reason
                    warn(f"{name} is missing, the figures are saved: {reason}")
