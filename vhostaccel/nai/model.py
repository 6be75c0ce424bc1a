# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of ports, virtqueues, leases and events, as plain data."""

import re
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, TypeVar

from vhostaccel.errors import NaiError
from vhostaccel.nai.family import (
    COMMANDS,
    Congestion,
    DetachReason,
    FqState,
    Mode,
    NumberedEnum,
    SeedBar,
    to_uint,
)
from vhostaccel.nai.seed import Seed
from vhostaccel.nai.stats import Stats, is_optional

E = TypeVar("E", bound=NumberedEnum)
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A NIC port that can lease frame queues."""

    ifindex: int
    driver: str
    max_queues: int
    leased: int
    """Queues on lease now."""
    depth: int
    """Buffers one queue can hold."""
    max_frame: int
    """Longest frame without FCS [B]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A receive virtqueue of vhost-net that can take a lease."""

    tap_ifindex: int
    tap_queue: int
    lease: int | None
    """Number of its lease, or None while its frames come through the tap alone."""
    fallbacks: int
    """Leases that ended for another reason than a request."""
    last_reason: DetachReason | None
    pid: int
    """The process that set the vhost backend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A hardware frame queue that a virtqueue takes its frames from."""

    id: int
    port_ifindex: int
    port_queue: int
    """The provider's number of the queue."""
    tap_ifindex: int
    tap_queue: int
    mode: Mode
    mac: str
    """Frames to this address go to the queue."""
    state: FqState
    congestion: Congestion
    depth: int
    """Buffers of the queue."""
    posted: int
    """Buffers that the hardware had when last looked at."""
    low: int
    """With fewer posted buffers than this the queue is low."""
    high: int
    """With this many posted buffers again it is normal."""
    stats: Stats
    tx: bool = False
    """The guest's own frames for the wire go out by the queue."""
    seed: Seed | None = None
    """None in other modes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A lease as `attach` returns it."""

    id: int
    port_queue: int
    mode: Mode


def shown_mode(mode: Mode, *, tx: bool) -> str:
    """Return a lease's mode as people name it: ``copy``, or ``copy-tx`` if it sends."""
    return f"{mode.value}-tx" if tx else mode.value


class EventKind(Enum):
    """What happened to a lease."""

    ATTACHED = "attached"
    DETACHED = "detached"
    LEVEL_CHANGED = "level-changed"
    """The queue became normal or low."""
    CONGESTED = "congested"
    """The queue ran empty."""
    CLEARED = "cleared"
    """A queue that had run empty is stocked again."""
    MISSED = "missed"
    """Not from the kernel: events came faster than they were read, some are lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a lease; None where the event does not tell."""

    kind: EventKind
    id: int | None = None
    """Number of the lease."""
    port_ifindex: int | None = None
    tap_ifindex: int | None = None
    tap_queue: int | None = None
    mode: Mode | None = None
    mac: str | None = None
    reason: DetachReason | None = None
    congestion: Congestion | None = None


def port_from(message: Any) -> Port:
    """Read an answer to port-get."""
    values = {field.name: _need(message, field.name) for field in fields(Port)}
    return Port(**values)


def client_from(message: Any) -> Client:
    """Read an answer to client-get."""
    return Client(
        tap_ifindex=_need(message, "tap_ifindex"),
        tap_queue=_need(message, "tap_queue"),
        lease=message.get_attr("fq-id"),
        fallbacks=_need(message, "fallbacks"),
        last_reason=_entry(DetachReason, message.get_attr("last-reason")),
        pid=_need(message, "pid"),
    )


def lease_from(message: Any) -> Lease:
    """Read an answer to fq-get."""
    plain = (
        "id", "port_ifindex", "port_queue", "tap_ifindex", "tap_queue",
        "depth", "posted", "low", "high",
    )  # fmt: skip
    return Lease(
        **{name: _need(message, name) for name in plain},
        mode=_sure(Mode, message, "mode"),
        mac=mac_text(_need(message, "mac")),
        state=_sure(FqState, message, "state"),
        congestion=_sure(Congestion, message, "congestion"),
        stats=_stats(_need(message, "stats")),
        tx=message.get_attr("tx") is not None,
        seed=_seed(message),
    )


def attached_from(message: Any) -> Attached:
    """Read the answer to attach."""
    return Attached(
        id=_need(message, "id"),
        port_queue=_need(message, "port_queue"),
        mode=_sure(Mode, message, "mode"),
    )


def event_from(message: Any) -> Event:
    """Read a notification."""
    kind = EventKind(COMMANDS[message["cmd"] - 1].removesuffix("-ntf"))
    mac = message.get_attr("mac")
    return Event(
        kind=kind,
        id=message.get_attr("id"),
        port_ifindex=message.get_attr("port-ifindex"),
        tap_ifindex=message.get_attr("tap-ifindex"),
        tap_queue=message.get_attr("tap-queue"),
        mode=_entry(Mode, message.get_attr("mode")),
        mac=None if mac is None else mac_text(mac),
        reason=_entry(DetachReason, message.get_attr("reason")),
        congestion=_entry(Congestion, message.get_attr("congestion")),
    )


def mac_text(wire: bytes) -> str:
    """Return an address as people write it: ``52:54:00:00:00:01``."""
    return wire.hex(":")


def mac_bytes(text: str) -> bytes:
    """Return an address as messages carry it.

    Raises:
        ValueError: If it is none.
    """
    if not _MAC.fullmatch(text.lower()):
        raise ValueError(f"{text!r} is no address like 52:54:00:00:00:01")
    return bytes.fromhex(text.replace(":", ""))


def _seed(message: Any) -> Seed | None:
    if message.get_attr("level") is None:
        return None
    return Seed(
        level=_sure(Mode, message, "level"),
        bar=_sure(SeedBar, message, "level_reason"),
        pinned=_need(message, "pinned"),
    )


def _stats(message: Any) -> Stats:
    values: dict[str, Any] = {}
    for field in fields(Stats):
        wire = message.get_attr(_wire_name(field.name))
        if wire is None and not is_optional(field.name):
            raise _differs(f"has no counter {_wire_name(field.name)}")
        values[field.name] = None if wire is None else to_uint(wire)
    return Stats(**values)


def _need(message: Any, field: str) -> Any:
    value = message.get_attr(_wire_name(field))
    if value is None:
        raise _differs(f"does not tell {_wire_name(field)}")
    return value


def _sure(kind: type[E], message: Any, field: str) -> E:
    entry = _entry(kind, _need(message, field))
    assert entry is not None
    return entry


def _entry(kind: type[E], number: int | None) -> E | None:
    try:
        return None if number is None else kind.numbered(number)
    except LookupError:
        raise _differs(f"answers {kind.__name__} {number}, which is unknown") from None


def _wire_name(field: str) -> str:
    return field.replace("_", "-")


def _differs(how: str) -> NaiError:
    return NaiError(
        f"the module nai that is loaded {how}: it is not of this version",
        hint="build and load the modules of this version: `vhostaccel kmod build`",
    )
