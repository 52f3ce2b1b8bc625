"""What a reader must know of the machine and the libraries behind a measurement."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from fastprune.runtime import machine

PACKAGES = ("tensorflow", "keras", "numpy", "numba", "h5py")


def about_machine() -> dict[str, Any]:
    """Return CPU, cores, memory, load, versions, commit and date."""
    return {
        "cpu": _cpu(),
        "cores": machine.cores(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "threads": "the libraries' own choice, but (d) and (f): a core for a call of TensorFlow",
        "load_at_start": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {package: metadata.version(package) for package in PACKAGES},
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _commit() -> str:
    """Return the commit, marked when fastprune's files were changed since."""
    root = Path(__file__).resolve().parents[1]

    def git(*words: str) -> str:
        command = ["git", *words]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "no git"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "fastprune")
    return f"{commit} with changes" if changed else commit
