# SPDX-License-Identifier: Apache-2.0
"""The program ``cpuprobe``: how long a CPU had nothing to run, and how late its timer is.

Runs inside the host under test, perhaps under emulation: the standard library only.
"""

import mmap
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from vhostaccel.errors import LabError
from vhostaccel.patience import limit_s

_PAGE_BYTES = 4096
_MAGIC = 0x70636176
_IDLE, _DUE, _EPOCH, _LATE = 8, 16, 24, 32
_START_TIMEOUT_S = 20.0
GAP_US = 20
"""Longer than a step of the idle counter while nothing else runs."""
_POLL_S = 0.01


class CpuProbe:
    """The program ``cpuprobe`` on one CPU, and the page it writes.

    Args:
        program: its binary.
        cpu: the CPU it measures.
        gap_us: what takes longer between two looks at the clock is not idleness.
    """

    def __init__(self, program: Path, cpu: int, gap_us: int = GAP_US) -> None:
        # Shared by mapping, so it must be a file that stays until both have it.
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
            file.truncate(_PAGE_BYTES)
            self._page = mmap.mmap(file.fileno(), _PAGE_BYTES)
            self._process = subprocess.Popen(
                (str(program), str(cpu), file.name, str(gap_us)),
                stdin=subprocess.DEVNULL,
            )
            deadline = time.monotonic() + limit_s(_START_TIMEOUT_S)
            while self._read("I", 0) != _MAGIC:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise LabError(
                        f"{program} did not start on CPU {cpu}",
                        hint="its message is on the lab's console",
                    )
                time.sleep(_POLL_S)

    def is_running(self) -> bool:
        """Return whether it still counts."""
        return self._process.poll() is None

    def idle_ns(self) -> int:
        """Return how long the CPU has had nothing else to run [ns]."""
        return self._read("Q", _IDLE)

    def take_late_worst_ns(self) -> int:
        """Return the worst lateness since the last call, and start anew [ns].

        Two slots take turns, so that a lateness written meanwhile is not lost.
        """
        epoch = self._read("Q", _EPOCH)
        struct.pack_into("Q", self._page, _LATE + 8 * ((epoch + 1) % 2), 0)
        struct.pack_into("Q", self._page, _EPOCH, epoch + 1)
        worst = self._read("Q", _LATE + 8 * (epoch % 2))
        # A timer that is still waiting to run has not written how late it is.
        return max(worst, time.monotonic_ns() - self._read("Q", _DUE), 0)

    def stop(self) -> None:
        """End the program."""
        self._process.terminate()
        self._process.wait()
        self._page.close()

    def _read(self, kind: str, offset: int) -> int:
        value: int = struct.unpack_from(kind, self._page, offset)[0]
        return value
