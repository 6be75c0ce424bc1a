# SPDX-License-Identifier: Apache-2.0
"""What the guard is told and what it tells, as plain data."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A virtual NIC that is to be guarded."""

    tap: str
    tap_ifindex: int
    mac: str
    """Frames to this address are the guest's."""
    port: str
    """The NIC port that they come from."""
    port_ifindex: int
    guest: str | None = None
    """The libvirt domain, or None."""
    interface: int | None = None
    """Its number in the domain, or None."""
    always: bool = False
    """Whether the guard is to be engaged also where receive CPUs have time left."""
    why: str | None = None
    """Why it got no better mode, where `auto` chose this one."""

    @property
    def mac_bytes(self) -> bytes:
        """The address as it is on the wire."""
        return bytes.fromhex(self.mac.replace(":", ""))


class State(Enum):
    """What the guard does for a guest."""

    IDLE = "idle"
    """Nothing: no receive CPU of its port is near saturation."""
    ENGAGED = "engaged"
    """It watches the tap's ring, which has room."""
    CONGESTED = "congested"
    """The ring is full; the guest's frames are dropped at the NIC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of a guest's frames while a receive CPU was engaged [frames]."""

    passed: int = 0
    dropped: int = 0
    """At the NIC, for the tap's ring was full."""
    probed: int = 0
    """Passed though the ring looked full: one in a while does."""
    unread: int = 0
    """Passed because the ring could not be read: no reader, or more than 16 queues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A virtual NIC behind the guard."""

    wish: Wish
    native: bool
    """Whether the NIC's driver runs the program; the network core does otherwise."""
    state: State
    queues: int
    """Of the tap, as the guard last saw it."""
    ring: int
    """Size of the tap's ring when it was attached [frames]."""
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCounts:
    """Group frames of a port while a receive CPU was engaged [frames]."""

    passed: int = 0
    dropped: int = 0
    """Above the limit of the port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A NIC port with the guard on it."""

    name: str
    native: bool
    groups: GroupCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stand with the guard."""

    pid: int
    """Of the keeper."""
    cast: bool
    """Whether rings are read the faster way, which kernels since 6.2 have."""
    engaged_cpus: tuple[int, ...]
    guests: tuple[Guarded, ...]
    ports: tuple[Port, ...]


def taps_of(standing: Standing | None) -> frozenset[str]:
    """Return the taps that are guarded."""
    if standing is None:
        return frozenset()
    return frozenset(guarded.wish.tap for guarded in standing.guests)


class EventKind(Enum):
    """What happened."""

    ATTACHED = "attached"
    DETACHED = "detached"
    ENGAGED = "engaged"
    """A receive CPU is near saturation: the guard begins to look at rings."""
    DISENGAGED = "disengaged"
    CONGESTED = "congested"
    """A guest's frames are dropped at the NIC; at most once a second for each guest."""
    CLEARED = "cleared"
    """None was dropped for a second."""


class Reason(Enum):
    """Why a virtual NIC is not guarded any more."""

    REQUESTED = "requested"
    TAP_GONE = "tap-gone"
    PORT_GONE = "port-gone"
    STOPPED = "stopped"
    """The keeper was told to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; None where it does not apply."""

    kind: EventKind
    tap: str | None = None
    port: str | None = None
    mac: str | None = None
    cpu: int | None = None
    reason: Reason | None = None
    dropped: int | None = None
    """While it was congested, of one that is cleared [frames]."""
