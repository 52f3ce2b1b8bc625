"""A folder of files that is replaced as a whole: what it held before, or all of the new.

The files are written into a work folder that nobody looks at, and come into their place in one of
two ways. Where the folder holds nothing else, both folders change places in one call of the system
(or, where the file system knows none, in two renames). Where other files stay in it, it is a mount
point or somebody stands in it, the files move one by one, behind a list of what has to leave: a run
that is killed in between is carried to its end by the next one.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastprune.errors import OutputError
from fastprune.files.atomic import check_writable
from fastprune.files.exchange import exchange, try_lock

WORK = ".writing-"
"""How the names of work folders begin; eight letters follow."""
OF_THE_SYSTEM = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that file managers leave wherever they look."""

Names = Callable[[Path], set[str]]
"""Says something of the files in a folder: names them, as paths below it."""


def no_files(_: Path) -> set[str]:
    """Name none."""
    return set()


def check_folder(
    folder: str | Path, *, owned: Names, stays: Names = no_files, force: bool = False
) -> Path:
    """Make sure that a folder can be replaced, before any work is done for it.

    What a killed run has left there is tidied up first. Arguments are those of
    :func:`whole_folder`.

    Raises
    ------
    OutputError
        When it cannot be written, or holds other files and there is no `force`.
    """
    folder = check_writable(folder)
    _tidy_up(folder.resolve())
    if not force:
        _refuse_strangers(folder, owned(folder) | stays(folder))
    return folder


@contextmanager
def whole_folder(
    folder: str | Path,
    *,
    records: tuple[str, ...],
    owned: Names,
    stays: Names = no_files,
    force: bool = False,
) -> Iterator[Path]:
    """Give an empty work folder; what is written there replaces what an earlier run left.

    Parameters
    ----------
    folder : path
        Where the files end.
    records : tuple of str
        The files that say a folder is complete: where files move one by one, they go first and
        come last.
    owned : callable
        Names the files that an earlier run wrote: they are taken away.
    stays : callable
        Names files that may be there and stay.
    force : bool
        Whether any other files may be there, and stay.

    Raises
    ------
    OutputError
        When a file cannot be written, or the folder holds other files and there is no `force`; it
        is as it was before.
    """
    folder = check_folder(folder, owned=owned, stays=stays, force=force)
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        apart = _movable(target) and not any(_strangers(target, owned(target)))
        with _work_folder(target, apart=apart) as work:
            yield work / "new"
            _sync(work / "new")
            # Files that came while the run took its hours stay: nothing is lost for them.
            if apart and not any(_strangers(target, owned(target))):
                _change_places(work, target)
            else:
                _begin_moving(work, target, records, owned(target).intersection(_files(target)))
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        message = f"expected to write results; got {error.strerror or error} ({folder})"
        raise OutputError(message) from error


@contextmanager
def _work_folder(target: Path, *, apart: bool) -> Iterator[Path]:
    """Give a work folder on the file system of `target`: beside it, or in it."""
    place, prefix = (target.parent, _prefix(target)) if apart else (target, WORK)
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    with try_lock(work):
        try:
            (work / "new").mkdir()
            if target.is_dir():
                shutil.copymode(target, work / "new")
            yield work
        finally:
            _finish(work, target)


def _movable(target: Path) -> bool:
    """Return whether a folder can be renamed without anybody noticing more than new files."""
    if not target.exists():
        return True
    here = Path.cwd()
    if os.path.ismount(target) or target in (here, *here.parents):
        return False
    return os.access(target.parent, os.W_OK) and target.stat().st_dev == target.parent.stat().st_dev


def _change_places(work: Path, target: Path) -> None:
    """Put the new folder in the place of the old one, which goes with the work folder."""
    if not target.exists():
        os.rename(work / "new", target)
    elif not exchange(work / "new", target):
        os.rename(target, work / "old")
        os.rename(work / "new", target)


def _finish(work: Path, target: Path) -> None:
    """Carry on what had begun to move, wherever it was stopped; remove the work folder."""
    if (work / "arriving").exists():
        _move(work, target)
    elif (work / "old").is_dir() and not target.exists():
        os.rename(work / "new", target)
    shutil.rmtree(work, ignore_errors=True)


def _begin_moving(
    work: Path, target: Path, records: tuple[str, ...], leaving: Iterable[str]
) -> None:
    """Note what leaves and what arrives; from here on, whoever finds the work folder finishes."""
    _refuse_what_is_in_the_way(work / "new", target)
    lists = {
        "leaving": sorted(leaving, key=lambda name: (name not in records, name)),
        "arriving": sorted(_files(work / "new"), key=lambda name: (name in records, name)),
    }
    for name, lines in lists.items():
        (work / f"{name}.part").write_text("\n".join(lines), encoding="utf-8")
        os.rename(work / f"{name}.part", work / name)


def _move(work: Path, target: Path) -> None:
    """Move the old files out and the new ones in; done twice, it does no more than once."""
    leaving, arriving = work / "leaving", work / "arriving"
    if leaving.exists():
        for name in _lines(leaving):
            if (target / name).is_file():
                (work / "old" / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(target / name, work / "old" / name)
                _remove_empty((target / name).parent, target)
        leaving.unlink()  # what has one of these names from here on is new
    for name in _lines(arriving):
        if (work / "new" / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(work / "new" / name, target / name)


def _tidy_up(target: Path) -> None:
    """Finish what killed runs had begun to put into a folder, and remove what they had not."""
    for place, prefix in ((target, WORK), (target.parent, _prefix(target))):
        for work in _entries(place):
            if re.fullmatch(re.escape(prefix) + r"\w{8}", work.name) and work.is_dir():
                with try_lock(work) as alone:
                    if alone:
                        _finish(work, target)


def _refuse_strangers(folder: Path, owned: set[str]) -> None:
    found = next(_strangers(folder, owned), None)
    if found is not None:
        message = (
            f"expected a folder for this run alone; got {found}, which no earlier run wrote "
            f"({folder}); name another folder, or keep such files and write beside them with "
            "--force (force=True)"
        )
        raise OutputError(message)


def _strangers(folder: Path, owned: set[str]) -> Iterator[str]:
    """Yield the files in a folder that no earlier run wrote."""
    return (name for name in _files(folder) if name not in owned)


def _files(folder: Path) -> Iterator[str]:
    """Yield the files below a folder, as paths below it, without work folders."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        folders[:] = sorted(name for name in folders if not name.startswith(WORK))
        for name in sorted([*files, *links]):
            if name not in OF_THE_SYSTEM:
                yield (Path(place) / name).relative_to(folder).as_posix()


def _refuse_what_is_in_the_way(new: Path, target: Path) -> None:
    """Refuse names that are taken by folders, or folders' by files: half would be new."""
    for name in _files(new):
        folders = [place for place in (target / name).parents if target in place.parents]
        if (target / name).is_dir() or any(place.is_file() for place in folders):
            message = (
                f"expected to write {target / name}; got something else of that name; name "
                "another place"
            )
            raise OutputError(message)


def _sync(folder: Path) -> None:
    for name in _files(folder):
        with open(folder / name, "rb") as written:
            os.fsync(written.fileno())


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top:
        with suppress(OSError):
            folder.rmdir()
        folder = folder.parent


def _prefix(target: Path) -> str:
    return f"{WORK}{target.name}-"


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line]


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder; nothing where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
