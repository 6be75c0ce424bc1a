# SPDX-License-Identifier: Apache-2.0
"""A NIC is joined to its bridge or to macvtaps, never to both."""

import pytest

from vhostaccel.guests.plan import Link, plan_guest
from vhostaccel.lab.network import Nic
from vhostaccel.local.wiring import rewire

NICS = (Nic(name="eth0", driver="igb"), Nic(name="eth1", driver="igb"))
OUT = ["eth0 leaves", "eth1 leaves"]
BACK = [
    "eth0 joins br-a",
    "eth1 joins br-b",
    "02:00:00:00:00:01 behind eth0",
    "02:00:00:00:00:02 behind eth1",
]


class FakeNetwork:
    def __init__(self):
        self.done = []

    def join_bridge(self, port, bridge):
        self.done.append(f"{port} joins {bridge}")

    def leave_bridge(self, port):
        self.done.append(f"{port} leaves")

    def add_station(self, nic, mac):
        self.done.append(f"{mac} behind {nic.name}")


@pytest.mark.parametrize(
    ("before", "after", "done"),
    [
        (Link.TAP, Link.MACVTAP, OUT),
        (Link.BUSY_TAP, Link.MACVTAP, OUT),
        (Link.MACVTAP, Link.TAP, BACK),
        (Link.MACVTAP, Link.BUSY_TAP, BACK),
        (Link.TAP, Link.BUSY_TAP, []),
        (Link.BUSY_TAP, Link.TAP, []),
    ],
)
def test_only_macvtaps_take_the_nics_out_of_their_bridges(before, after, done):
    network = FakeNetwork()
    rewire(network, NICS, (plan_guest(0),), before=before, after=after)
    assert network.done == done
