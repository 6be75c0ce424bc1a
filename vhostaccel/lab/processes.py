# SPDX-License-Identifier: Apache-2.0
"""Processes by identity, not by number: a pid that was reused is not the one we meant."""

import ctypes
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """A process that a later caller can recognise."""

    pid: int
    started: int
    """Start time, clock ticks since boot (``/proc/<pid>/stat`` field 22)."""

    def is_alive(self) -> bool:
        """Tell whether this very process still runs; a zombie does not."""
        now = identify(self.pid)
        return now == self

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if this very process still runs."""
        if self.is_alive():
            os.kill(self.pid, number)


def identify(pid: int) -> ProcessId | None:
    """Return the identity of a running process, or None."""
    try:
        text = (Path("/proc") / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    state, started = fields[0], int(fields[19])
    return None if state in "ZX" else ProcessId(pid=pid, started=started)


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send us a signal when the thread that started us ends.

    For ``preexec_fn``, and for programs to call first thing (prctl(2)).
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def thread_wait_ns(pid: int, name: str) -> int:
    """Return how long the threads so named have waited for a CPU, in all [ns].

    Args:
        pid: their process.
        name: how their names begin.
    """
    total = 0
    for task in (Path("/proc") / str(pid) / "task").glob("*"):
        try:
            if (task / "comm").read_text().startswith(name):
                total += int((task / "schedstat").read_text().split()[1])
        except OSError:
            continue
    return total
