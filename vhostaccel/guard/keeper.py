# SPDX-License-Identifier: Apache-2.0
"""What the keeper keeps: guarded guests, ports with the guard, and engaged CPUs.

The kernel's part needs no help to let frames pass: a CPU that is not engaged anew drops
nothing any more after `EXPIRY_S`, and with the keeper's process the links on the ports
are gone.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Protocol

from vhostaccel.errors import GuardError
from vhostaccel.guard.datapath import (
    MAX_GUESTS,
    MAX_QUEUES,
    CpuCounts,
    Datapath,
    PortLink,
    TapFile,
)
from vhostaccel.guard.model import (
    Event,
    EventKind,
    Guarded,
    Port,
    Reason,
    Standing,
    State,
    Wish,
)
from vhostaccel.guard.saturation import Judge, Look
from vhostaccel.nai.netdevs import Netdevs

PERIOD_S = 0.2
"""Between two looks [s]."""
EXPIRY_S = 1.0
"""A CPU stays engaged so long after the last look [s]."""
_QUIET_S = 1.0
"""A guest is not congested any more when none of its frames was dropped for so long."""


class Clock(Protocol):
    """Looks at the CPUs; `CpuClock` has it."""

    def look(self, moved: Mapping[int, tuple[int, int]]) -> dict[int, Look]:
        """Return a look at each CPU, given its frames and drops since the one before."""


@dataclass(slots=True)
class _Guest:
    wish: Wish
    slot: int
    tap: TapFile
    dropped: int = 0
    """As last seen."""
    told: int = 0
    """When it was last cleared."""
    last_drop_s: float | None = None
    """When drops were last seen, while it is congested."""


@dataclass(slots=True)
class _Port:
    name: str
    link: PortLink
    guests: set[str] = field(default_factory=set)
    """Their taps."""


class Keeper:
    """Keeps guests guarded.

    Args:
        datapath: the kernel's side.
        netdevs: the host's network devices.
        clock: looks at the CPUs.
        tell: gets each event.
        now: returns the time [s, monotonic].
    """

    def __init__(
        self,
        datapath: Datapath,
        *,
        netdevs: Netdevs,
        clock: Clock,
        tell: Callable[[Event], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._datapath = datapath
        self._netdevs = netdevs
        self._clock = clock
        self._tell = tell
        self._now = now
        self._guests: dict[str, _Guest] = {}
        self._ports: dict[int, _Port] = {}
        self._free = deque(range(MAX_GUESTS))
        self._judges: dict[int, Judge] = {}
        self._counts: list[CpuCounts] = datapath.cpu_counts()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is guarded."""
        return not self._guests

    def attach(self, wish: Wish) -> Guarded:
        """Guard a virtual NIC.

        Raises:
            GuardError: If it cannot be; nothing is changed then.
        """
        self._refuse_twice(wish)
        tap = self._find_tap(wish)
        if not self._free:
            raise GuardError(
                f"the guard is full: {MAX_GUESTS} virtual NICs", hint="detach another"
            )
        with ExitStack() as undo:
            slot = self._free.popleft()
            undo.callback(self._free.append, slot)
            undo.callback(self._leave_port, wish)
            self._join_port(wish)
            address = (wish.port_ifindex, wish.mac_bytes)
            undo.callback(self._datapath.remove_guest, *address)
            self._datapath.add_guest(slot, *address, tap)
            self._guests[wish.tap] = _Guest(wish=wish, slot=slot, tap=tap)
            undo.pop_all()
        self._say(EventKind.ATTACHED, wish)
        return self._guarded(self._guests[wish.tap])

    def detach(self, tap: str, reason: Reason = Reason.REQUESTED) -> bool:
        """Guard a virtual NIC no longer; say whether it was guarded."""
        guest = self._guests.pop(tap, None)
        if guest is None:
            return False
        wish = guest.wish
        self._datapath.remove_guest(wish.port_ifindex, wish.mac_bytes)
        self._leave_port(wish)
        self._free.append(guest.slot)
        self._say(EventKind.DETACHED, wish, reason=reason)
        return True

    def detach_all(self) -> None:
        """Guard nothing any more."""
        for tap in tuple(self._guests):
            self.detach(tap, Reason.STOPPED)

    def look(self) -> None:
        """See what has changed; to be called every `PERIOD_S`."""
        self._drop_gone()
        self._judge_cpus()
        for guest in self._guests.values():
            self._watch(guest)

    def standing(self) -> Standing:
        """Return how things stand."""
        return Standing(
            pid=os.getpid(),
            cast=self._datapath.cast,
            engaged_cpus=self._engaged(),
            guests=tuple(map(self._guarded, self._guests.values())),
            ports=tuple(
                Port(
                    name=port.name,
                    native=port.link.native,
                    groups=self._datapath.group_counts(ifindex),
                )
                for ifindex, port in self._ports.items()
            ),
        )

    def _refuse_twice(self, wish: Wish) -> None:
        for guest in self._guests.values():
            if guest.wish.tap == wish.tap:
                raise GuardError(
                    f"tap {wish.tap} is guarded already, at {guest.wish.port}",
                    hint=f"`vhostaccel detach {wish.tap}` first to move it",
                )
            same = (guest.wish.port_ifindex, guest.wish.mac)
            if same == (wish.port_ifindex, wish.mac):
                raise GuardError(
                    f"{wish.mac} at {wish.port} is guarded already, for tap "
                    f"{guest.wish.tap}",
                    hint="two guests with one address on one port cannot both be "
                    "guarded, in different VLANs neither",
                )

    def _find_tap(self, wish: Wish) -> TapFile:
        for tap in self._datapath.taps():
            if tap.ifindex == wish.tap_ifindex:
                break
        else:
            raise GuardError(
                f"no process has tap {wish.tap} open, so there is no ring to look at",
                hint="attach it when the guest runs; a tap of another network name "
                "space cannot be guarded from here",
            )
        if tap.queues > MAX_QUEUES:
            raise GuardError(
                f"tap {wish.tap} has {tap.queues} queues; the guard reads at most "
                f"{MAX_QUEUES}",
                hint="fewer queues in the guest's <driver queues='...'>",
            )
        return tap

    def _join_port(self, wish: Wish) -> None:
        port = self._ports.get(wish.port_ifindex)
        if port is None:
            link = self._datapath.add_port(wish.port_ifindex)
            port = self._ports[wish.port_ifindex] = _Port(name=wish.port, link=link)
        port.guests.add(wish.tap)

    def _leave_port(self, wish: Wish) -> None:
        port = self._ports.get(wish.port_ifindex)
        if port is None:
            return
        port.guests.discard(wish.tap)
        if not port.guests:
            del self._ports[wish.port_ifindex]
            self._datapath.remove_port(wish.port_ifindex, port.link)

    def _drop_gone(self) -> None:
        for guest in tuple(self._guests.values()):
            wish = guest.wish
            if self._netdevs.ifindex(wish.tap) != wish.tap_ifindex:
                self.detach(wish.tap, Reason.TAP_GONE)
            elif self._netdevs.ifindex(wish.port) != wish.port_ifindex:
                self.detach(wish.tap, Reason.PORT_GONE)

    def _judge_cpus(self) -> None:
        before, self._counts = self._counts, self._datapath.cpu_counts()
        moved = {
            cpu: (now.frames - then.frames, now.dropped - then.dropped)
            for cpu, (then, now) in enumerate(zip(before, self._counts, strict=True))
        }
        was = self._engaged()
        for cpu, look in self._clock.look(moved).items():
            self._judges.setdefault(cpu, Judge()).see(look)
        until_ns = int((self._now() + EXPIRY_S) * 1e9)
        for cpu in self._engaged():
            self._datapath.engage(cpu, until_ns)
            if cpu not in was:
                self._tell(Event(kind=EventKind.ENGAGED, cpu=cpu))
        for cpu in sorted(set(was) - set(self._engaged())):
            self._datapath.engage(cpu, 0)
            self._tell(Event(kind=EventKind.DISENGAGED, cpu=cpu))

    def _engaged(self) -> tuple[int, ...]:
        if any(guest.wish.always for guest in self._guests.values()):
            return tuple(range(len(self._counts)))
        return tuple(
            cpu for cpu, judge in sorted(self._judges.items()) if judge.is_engaged
        )

    def _watch(self, guest: _Guest) -> None:
        now, dropped = self._now(), self._datapath.guest_counts(guest.slot).dropped
        if dropped != guest.dropped:
            guest.dropped = dropped
            if guest.last_drop_s is None:
                self._say(EventKind.CONGESTED, guest.wish)
            guest.last_drop_s = now
        elif guest.last_drop_s is not None and now - guest.last_drop_s >= _QUIET_S:
            guest.last_drop_s = None
            since = dropped - guest.told
            guest.told = dropped
            self._say(EventKind.CLEARED, guest.wish, dropped=since)

    def _guarded(self, guest: _Guest) -> Guarded:
        fill = self._datapath.fill(guest.slot)
        state = State.ENGAGED if self._engaged() else State.IDLE
        if guest.last_drop_s is not None:
            state = State.CONGESTED
        return Guarded(
            wish=guest.wish,
            native=self._ports[guest.wish.port_ifindex].link.native,
            state=state,
            queues=fill.queues or guest.tap.queues,
            ring=guest.tap.ring,
            counts=self._datapath.guest_counts(guest.slot),
        )

    def _say(
        self,
        kind: EventKind,
        wish: Wish,
        *,
        reason: Reason | None = None,
        dropped: int | None = None,
    ) -> None:
        event = Event(kind=kind, tap=wish.tap, port=wish.port, mac=wish.mac)
        self._tell(replace(event, reason=reason, dropped=dropped))
