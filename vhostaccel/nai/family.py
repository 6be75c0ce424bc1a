# SPDX-License-Identifier: Apache-2.0
"""The netlink family ``nai`` as ``kmod/spec/nai.yaml`` fixes it: numbers and messages.

Everything here is a list of names in the order of that file, for the kernel's generator
numbers them so: commands and attributes from 1, entries of an enumeration from 0. A
contract test compares the lists with the file.
"""

import sys
from enum import Enum
from typing import Any, Self

from pyroute2.netlink import genlmsg, nla

FAMILY = "nai"
VERSION = 1
EVENTS = "events"
"""The multicast group."""

COMMANDS = (
    "port-get",
    "client-get",
    "fq-get",
    "attach",
    "detach",
    "attached-ntf",
    "detached-ntf",
    "level-changed-ntf",
    "congested-ntf",
    "cleared-ntf",
)
FQ = (
    ("id", "u32"),
    ("port-ifindex", "u32"),
    ("port-queue", "u32"),
    ("tap-ifindex", "u32"),
    ("tap-queue", "u32"),
    ("mode", "u32"),
    ("mac", "binary"),
    ("state", "u32"),
    ("congestion", "u32"),
    ("depth", "u32"),
    ("posted", "u32"),
    ("low", "u32"),
    ("high", "u32"),
    ("force", "flag"),
    ("reason", "u32"),
    ("stats", "nest"),
    ("linger", "u32"),
    ("tx", "flag"),
    ("level", "u32"),
    ("level-reason", "u32"),
    ("pinned", "u32"),
)
STATS = (
    ("pad", "pad"),
    ("rx-packets", "uint"),
    ("rx-bytes", "uint"),
    ("rx-drops", "uint"),
    ("rx-hw-drop-overruns", "uint"),
    ("rx-drop-fault", "uint"),
    ("rx-drop-oversize", "uint"),
    ("rx-drop-error", "uint"),
    ("rx-drop-descriptor", "uint"),
    ("rx-drop-detach", "uint"),
    ("irqs", "uint"),
    ("wakes", "uint"),
    ("starved", "uint"),
    ("low-events", "uint"),
    ("empty-events", "uint"),
    ("resets", "uint"),
    ("tx-packets", "uint"),
    ("tx-bytes", "uint"),
    ("tx-drops", "uint"),
    ("tx-drop-spoof", "uint"),
    ("tx-drop-vlan", "uint"),
    ("tx-drop-header", "uint"),
    ("tx-drop-stop", "uint"),
    ("tx-tap", "uint"),
    ("tx-full", "uint"),
    ("rx-drop-no-descriptor", "uint"),
    ("rx-seeded", "uint"),
    ("seed-refused", "uint"),
    ("seed-returned", "uint"),
    ("seed-rewound", "uint"),
)
PORT = (
    ("ifindex", "u32"),
    ("driver", "string"),
    ("max-queues", "u32"),
    ("leased", "u32"),
    ("depth", "u32"),
    ("max-frame", "u32"),
    ("tx-depth", "u32"),
    ("tx-max-frame", "u32"),
)
CLIENT = (
    ("tap-ifindex", "u32"),
    ("tap-queue", "u32"),
    ("fq-id", "u32"),
    ("fallbacks", "u32"),
    ("last-reason", "u32"),
    ("pid", "u32"),
)


class NumberedEnum(Enum):
    """An enumeration of the family: the value is the name, the number its place."""

    @property
    def number(self) -> int:
        """What stands for it in a message."""
        return list(type(self)).index(self)

    @classmethod
    def numbered(cls, number: int) -> Self:
        """Return the entry with this number.

        Raises:
            LookupError: If there is none.
        """
        return list(cls)[number]


class Mode(NumberedEnum):
    """How the frames of a leased queue reach the guest."""

    COPY = "copy"
    SEED = "seed"
    """The hardware writes to the guest's own buffers where it can, else as COPY."""


class SeedBar(NumberedEnum):
    """Why a lease of mode seed copies."""

    NONE = "none"
    """It does not, but for single buffers that cannot be posted."""
    LOG = "log"
    """Writes to the guest's memory are logged, as when it migrates."""
    IOMMU = "iommu"
    """The guest's buffers are behind a virtual IOMMU."""
    RING = "ring"
    """The guest's ring is too small to spare descriptors."""
    MEMLOCK = "memlock"
    """The limit of locked memory of the guest's process is too low."""


class FqState(NumberedEnum):
    """What a leased queue does."""

    ATTACHING = "attaching"
    RUNNING = "running"
    PAUSED = "paused"
    """The port is down or resets; the lease holds."""
    DEAD = "dead"
    """The port is gone."""


class Congestion(NumberedEnum):
    """The stock of buffers that the hardware still has for a queue."""

    NORMAL = "normal"
    LOW = "low"
    EMPTY = "empty"
    """The hardware drops until the guest returns buffers."""


class DetachReason(NumberedEnum):
    """Why a lease ended."""

    REQUESTED = "requested"
    BACKEND = "backend"
    """The guest's driver let go, or the guest ended."""
    PORT_GONE = "port-gone"
    TAP_GONE = "tap-gone"
    POLICY = "policy"
    """Host policy on the tap, its bridge port or the bridge changed after attach."""
    FEATURES = "features"
    MEMORY = "memory"
    HARDWARE = "hardware"


def command_number(name: str) -> int:
    """Return the number of a command or notification."""
    return COMMANDS.index(name) + 1


_TYPES = {
    "u32": "uint32",
    "uint": "cdata",  # 4 or 8 bytes wide: `to_uint` reads it
    "binary": "cdata",
    "string": "asciiz",
    "flag": "flag",
    "pad": "none",
    "nest": "stats",
}


def _map(attributes: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    # Number 0 is never used.
    return (("unspec", "none"), *((name, _TYPES[kind]) for name, kind in attributes))


class FqMessage(genlmsg):  # type: ignore[misc]  # no annotations
    """A frame queue on lease, a request about one, or an event of one."""

    nla_map = _map(FQ)

    class stats(nla):  # type: ignore[misc]  # no annotations
        """Its counters."""

        nla_map = _map(STATS)


class PortMessage(genlmsg):  # type: ignore[misc]  # no annotations
    """A NIC port that can lease frame queues."""

    nla_map = _map(PORT)


class ClientMessage(genlmsg):  # type: ignore[misc]  # no annotations
    """A receive virtqueue of vhost-net that can take a lease."""

    nla_map = _map(CLIENT)


def to_uint(wire: bytes) -> int:
    """Read an attribute of type uint: 4 bytes wide, or 8 where the number needs them."""
    return int.from_bytes(wire, sys.byteorder)


def message(kind: type[Any], command: str, values: dict[str, object]) -> Any:
    """Return a request, ready to be encoded.

    Args:
        kind: one of the classes above.
        command: its name.
        values: the attributes by name; a flag is there or not, whatever its value.
    """
    request = kind()
    request["cmd"] = command_number(command)
    request["version"] = VERSION
    request["attrs"] = list(values.items())
    return request
