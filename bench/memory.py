"""Peak memory of this process between two moments."""

from __future__ import annotations

import gc
import re
from pathlib import Path

from fastprune.runtime import machine

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


class Peak:
    """Peak resident memory above what is resident when this is made.

    Where Linux allows it the high-water mark is put back first and the baseline is what is resident
    *now*: imports that needed more for a moment hide nothing then. Elsewhere the baseline is the
    high-water mark itself.
    """

    def __init__(self) -> None:
        gc.collect()
        try:
            CLEAR.write_text("5")
            self.base, self.how = _status("VmRSS"), "VmHWM, put back, above VmRSS"
        except OSError:
            self.base, self.how = machine.peak_memory(), "ru_maxrss above ru_maxrss"

    def above(self) -> int:
        """Return the peak since then, above the baseline, in bytes."""
        now = _status("VmHWM") if self.how.startswith("VmHWM") else machine.peak_memory()
        return max(0, now - self.base)


def _status(key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(key)
    return int(found[1]) * 1024
