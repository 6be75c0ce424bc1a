# SPDX-License-Identifier: Apache-2.0
"""When which frame is due: the schedule of one direction, on a clock the caller reads.

Frame ``k`` is due ``k / rate`` after the start, whatever happened before. Frames are
written at most once a tick and at most a burst at a time, so that lateness never turns
into a burst that fills the NIC's ring by itself. What is later than the backlog is shed.
"""

from math import ceil

from vhostaccel.units import FramesPerSecond, Seconds

TICK_NS = 250_000
BURST_NS = 400_000
"""A burst holds what is due in this time: 16 frames at 40 000 frames/s."""
BACKLOG_NS = 5_000_000
"""What is later than this is shed."""
_SECOND_NS = 1_000_000_000


class Pacer:
    """The schedule of one direction."""

    def __init__(self, rate: FramesPerSecond, *, start_ns: int, flood: Seconds) -> None:
        """Lay out the schedule.

        Args:
            rate: intended load [frames/s]; 0 intends nothing.
            start_ns: when the first frame is due.
            flood: for how long frames are due.
        """
        self.intended = round(rate * flood)
        self.burst = burst_of(rate)
        self.shed = 0
        """Frames given up so far."""
        self._rate = rate
        self._start_ns = start_ns
        self._end_ns = start_ns + round(flood * _SECOND_NS)
        self._backlog = max(self.burst, rate * BACKLOG_NS // _SECOND_NS)
        self.next_ns = start_ns if self.intended else self._end_ns
        """Nothing is to be written before this time."""

    def take(self, now_ns: int, sent: int) -> int:
        """Return how many frames to write now, given how many were sent."""
        if now_ns < self.next_ns:
            return 0
        elapsed = now_ns - self._start_ns
        due = min(self.intended, elapsed * self._rate // _SECOND_NS + 1)
        late = due - sent - self.shed
        if late > self._backlog:
            self.shed += late - self._backlog
            late = self._backlog
        count = min(late, self.burst)
        self.defer(now_ns)
        self.next_ns = max(self.next_ns, self._due_ns(sent + self.shed + count))
        return count

    def defer(self, now_ns: int) -> None:
        """Write nothing more before the next tick."""
        ticks = (now_ns - self._start_ns) // TICK_NS + 1
        self.next_ns = self._start_ns + ticks * TICK_NS

    def _due_ns(self, frame: int) -> int:
        if frame >= self.intended:
            return self._end_ns
        return self._start_ns + -(-frame * _SECOND_NS // self._rate)


def burst_of(rate: FramesPerSecond) -> int:
    """Return the most frames one write may have at a rate."""
    return max(1, ceil(rate * BURST_NS / _SECOND_NS))
