# SPDX-License-Identifier: Apache-2.0
"""Whether a receive CPU is near saturation, so that the guard is worth its engagement.

Below saturation an early drop gains nothing: the CPU has the time, and every frame that
is passed may still find room. So a CPU is engaged when it has hardly any idle time left
and a good part of its time goes into softirqs, where frames are received.

An engaged guard makes that part small, which must not look as if the flood were over.
What the dropped frames would have cost is therefore added: their number, times the time
a frame cost while the guard was not engaged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ENGAGE_BUSY, ENGAGE_SOFTIRQ = 0.90, 0.25
STAY_BUSY, STAY_SOFTIRQ = 0.75, 0.20
"""Shares of a CPU's time from which a CPU becomes engaged, and down to which it stays."""
STAY_LOOKS = 5
"""It is left after so many looks below."""
USUAL_FRAME_S = 400e-9
"""What a frame costs up to a full tap, until it was measured [s]."""

_STAT = Path("/proc/stat")
_USER_HZ = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTime:
    """What a CPU's time went into since the system started [s]."""

    softirq: float
    idle: float
    total: float
    """All but what a hypervisor gave to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One CPU, from one look to the next."""

    softirq: float
    """Share of its time in softirqs."""
    busy: float
    """Share of its time that it was not idle."""
    frames: int
    """Received from guarded ports [frames]."""
    dropped: int
    """Of these [frames]."""
    seconds: float


class Judge:
    """Decides for one CPU."""

    def __init__(self) -> None:
        self.is_engaged = False
        self._frame_s = USUAL_FRAME_S
        self._below = 0

    def see(self, look: Look) -> bool:
        """Return whether the CPU is to be engaged from now on."""
        if look.seconds <= 0:
            return self.is_engaged
        if self.is_engaged:
            self._below = 0 if self._stays(look) else self._below + 1
            self.is_engaged = self._below < STAY_LOOKS
            return self.is_engaged
        if look.frames:
            self._frame_s = look.softirq * look.seconds / look.frames or USUAL_FRAME_S
            self.is_engaged = (
                look.busy >= ENGAGE_BUSY and look.softirq >= ENGAGE_SOFTIRQ
            )
            self._below = 0
        return self.is_engaged

    def _stays(self, look: Look) -> bool:
        saved = look.dropped * self._frame_s / look.seconds
        return look.busy + saved >= STAY_BUSY and look.softirq + saved >= STAY_SOFTIRQ


class CpuClock:
    """Looks at the CPUs, each time since the look before.

    Args:
        read: returns what /proc/stat has.
    """

    def __init__(self, read: Callable[[], str] = _STAT.read_text) -> None:
        self._read = read
        self._before = read_times(read())

    def look(self, moved: Mapping[int, tuple[int, int]]) -> dict[int, Look]:
        """Return a look at each CPU.

        Args:
            moved: frames and drops of each CPU since the look before.
        """
        now = read_times(self._read())
        before, self._before = self._before, now
        looks = {}
        for cpu, time in now.items():
            then = before.get(cpu)
            if then is None or time.total <= then.total:
                continue  # it was just brought up, or the clock has not ticked
            total = time.total - then.total
            frames, dropped = moved.get(cpu, (0, 0))
            looks[cpu] = Look(
                softirq=max(0.0, (time.softirq - then.softirq) / total),
                busy=min(1.0, 1 - (time.idle - then.idle) / total),
                frames=frames,
                dropped=dropped,
                seconds=total,
            )
        return looks


def read_times(stat: str) -> dict[int, CpuTime]:
    """Return each CPU's times from the text of /proc/stat (proc(5))."""
    times = {}
    for line in stat.splitlines():
        name, *fields = line.split()
        if not name.startswith("cpu"):
            break  # the CPUs come first; what follows is long
        if name == "cpu":
            continue
        user, nice, system, idle, iowait, irq, softirq = map(int, fields[:7])
        total = user + nice + system + idle + iowait + irq + softirq
        times[int(name[3:])] = CpuTime(
            softirq=softirq / _USER_HZ,
            idle=(idle + iowait) / _USER_HZ,
            total=total / _USER_HZ,
        )
    return times
