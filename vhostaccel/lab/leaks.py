# SPDX-License-Identifier: Apache-2.0
"""Has the kernel look for memory that nothing points to, and say so on its console.

python -m vhostaccel.lab.leaks    in the lab; quiet in a kernel without kmemleak
"""

import time
from pathlib import Path

_KMEMLEAK = Path("/sys/kernel/debug/kmemleak")
_KMSG = Path("/dev/kmsg")
_ERROR = "<3>"
"""A level that the console shows."""
_YOUNG_S = 6.0
"""Kmemleak does not call what is younger than five seconds a leak."""


def report_leaks(kmemleak: Path = _KMEMLEAK, kmsg: Path = _KMSG) -> None:
    """Scan, and write what was found into the kernel's log, as its other reports.

    The first scan only notes what each object looks like; what then looks the same and
    is not pointed to either is told by the second.
    """
    if not kmemleak.exists():
        return
    kmemleak.write_text("scan")
    time.sleep(_YOUNG_S)
    kmemleak.write_text("scan")
    found = kmemleak.read_text(errors="replace").splitlines()
    # A message a line: the log takes no long ones.
    with kmsg.open("w", buffering=1) as log:
        for line in found:
            log.write(f"{_ERROR}{line}\n")
        log.write(f"{_ERROR}lab: looked for leaks, {len(found)} lines\n")


if __name__ == "__main__":
    report_leaks()
