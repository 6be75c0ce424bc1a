# SPDX-License-Identifier: Apache-2.0
"""The mode xdp as the pipeline uses it, with a guard that is not there."""

import pytest

from tests.nai_factories import usual_host
from vhostaccel.errors import GuardError, GuestError
from vhostaccel.guard.client import Guard
from vhostaccel.guests.plan import plan_guest
from vhostaccel.modes.xdp import Xdp

INTERFACE = plan_guest(0).interfaces[0]


class NoGuard(Guard):
    """Remembers what it was asked for."""

    def __init__(self, refusal=None):
        self.held, self.refusal = {}, refusal

    def attach(self, wish):
        if self.refusal is not None:
            raise self.refusal
        self.held[wish.tap] = wish

    def detach(self, tap):
        if self.refusal is not None:
            raise self.refusal
        return self.held.pop(tap, None) is not None


@pytest.fixture
def net(tmp_path):
    return usual_host(tmp_path / "net").add(INTERFACE.tap, 20, tap=True, master="br-a")


def mode_of(net, guard):
    return Xdp(guard=guard, netdevs=net.netdevs, limit_s=0.05)


def test_it_is_guarded_at_the_nic_of_its_bridge(net):
    guard = NoGuard()
    mode = mode_of(net, guard)
    mode.attach(INTERFACE)
    (wish,) = guard.held.values()
    assert (wish.tap, wish.port, wish.mac) == (INTERFACE.tap, "eth0", INTERFACE.mac)
    assert not wish.always
    assert mode.detach(INTERFACE) == ()
    assert (guard.held, mode.leave(), mode.leases()) == ({}, (), {})
    assert mode.detach(INTERFACE) == ()


def test_a_refusal_is_the_guests(net):
    mode = mode_of(net, NoGuard(GuardError("no such thing", hint="try")))
    with pytest.raises(GuestError, match="no such thing"):
        mode.attach(INTERFACE)
    (left,) = mode.detach(INTERFACE)
    assert "no such thing" in left


def test_without_a_tap_there_is_nothing_to_guard(net):
    net.remove(INTERFACE.tap)
    with pytest.raises(GuestError, match="there is no tap"):
        mode_of(net, NoGuard()).attach(INTERFACE)


def test_a_link_that_stays_away_is_told_at_attach_and_at_the_end(net):
    mode = mode_of(net, NoGuard())
    net.set_link("eth0", up=False)
    with pytest.raises(GuestError, match="eth0 has no link"):
        mode.attach(INTERFACE)
    (left,) = mode.leave()
    assert "eth0 has no link" in left
    assert mode.leave() == ()
