# SPDX-License-Identifier: Apache-2.0
"""A follower keeps a guest's wish true from its driver's start to its tap's end."""

import errno

import pytest

from tests.nai_factories import (
    MAC0,
    TAP0,
    TAP1,
    domain_xml,
    igb_port,
    usual_domain,
    usual_host,
)
from tests.near_guard import NearGuard
from vhostaccel.errors import SetupError
from vhostaccel.follow.follower import Follower
from vhostaccel.follow.seat import FollowerState
from vhostaccel.nai.domain import read_domain
from vhostaccel.nai.fake import FakeEvents, FakeNai
from vhostaccel.nai.model import Event, EventKind

COPY = read_domain(
    domain_xml(wish='<v:nai xmlns:v="urn:vhostaccel:nai:1" mode="copy"/>')
)


class Script:
    """Time that passes only while the follower waits, with something to happen then."""

    def __init__(self, *steps):
        self.now = 1000.0
        self.steps = list(steps)

    def clock(self):
        return self.now

    def pass_time(self, seconds):
        self.now += max(seconds, 0.01)
        if not self.steps:
            raise AssertionError(f"nothing ends the follower at {self.now}")
        self.steps.pop(0)()


class ScriptedEvents(FakeEvents):
    def __init__(self, queued, script):
        super().__init__(queued)
        self.script = script

    def wait(self, timeout_s):
        if not self._queued and timeout_s:
            self.script.pass_time(timeout_s)
        return super().wait(timeout_s)


class ScriptedNai(FakeNai):
    script: Script

    def events(self):
        return ScriptedEvents(self.queued, self.script)


@pytest.fixture
def net(tmp_path):
    return usual_host(tmp_path)


@pytest.fixture
def nai():
    return ScriptedNai((igb_port(),))


def follow(
    nai,
    net,
    *steps,
    domain=None,
    connect=None,
    insist=False,
    guard=None,
    was_left=lambda _: False,
    details=None,
):
    """Run a follower through the steps; return what it said, in words."""
    said: list[FollowerState] = []
    logged: list[str] = []

    def end():
        for name in ("vnet0", "vnet1"):
            net.remove(name)

    script = nai.script = Script(*steps, end)
    Follower(
        domain or usual_domain(),
        pid=1,
        connect=connect or (lambda: nai),
        netdevs=net.netdevs,
        guard=guard or NearGuard(net.netdevs),
        was_left=was_left,
        say=said.append,
        log=logged.append,
        insist=insist,
        clock=script.clock,
        sleep=script.pass_time,
    ).run()
    if details is not None:
        details += [nic.detail for state in said for nic in state.nics]
    states = [" ".join(nic.state.value for nic in state.nics) for state in said]
    return [s for s, before in zip(states, ["", *states], strict=False) if s != before]


def nothing():
    pass


def test_it_waits_for_the_driver_and_attaches_with_the_domains_address(net, nai):
    seen = []
    states = follow(
        nai,
        net,
        nothing,
        lambda: nai.add_backend(TAP0),
        lambda: seen.extend(nai.leases()),
    )
    assert states[:2] == ["waiting waiting", "attached waiting"]
    assert [(lease.tap_ifindex, lease.mac) for lease in seen] == [(TAP0, MAC0)]


def test_it_ends_with_the_last_tap_and_leaves_the_lease(net, nai):
    nai.add_backend(TAP0)
    assert follow(nai, net)[-1] == ""
    assert len(nai.leases()) == 1


def test_a_reboot_gets_a_lease_again(net, nai):
    nai.add_backend(TAP0)
    seen = []
    states = follow(
        nai,
        net,
        lambda: nai.drop_backend(TAP0),
        nothing,
        lambda: nai.add_backend(TAP0),
        nothing,
        nothing,
        lambda: seen.extend(nai.leases()),
    )
    assert states[:4] == [
        "waiting waiting",
        "attached waiting",
        "waiting waiting",
        "attached waiting",
    ]
    assert [lease.id for lease in seen] == [2]


def test_a_lease_that_the_operator_ended_is_let_alone(net, nai):
    nai.add_backend(TAP0)
    states = follow(
        nai,
        net,
        lambda: nai.detach(tap_ifindex=TAP0, tap_queue=0),
        lambda: nai.drop_backend(TAP0),
        lambda: nai.add_backend(TAP0),
        nothing,
    )
    assert "left waiting" in states
    assert nai.asked == 1


def test_it_is_let_alone_also_when_the_event_was_missed(net, nai):
    nai.add_backend(TAP0)

    def detach_unheard():
        nai.detach(tap_ifindex=TAP0, tap_queue=0)
        nai.queued.clear()
        nai.queued.append(Event(kind=EventKind.MISSED))

    assert "left waiting" in follow(nai, net, detach_unheard, nothing, nothing)
    assert nai.asked == 1


def test_enable_now_attaches_what_was_detached_before(net, nai):
    nai.add_backend(TAP0)
    nai.attach(tap_ifindex=TAP0, tap_queue=0, port_ifindex=2, mac=MAC0)
    nai.detach(tap_ifindex=TAP0, tap_queue=0)
    nai.queued.clear()
    assert "attached waiting" in follow(nai, net, nothing, insist=True)


def test_an_attach_that_took_too_long_is_no_request_to_detach(net, nai):
    nai.add_backend(TAP0)
    nai.refusal = (errno.ETIMEDOUT, "the guest did not answer in time")

    def end_late():
        # The kernel gives the lease up that nobody waits for any more.
        nai.refusal = None
        nai.attach(tap_ifindex=TAP0, tap_queue=0, port_ifindex=2, mac=MAC0)
        nai.detach(tap_ifindex=TAP0, tap_queue=0)

    states = follow(nai, net, end_late, *[nothing] * 70, domain=COPY)
    assert states[1:3] == ["refused waiting", "attached waiting"]


def test_a_refusal_is_kept_and_tried_again_later(net, nai):
    nai.add_backend(TAP0)
    nai.refusal = (errno.EPERM, "nwfilter")
    asked = []

    def note():
        asked.append(nai.asked)

    def allow():
        note()
        nai.refusal = None

    states = follow(nai, net, note, note, allow, *[nothing] * 70, note, domain=COPY)
    assert states[1:3] == ["refused waiting", "attached waiting"]
    assert asked == [1, 1, 1, 2]


def test_a_driver_that_is_toggled_waits_longer_each_time(net, nai):
    nai.add_backend(TAP0)

    def toggle():
        nai.drop_backend(TAP0)
        nai.add_backend(TAP0)

    # 120 turns of the driver in a minute: at 0.5, 1, 2, 4, 8, 16, 30 s it gets a lease.
    follow(nai, net, *[toggle] * 120)
    assert nai.asked <= 8


def test_a_module_that_is_not_loaded_is_waited_for(net, nai):
    nai.add_backend(TAP0)
    tries = []

    def connect():
        tries.append(1)
        if len(tries) == 1:
            raise SetupError("the module nai is not loaded", hint="load it")
        return nai

    states = follow(nai, net, nothing, nothing, connect=connect)
    assert "attached waiting" in states


def test_a_tap_of_the_same_name_of_another_guest_is_not_followed(net, nai):
    nai.add_backend(TAP0)

    def reuse():
        net.remove("vnet1")
        (net.folder / "vnet0" / "ifindex").write_text("99\n")
        nai.add_backend(99)

    script_ends = follow(nai, net, reuse)
    assert script_ends[-1] == ""
    assert [lease.tap_ifindex for lease in nai.leases()] == [TAP0]


def test_only_wished_interfaces_are_touched(net, nai):
    nai.add_backend(TAP0)
    nai.add_backend(TAP1)
    wish = '<v:nai xmlns:v="urn:vhostaccel:nai:1" interfaces="1"/>'
    follow(nai, net, domain=read_domain(domain_xml(wish=wish)))
    assert [lease.tap_ifindex for lease in nai.leases()] == [TAP1]
