# SPDX-License-Identifier: Apache-2.0
"""Carries frames between a TAP device and a wire, both ways, until either is gone.

A wire that takes no more is waited for with the TAP left unread: frames then queue in
the TAP, which drops and counts what does not fit.
"""

import os
import select
import struct
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from vhostaccel.traffic.wire import Wire

_PREFIX = struct.Struct(">I")
_BATCH = 64
_LONGEST_READ = 4096
_SPACE = 1 << 18


class Pump:
    """Carries frames between a TAP device and a wire.

    Args:
        tap: descriptor of the TAP device, not blocking.
        wire: the wire.
    """

    def __init__(self, tap: int, wire: Wire) -> None:
        self._tap = tap
        self._wire = wire
        self._space = memoryview(bytearray(_SPACE))
        self._fill = 0
        self._waiting: list[bytes] = []
        """Frames with their prefixes that the wire has not taken."""

    def run(self) -> None:
        """Carry frames.

        Raises:
            TrafficError: When the wire is closed.
        """
        while True:
            self.turn(None)

    def turn(self, timeout_ms: int | None) -> None:
        """Wait until there is something to carry, and carry it.

        Raises:
            TrafficError: When the wire is closed.
        """
        poll = select.poll()
        stuck = bool(self._waiting) or self._wire.is_torn
        poll.register(
            self._wire.fileno(), select.POLLIN | (select.POLLOUT if stuck else 0)
        )
        if not stuck:
            poll.register(self._tap, select.POLLIN)
        for descriptor, _ in poll.poll(timeout_ms):
            if descriptor == self._tap:
                self._read_tap()
            else:
                self._read_wire()
        self._write_wire()

    def _read_tap(self) -> None:
        with suppress(BlockingIOError):
            while len(self._waiting) < _BATCH:
                frame = os.read(self._tap, _LONGEST_READ)
                self._waiting.append(_PREFIX.pack(len(frame)) + frame)

    def _write_wire(self) -> None:
        self._wire.finish()
        if self._wire.is_torn or not self._waiting:
            return
        bounds = np.cumsum([0, *map(len, self._waiting)])
        taken = self._wire.send(memoryview(b"".join(self._waiting)), bounds)
        # One that the wire took in part is the wire's to finish.
        del self._waiting[: taken + self._wire.is_torn]

    def _read_wire(self) -> None:
        count = self._wire.receive(self._space[self._fill :])
        end = self._fill + count
        used = 0
        for begins, ends in whole_frames(self._space[:end]):
            self._write_tap(self._space[begins:ends])
            used = ends
        rest = bytes(self._space[used:end])
        self._space[: len(rest)] = rest
        self._fill = len(rest)

    def _write_tap(self, frame: memoryview) -> None:
        # The kernel refuses what is no frame of Ethernet; the wire carries on.
        with suppress(OSError):
            os.write(self._tap, frame)


def whole_frames(stream: memoryview) -> Iterator[tuple[int, int]]:
    """Yield where the whole frames of a piece of stream begin and end."""
    at = 0
    while at + _PREFIX.size <= len(stream):
        (length,) = _PREFIX.unpack_from(stream, at)
        begins, at = at + _PREFIX.size, at + _PREFIX.size + length
        if at > len(stream):
            return
        yield begins, at
