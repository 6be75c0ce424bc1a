# SPDX-License-Identifier: Apache-2.0
"""What a wire delivers during a trial: raw pieces now, frames when there is time.

During the flood bytes are only read into large buffers, with the time of each read.
Only when those hold 64 MiB, the oldest is read into columns (22 bytes a frame) and used
again; that takes a few ms, which the pacer's backlog covers.
"""

import time
from array import array

import numpy as np

from vhostaccel.errors import TrafficError
from vhostaccel.traffic.collector import (
    Frames,
    TornStreamError,
    cut,
    join,
    read_frames,
)
from vhostaccel.traffic.wire import Wire

_SEGMENT_BYTES = 4 << 20
_SEGMENTS = 16
_CARRY_BYTES = 128 << 10
"""Room at the front of a segment for a frame that began in the one before."""


class _Segment:
    """A piece of the stream, as read."""

    def __init__(self) -> None:
        self.buffer = np.empty(_CARRY_BYTES + _SEGMENT_BYTES, np.uint8)
        self.view = self.buffer.data
        self.clear(b"")

    def clear(self, carry: bytes) -> None:
        """Forget all but the beginning of a frame."""
        self.fill = _CARRY_BYTES
        self.ends = array("q")
        """Where each read ended."""
        self.times = array("q")
        """When each read was done, CLOCK_MONOTONIC [ns]."""
        self.begin_with(carry)

    def begin_with(self, carry: bytes) -> None:
        """Put the beginning of a frame in front of what was read."""
        self.start = _CARRY_BYTES - len(carry)
        self.view[self.start : _CARRY_BYTES] = carry


class Capture:
    """What one wire delivers, one trial after the other."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._segments = [_Segment()]
        self._parts: list[Frames] = []
        self._tag = 0

    def begin(self, tag: int) -> None:
        """Keep the frames of a trial from now on; what arrived before is thrown away.

        Raises:
            TrafficError: If the wire is closed or the stream makes no sense.
        """
        self.discard()
        self._tag = tag

    def read(self) -> int:
        """Read what has arrived and note the time; return the bytes.

        Raises:
            TrafficError: If the wire is closed or the stream makes no sense.
        """
        segment = self._segments[-1]
        if segment.fill == len(segment.view):
            segment = self._next_segment()
        count = self._wire.receive(segment.view[segment.fill :])
        if count:
            segment.fill += count
            segment.ends.append(segment.fill)
            segment.times.append(time.monotonic_ns())
        return count

    def discard(self) -> None:
        """Throw away what has arrived, but for a frame that is not complete yet.

        Raises:
            TrafficError: If the wire is closed or the stream makes no sense.
        """
        while self.read():
            self.frames()

    def frames(self) -> Frames:
        """Return what was collected since ``begin``, and forget it.

        Raises:
            TrafficError: If the stream makes no sense.
        """
        for _ in range(len(self._segments)):
            self._fold()
        del self._segments[1:]
        collected, self._parts = join(self._parts), []
        return collected

    def _next_segment(self) -> _Segment:
        if len(self._segments) == _SEGMENTS:
            self._fold()
        else:
            self._segments.append(_Segment())
        return self._segments[-1]

    def _fold(self) -> None:
        """Turn the oldest segment into frames and put it behind the others, empty."""
        segment = self._segments.pop(0)
        raw = segment.buffer[segment.start : segment.fill]
        try:
            pieces = cut(raw)
        except TornStreamError as error:
            raise TrafficError(
                f"wire {self._wire.name}: {error}",
                hint="start the lab again; something else wrote to this wire",
            ) from None
        ends = np.array(segment.ends, np.int64) - segment.start
        times = np.array(segment.times, np.int64)
        self._parts.append(read_frames(raw, pieces, self._tag, ends, times))
        carry = raw[pieces.used :].tobytes()
        segment.clear(b"")
        self._segments.append(segment)
        self._segments[0].begin_with(carry)
