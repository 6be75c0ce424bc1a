# SPDX-License-Identifier: Apache-2.0
"""The page that ``vfwd`` shares: its counters, and a heartbeat.

Layout: ``struct page`` of ``guest/vfwd.c``. One thread at a time asks for a heartbeat.
"""

import mmap
import os
import signal
import struct
import tempfile
import time

_BYTES = 4096
_BEAT_ASKED, _BEAT_ANSWERED, _COUNTERS = 8, 16, 24
_POLL_S = 0.0005


class VfwdPage:
    """A page in shared memory; ``path`` is the file to name to ``vfwd``."""

    def __init__(self) -> None:
        # In memory, and by name only as long as vfwd has not mapped it too.
        self._file = tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="vfwd-")  # noqa: SIM115 - closed in close()
        self._file.truncate(_BYTES)
        self._page = mmap.mmap(self._file.fileno(), _BYTES)
        self.path = self._file.name

    def close(self) -> None:
        """Let the page go, and its file."""
        self._page.close()
        self._file.close()

    def beat(self, pid: int, timeout_s: float) -> int | None:
        """Ask for a heartbeat; return how long the answer took [ns], or None.

        Args:
            pid: of the ``vfwd`` process.
            timeout_s: how long to wait for the answer [s].
        """
        number = self._read(_BEAT_ASKED) + 1
        struct.pack_into("Q", self._page, _BEAT_ASKED, number)
        started = time.monotonic_ns()
        try:
            os.kill(pid, signal.SIGUSR1)
        except ProcessLookupError:
            return None
        while self._read(_BEAT_ANSWERED) < number:
            if time.monotonic_ns() - started > timeout_s * 1e9:
                return None
            time.sleep(_POLL_S)
        return time.monotonic_ns() - started

    def counters(self) -> tuple[int, ...]:
        """Return the counters in the order of ``guest/init``."""
        a_and_b = struct.unpack_from("8Q", self._page, _COUNTERS)
        forwarded, dropped = struct.unpack_from("2Q", self._page, _COUNTERS + 64)
        return (*_interface(a_and_b[:4]), *_interface(a_and_b[4:]), forwarded, dropped)

    def _read(self, offset: int) -> int:
        value: int = struct.unpack_from("Q", self._page, offset)[0]
        return value


def _interface(counts: tuple[int, ...]) -> tuple[int, ...]:
    """Put vfwd's four counts where a NIC of Linux has seven."""
    rx_packets, rx_dropped, tx_packets, tx_dropped = counts
    return (rx_packets, rx_dropped, 0, 0, tx_packets, tx_dropped, 0)
