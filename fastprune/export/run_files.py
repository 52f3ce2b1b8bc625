"""Which files of a folder a run wrote, by the list in its ``sweep.json`` or ``compare.json``."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from fastprune.files.atomic import whole_file
from fastprune.files.whole_folder import check_folder

RECORDS = ("sweep.json", "compare.json")
"""What a run of one order and one of several say of themselves, the files they wrote among it."""
PAGE = "report.html"
"""Where ``fastprune report`` writes by default."""


def owned_files(folder: Path, records: tuple[str, ...] = RECORDS) -> set[str]:
    """Return the files that an earlier run wrote into a folder, by the account of its records.

    The page is among them whenever it was made: it tells of that run. So are the folders of its
    orders, each by the account that it gives itself.
    """
    names: set[str] = set()
    for record in records:
        listed = _listed(folder / record)
        if listed is not None:
            names |= {record, PAGE, *listed}
    for place in {name.split("/")[0] for name in names if "/" in name}:
        names |= {f"{place}/{name}" for name in owned_files(folder / place)}
    return names


def check_results(folder: str | Path, *, force: bool = False) -> Path:
    """Make sure that a folder can take the results of a run, before any work is done for them.

    Raises
    ------
    OutputError
        When it cannot be written, or holds files that no earlier run wrote and there is no `force`.
    """
    return check_folder(folder, owned=owned_files, force=force)


def noted(*made: Path) -> Path:
    """Add files that were made of a run later, beside its others, to its list; return the first."""
    folder, names = made[0].parent, {path.name for path in made}
    for record in RECORDS:
        path = folder / record
        listed = _listed(path)
        if listed is not None and not names <= {*listed, PAGE}:
            content = {**_read(path), "files": sorted({*listed, *names})}
            with whole_file(path) as temporary:
                text = json.dumps(content, indent=1, allow_nan=False)
                temporary.write_text(text + "\n", encoding="utf-8")
    return made[0]


def failed(folder: str | Path) -> dict[str, str]:
    """Return the files that a run could not write into a folder itself, and why."""
    found: dict[str, str] = {}
    for record in RECORDS:
        if _listed(Path(folder) / record) is not None:
            found |= _read(Path(folder) / record).get("failed", {})
    return found


def _listed(record: Path) -> list[str] | None:
    """Return the files that a record lists; None where there is no record that can be read."""
    try:
        names = _read(record)["files"]
        return [name for name in names if name.isprintable() and _is_below(name)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _read(record: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return content


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts
