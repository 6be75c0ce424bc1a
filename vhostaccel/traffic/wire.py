# SPDX-License-Identifier: Apache-2.0
"""One end of a wire: a stream socket whose other end is a NIC of the host under test.

QEMU listens (``-netdev stream,server=on,addr.type=unix``), we connect. The stream is
flow-controlled: what QEMU does not read stays in the socket, and when that is full the
wire takes no more.
"""

import array
import fcntl
import socket
import termios
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vhostaccel.errors import TrafficError
from vhostaccel.units import Seconds

# Asked for so that the queue in the wire does not depend on the machine's sysctl. The
# kernel doubles it and counts its bookkeeping: 280 small frames written one by one fill
# it, 1600 in batches of 16, or 130 large ones.
_SEND_BUFFER_BYTES = 106_496
_RETRY_S = 0.02
_HINT = "see whether the lab's QEMU still runs: its log is in the run's folder"


class Wire:
    """Our end of one wire."""

    def __init__(self, name: str, connected: socket.socket) -> None:
        """Take over a connected stream socket.

        Args:
            name: how messages call it, ``A`` or ``B``.
            connected: the socket; closed with the wire.
        """
        connected.setblocking(False)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self.name = name
        self._socket = connected
        self._torn = memoryview(b"")

    @classmethod
    def connect(cls, name: str, path: Path, timeout: Seconds) -> "Wire":
        """Connect to the socket QEMU listens on.

        Raises:
            TrafficError: If nobody listens there within the timeout.
        """
        deadline = time.monotonic() + timeout
        while True:
            end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                end.connect(str(path))
                return cls(name, end)
            except OSError as error:
                end.close()
                if time.monotonic() >= deadline:
                    raise TrafficError(
                        f"wire {name}: cannot connect to {path} within {timeout:g} s: "
                        f"{error.strerror or error}",
                        hint="start the lab first; its QEMU must listen there",
                    ) from None
            time.sleep(_RETRY_S)

    def fileno(self) -> int:
        """Return the descriptor, for select."""
        return self._socket.fileno()

    @property
    def is_torn(self) -> bool:
        """Whether the wire took only the first bytes of a frame."""
        return bool(self._torn)

    def finish(self) -> int:
        """Write what is left of a torn frame.

        Returns:
            1 when its last byte was taken now, else 0.

        Raises:
            TrafficError: If the wire is closed.
        """
        if not self._torn:
            return 0
        self._torn = self._torn[self._write(self._torn) :]
        return 0 if self._torn else 1

    def send(self, batch: memoryview, bounds: NDArray[np.int64]) -> int:
        """Write a batch as far as the wire takes it; nothing may be torn before.

        The rest of a frame that was cut is kept for ``finish``; whole frames that were
        not taken are the caller's.

        Args:
            batch: frames with their length prefixes.
            bounds: where they begin and end, one more than there are frames.

        Returns:
            Frames whose last byte was taken.

        Raises:
            TrafficError: If the wire is closed.
        """
        taken = self._write(batch)
        if taken == len(batch):
            return len(bounds) - 1
        whole = int(np.searchsorted(bounds, bounds[0] + taken, side="right")) - 1
        cut = taken - int(bounds[whole] - bounds[0])
        if cut:
            rest = batch[taken : int(bounds[whole + 1] - bounds[0])]
            self._torn = memoryview(bytes(rest))
        return whole

    def receive(self, space: memoryview) -> int:
        """Read what has arrived, at most ``len(space)`` bytes; 0 when nothing has.

        Raises:
            TrafficError: If the wire is closed.
        """
        try:
            count = self._socket.recv_into(space)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._closed(error.strerror or str(error)) from None
        if not count:
            raise self._closed("end of stream")
        return count

    def unread_bytes(self) -> int:
        """Return the memory of what QEMU has not read yet; 0 when it has read all [B].

        SIOCOUTQ of a unix socket counts the kernel's bookkeeping too (unix_outq_len()
        in net/unix/af_unix.c), so only zero is exact.
        """
        answer = array.array("i", [0])
        fcntl.ioctl(self._socket, termios.TIOCOUTQ, answer)
        return answer[0]

    def close(self) -> None:
        """Close our end."""
        self._socket.close()

    def _write(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._closed(error.strerror or str(error)) from None

    def _closed(self, seen: str) -> TrafficError:
        return TrafficError(
            f"wire {self.name} was closed by its peer: {seen}", hint=_HINT
        )
