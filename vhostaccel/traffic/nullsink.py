# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a lab at the other end of both wires: reads all it can, as QEMU would.

It listens on two unix sockets and counts frames by itself. Asked to *reflect*, it hands
what comes on one wire to the other unchanged: a host that forwards without loss.
"""

import os
import select
import socket
import threading
from pathlib import Path

import numpy as np

from vhostaccel.closing import Closing
from vhostaccel.traffic.collector import cut

_CHUNK_BYTES = 1 << 20
_CARRY_BYTES = 128 << 10
"""Room for a frame that began in the chunk before."""


class _End:
    """The far end of one wire."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.peer: socket.socket | None = None
        self.frames = 0
        self.to_send = memoryview(b"")
        self._buffer = np.empty(_CARRY_BYTES + _CHUNK_BYTES, np.uint8)
        self._view = self._buffer.data
        self._start = _CARRY_BYTES

    def read(self) -> memoryview:
        """Read and count what has arrived; valid until the next call."""
        assert self.peer is not None
        count = self.peer.recv_into(self._view[_CARRY_BYTES:])
        end = _CARRY_BYTES + count
        pieces = cut(self._buffer[self._start : end])
        self.frames += len(pieces.starts)
        rest = bytes(self._view[self._start + pieces.used : end])
        self._start = _CARRY_BYTES - len(rest)
        chunk = self._view[_CARRY_BYTES:end]
        self._view[self._start : _CARRY_BYTES] = rest
        return chunk

    def flush(self) -> None:
        if self.peer is not None and self.to_send:
            try:
                self.to_send = self.to_send[self.peer.send(self.to_send) :]
            except BlockingIOError:
                return

    def drop(self) -> None:
        if self.peer is not None:
            self.peer.close()
        self.peer, self._start, self.to_send = None, _CARRY_BYTES, memoryview(b"")

    def close(self) -> None:
        self.drop()
        self.listener.close()


class NullSink(Closing):
    """Reads both wires in a thread of its own until it is closed."""

    def __init__(
        self,
        wire_a: Path,
        wire_b: Path,
        *,
        reflect: bool = False,
        cpu: int | None = None,
    ) -> None:
        """Listen on both sockets.

        Args:
            wire_a: where the socket of wire A is to be.
            wire_b: the same for wire B.
            reflect: hand the frames of one wire to the other.
            cpu: the only CPU to run on, or None for any.
        """
        self._ends = (_End(wire_a), _End(wire_b))
        self._reflect = reflect
        self._cpu = cpu
        self._told = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._reading = True
        self._closing = False
        self._hang_up = False
        self._thread = threading.Thread(target=self._run, name="null sink", daemon=True)
        self._thread.start()

    @property
    def frames(self) -> tuple[int, int]:
        """Whole frames read from wire A and from wire B."""
        return self._ends[0].frames, self._ends[1].frames

    def pause(self) -> None:
        """Read no more, as a NIC does whose ring is full and never stocked."""
        self._reading = False
        self._tell()

    def resume(self) -> None:
        """Read again."""
        self._reading = True
        self._tell()

    def hang_up(self) -> None:
        """Close our end of both wires, as a QEMU does that is killed."""
        self._hang_up = True
        self._tell()

    def close(self) -> None:
        """End the thread and close the sockets."""
        self._closing = True
        self._tell()
        self._thread.join()
        os.close(self._told)

    def _tell(self) -> None:
        os.eventfd_write(self._told, 1)

    def _run(self) -> None:
        if self._cpu is not None:
            os.sched_setaffinity(0, {self._cpu})  # 0 is this thread alone
        while not self._closing:
            self._turn()
            if self._hang_up:
                break
        for end in self._ends:
            end.close()

    def _turn(self) -> None:
        readers: list[int | socket.socket] = [self._told]
        writers = []
        for end, other in zip(self._ends, reversed(self._ends), strict=True):
            if end.peer is None:
                readers.append(end.listener)
                continue
            # What cannot be handed on is left in its wire, so nothing is ever lost.
            if self._reading and not other.to_send:
                readers.append(end.peer)
            if end.to_send:
                writers.append(end.peer)
        ready, writable, _ = select.select(readers, writers, [])
        if self._told in ready:
            os.eventfd_read(self._told)
        for end, other in zip(self._ends, reversed(self._ends), strict=True):
            if end.listener in ready:
                self._accept(end)
            elif end.peer in ready:
                self._read(end, other)
            if end.peer in writable:
                end.flush()

    def _accept(self, end: _End) -> None:
        end.peer, _ = end.listener.accept()
        end.peer.setblocking(False)

    def _read(self, end: _End, other: _End) -> None:
        try:
            data = end.read()
        except ConnectionResetError:
            data = memoryview(b"")
        if not data:
            end.drop()
        elif self._reflect:
            # The reader's buffer is not read into before all of it was handed on.
            other.to_send = data
            other.flush()
