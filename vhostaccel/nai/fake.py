# SPDX-License-Identifier: Apache-2.0
"""A kernel side that is not there: same methods as `KernelNai`, for tests."""

import errno
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from pyroute2.netlink.exceptions import NetlinkError

from vhostaccel.closing import Closing
from vhostaccel.nai.family import Congestion, DetachReason, FqState, Mode, SeedBar
from vhostaccel.nai.model import (
    Attached,
    Client,
    Event,
    EventKind,
    Lease,
    Port,
)
from vhostaccel.nai.refusals import refused
from vhostaccel.nai.seed import Seed
from vhostaccel.nai.stats import Stats


class FakeEvents(Closing):
    """Events that a test has put there, each given out at once."""

    def __init__(self, queued: deque[Event]) -> None:
        self._queued = queued

    def wait(self, timeout_s: float | None) -> Event | None:
        """Return the next event, or None at once."""
        del timeout_s
        return self._queued.popleft() if self._queued else None

    def __iter__(self) -> Iterator[Event]:
        while self._queued:
            yield self._queued.popleft()

    def close(self) -> None:
        """Leave."""


class FakeNai(Closing):
    """Ports and virtqueues that a test sets up and that leases connect.

    Args:
        ports: what lends queues.
    """

    def __init__(self, ports: tuple[Port, ...] = ()) -> None:
        self.all_ports = ports
        self.backends: dict[tuple[int, int], Client] = {}
        """By tap and its queue."""
        self.held: dict[int, Lease] = {}
        self.queued: deque[Event] = deque()
        self.refusal: tuple[int, str] | None = None
        """Error number and sentence that `attach` is refused with."""
        self.asked = 0
        """How often `attach` was called."""
        self.lingers: dict[str, int] = {}
        """For how long a lease of an address was asked to outlive its guest [s]."""
        self._next = 1

    def close(self) -> None:
        """Leave."""

    def add_backend(self, tap_ifindex: int, *, queue: int = 0, pid: int = 1) -> None:
        """Let a guest's driver come up."""
        self.backends[tap_ifindex, queue] = Client(
            tap_ifindex=tap_ifindex,
            tap_queue=queue,
            lease=None,
            fallbacks=0,
            last_reason=None,
            pid=pid,
        )

    def drop_backend(self, tap_ifindex: int) -> None:
        """Let a guest's driver go, and its lease with it."""
        for tap, queue in [key for key in self.backends if key[0] == tap_ifindex]:
            if self.backends[tap, queue].lease is not None:
                self._end(tap, queue, DetachReason.BACKEND)
            del self.backends[tap, queue]

    def ports(self) -> tuple[Port, ...]:
        """As `Nai.ports`."""
        return self.all_ports

    def clients(self) -> tuple[Client, ...]:
        """As `Nai.clients`."""
        return tuple(self.backends.values())

    def leases(self) -> tuple[Lease, ...]:
        """As `Nai.leases`."""
        return tuple(self.held.values())

    def attach(
        self,
        *,
        tap_ifindex: int,
        tap_queue: int,
        port_ifindex: int,
        mac: str,
        mode: Mode = Mode.COPY,
        force: bool = False,
        linger_s: int = 0,
        tx: bool = False,
    ) -> Attached:
        """As `Nai.attach`."""
        self.asked += 1
        self.lingers[mac] = linger_s
        if self.refusal is not None and not force:
            raise refused("attach", NetlinkError(*self.refusal))
        key = (tap_ifindex, tap_queue)
        if key not in self.backends:
            raise refused("attach", NetlinkError(errno.ENOENT, _NO_BACKEND))
        number, self._next = self._next, self._next + 1
        self.backends[key] = replace(self.backends[key], lease=number)
        self.held[number] = _lease(number, key, port_ifindex, mac, mode, tx=tx)
        self._tell(EventKind.ATTACHED, self.held[number], None)
        return Attached(id=number, port_queue=number, mode=mode)

    def detach(self, *, tap_ifindex: int, tap_queue: int) -> None:
        """As `Nai.detach`."""
        client = self.backends.get((tap_ifindex, tap_queue))
        if client is None or client.lease is None:
            code = errno.ENOENT
            raise refused("detach", NetlinkError(code, os.strerror(code)))
        self._end(tap_ifindex, tap_queue, DetachReason.REQUESTED)

    def events(self) -> FakeEvents:
        """As `Nai.events`."""
        return FakeEvents(self.queued)

    def _end(self, tap: int, queue: int, reason: DetachReason) -> None:
        client = self.backends[tap, queue]
        assert client.lease is not None
        lease = self.held.pop(client.lease)
        self.backends[tap, queue] = replace(client, lease=None, last_reason=reason)
        self._tell(EventKind.DETACHED, lease, reason)

    def _tell(self, kind: EventKind, lease: Lease, reason: DetachReason | None) -> None:
        self.queued.append(
            Event(
                kind=kind,
                id=lease.id,
                port_ifindex=lease.port_ifindex,
                tap_ifindex=lease.tap_ifindex,
                tap_queue=lease.tap_queue,
                mode=lease.mode,
                mac=lease.mac,
                reason=reason,
                congestion=lease.congestion,
            )
        )


_SEED = Seed(level=Mode.SEED, bar=SeedBar.NONE, pinned=240 * 4096)
_NO_BACKEND = "no vhost backend is set for this queue of the tap"


def _lease(
    number: int, key: tuple[int, int], port: int, mac: str, mode: Mode, *, tx: bool
) -> Lease:
    absent: tuple[str, ...] = () if tx else ("tx_",)
    if mode is not Mode.SEED:
        absent += ("rx_seeded", "seed_")
    counters = {
        name: 0 for name in Stats.__dataclass_fields__ if not name.startswith(absent)
    }
    return Lease(
        id=number,
        port_ifindex=port,
        port_queue=number,
        tap_ifindex=key[0],
        tap_queue=key[1],
        mode=mode,
        mac=mac,
        state=FqState.RUNNING,
        congestion=Congestion.NORMAL,
        depth=512,
        posted=512,
        low=64,
        high=256,
        stats=Stats(**counters),
        tx=tx,
        seed=_SEED if mode is Mode.SEED else None,
    )
