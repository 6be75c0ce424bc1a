# SPDX-License-Identifier: Apache-2.0
"""How much of this machine's CPU time others had."""

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_USER, _NICE, _SYSTEM, _IRQ, _SOFTIRQ, _STEAL = 0, 1, 2, 5, 6, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTimes:
    """CPU time so far [clock ticks], and when that was."""

    at_ns: int
    busy: int
    """Of all processes, and what the hypervisor took."""
    ours: int
    """Of the processes that belong to the measurement."""


def cpu_times(ours: Collection[int], proc: Path = _PROC) -> CpuTimes:
    """Return the CPU times now.

    Args:
        ours: processes that belong to the measurement.
        proc: where the kernel shows them.
    """
    line = (proc / "stat").read_text().splitlines()[0].split()[1:]
    counted = (_USER, _NICE, _SYSTEM, _IRQ, _SOFTIRQ, _STEAL)
    return CpuTimes(
        at_ns=time.monotonic_ns(),
        busy=sum(int(line[field]) for field in counted),
        ours=sum(_ticks(proc / str(pid) / "stat") for pid in ours),
    )


def foreign_share(
    first: CpuTimes, last: CpuTimes, *, cpus: int, ticks_per_s: int
) -> float:
    """Return the share of the machine's CPU time between two moments that others had."""
    elapsed_s = (last.at_ns - first.at_ns) / 1e9
    foreign = (last.busy - first.busy) - (last.ours - first.ours)
    return max(0.0, foreign / ticks_per_s / elapsed_s / cpus)


def ticks_per_s() -> int:
    """Return how long a clock tick is, as its frequency."""
    return os.sysconf("SC_CLK_TCK")


def _ticks(stat: Path) -> int:
    fields = stat.read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
