# SPDX-License-Identifier: Apache-2.0
"""What happens to leases, as the kernel tells everybody who listens."""

import errno
import select
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from vhostaccel.closing import Closing
from vhostaccel.nai.model import Event, EventKind, event_from

_BYTES = 1 << 16


class Events(Protocol):
    """A listener, from its making to its close."""

    def wait(self, timeout_s: float | None) -> Event | None:
        """Return the next event, or None if none came for so long [s]."""

    def __iter__(self) -> Iterator[Event]:
        """Yield events without end."""

    def close(self) -> None:
        """Leave."""


class KernelEvents(Closing):
    """Events of the running kernel.

    Args:
        listener: a netlink socket that has joined the group; it is closed with this.
    """

    def __init__(self, listener: Any) -> None:
        self._listener = listener
        self._read: deque[Event] = deque()
        self._poll = select.poll()
        self._poll.register(listener.fileno(), select.POLLIN)

    def wait(self, timeout_s: float | None) -> Event | None:
        """As `Events.wait`."""
        while not self._read:
            if not self._poll.poll(None if timeout_s is None else timeout_s * 1000):
                return None
            self._read.extend(self._receive())
        return self._read.popleft()

    def __iter__(self) -> Iterator[Event]:
        """As `Events`."""
        while True:
            event = self.wait(None)
            if event is not None:
                yield event

    def close(self) -> None:
        """Leave."""
        self._listener.close()

    def _receive(self) -> list[Event]:
        # Past pyroute2's event loop, which runs only while a request of its own does.
        try:
            data = self._listener.recv(_BYTES)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return [Event(kind=EventKind.MISSED)]
        return [event_from(message) for message in self._listener.marshal.parse(data)]
