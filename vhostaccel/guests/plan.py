# SPDX-License-Identifier: Apache-2.0
"""Names and addresses of the guests and of the stations on the wires around them.

Wire A carries 10.<n>.0.0/24 and wire B 10.<128+n>.0.0/24 for guest number n::

    station A 10.n.0.100 ── wire A ── nfv<n>:0 10.n.0.1 │ 10.(128+n).0.1 nfv<n>:1 ── wire B ── station B
"""

from dataclasses import dataclass
from enum import StrEnum


class Link(StrEnum):
    """How libvirt joins a guest's virtual NICs to the host."""

    TAP = "tap"
    BUSY_TAP = "tap, busy-polled by vhost"
    MACVTAP = "macvtap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One virtual NIC of a guest and the station it talks to."""

    index: int
    """0 faces wire A, 1 faces wire B."""
    mac: str
    address: str
    """The guest's IPv4 address, prefix length 24."""
    bridge: str
    tap: str
    station_mac: str
    station_address: str
    host_address: str
    """Of the bridge, for what the host itself says to the guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestPlan:
    """A forwarding guest, before it exists."""

    number: int
    name: str
    interfaces: tuple[Interface, Interface]


BRIDGES = ("br-a", "br-b")
NIC_MACS = ("52:54:00:aa:00:0a", "52:54:00:aa:00:0b")
MAX_GUESTS = 100


def plan_guest(number: int) -> GuestPlan:
    """Return the plan of guest ``nfv<number>``.

    Raises:
        ValueError: If the number does not fit the addresses.
    """
    if not 0 <= number < MAX_GUESTS:
        raise ValueError(f"guest number {number} is not in 0..{MAX_GUESTS - 1}")
    return GuestPlan(
        number=number,
        name=f"nfv{number}",
        interfaces=(_interface(number, 0), _interface(number, 1)),
    )


def _interface(number: int, index: int) -> Interface:
    net = f"10.{number + 128 * index}.0"
    return Interface(
        index=index,
        mac=f"52:54:00:00:{number:02x}:{index + 1:02x}",
        address=f"{net}.1",
        bridge=BRIDGES[index],
        tap=f"nfv{number}-{index}",
        station_mac=f"02:00:00:00:{number:02x}:{index + 1:02x}",
        station_address=f"{net}.100",
        host_address=f"{net}.254",
    )
