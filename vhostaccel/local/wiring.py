# SPDX-License-Identifier: Apache-2.0
"""What the NICs of the host under test are joined to: bridges, or the guests' macvtaps."""

from collections.abc import Sequence
from typing import Protocol

from vhostaccel.guests.plan import BRIDGES, GuestPlan, Link
from vhostaccel.lab.network import Nic


class Bridging(Protocol):
    """The host's network as the wiring needs it; see `Network`."""

    def join_bridge(self, port: str, bridge: str) -> None:
        """Make a NIC a port of the bridge."""

    def leave_bridge(self, port: str) -> None:
        """Take a NIC out of its bridge."""

    def add_station(self, nic: Nic, mac: str) -> None:
        """Tell the bridge for good that a station is behind its NIC."""


def add_stations(
    network: Bridging, nics: Sequence[Nic], plans: Sequence[GuestPlan]
) -> None:
    """Tell the bridges who is behind their NICs.

    Raises:
        LabError: If rtnetlink refuses.
    """
    for index, nic in enumerate(nics):
        for plan in plans:
            network.add_station(nic, plan.interfaces[index].station_mac)


def rewire(
    network: Bridging,
    nics: Sequence[Nic],
    plans: Sequence[GuestPlan],
    *,
    before: Link,
    after: Link,
) -> None:
    """Join the NICs to what the guests are to be joined to; no guest runs meanwhile.

    Raises:
        LabError: If rtnetlink refuses, or a NIC gets no link.
    """
    # A NIC has one who receives for it: a bridge or macvtaps.
    if after is Link.MACVTAP and before is not Link.MACVTAP:
        for nic in nics:
            network.leave_bridge(nic.name)
    if before is Link.MACVTAP and after is not Link.MACVTAP:
        for nic, bridge in zip(nics, BRIDGES, strict=True):
            network.join_bridge(nic.name, bridge)
        add_stations(network, nics, plans)
