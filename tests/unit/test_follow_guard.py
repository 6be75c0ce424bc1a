# SPDX-License-Identifier: Apache-2.0
"""A follower that puts up the guard: by wish, or where nothing better can be had."""

import errno

import pytest

from tests.nai_factories import MAC0, TAP0, domain_xml, igb_port, usual_host
from tests.near_guard import NearGuard
from tests.unit.test_follow_follower import ScriptedNai, follow, nothing
from vhostaccel.errors import GuardError, SetupError
from vhostaccel.guard.model import Reason, Wish
from vhostaccel.guard.subject import find_wish
from vhostaccel.nai.address import Target
from vhostaccel.nai.domain import read_domain

TARGET = Target(tap="vnet0", ifindex=TAP0, mac=MAC0, guest="nfv0", interface=0)


def wished(mode):
    wish = f'<v:nai xmlns:v="urn:vhostaccel:nai:1" mode="{mode}" interfaces="0"/>'
    return read_domain(domain_xml(wish=wish))


def no_module():
    raise SetupError("the module nai is not loaded", hint="load it")


@pytest.fixture
def net(tmp_path):
    return usual_host(tmp_path)


@pytest.fixture
def nai():
    return ScriptedNai((igb_port(),))


@pytest.fixture
def guard(net):
    return NearGuard(net.netdevs)


def held(guard):
    standing = guard.standing()
    return [] if standing is None else [seen.wish for seen in standing.guests]


def test_xdp_is_put_up_at_once_without_driver_and_module(net, nai, guard):
    seen: list[Wish] = []
    states = follow(
        nai, net, lambda: seen.extend(held(guard)),
        domain=wished("xdp"), connect=no_module, guard=guard,
    )  # fmt: skip
    assert states == ["waiting", "attached", ""]
    (wish,) = seen
    assert (wish.tap, wish.port, wish.mac, wish.why) == ("vnet0", "eth0", MAC0, None)


def test_the_guard_outlives_its_follower(net, nai, guard):
    follow(nai, net, domain=wished("xdp"), guard=guard)
    assert len(held(guard)) == 1


def test_auto_takes_a_lease_once_the_driver_is_up(net, nai, guard):
    states = follow(
        nai, net, nothing, lambda: nai.add_backend(TAP0), nothing,
        domain=wished("auto"), guard=guard,
    )  # fmt: skip
    assert states == ["waiting", "attached", ""]
    assert (held(guard), nai.asked) == ([], 1)


def test_auto_without_the_module_is_guarded_with_the_reason(net, nai, guard):
    seen: list[Wish] = []
    follow(
        nai, net, lambda: seen.extend(held(guard)),
        domain=wished("auto"), connect=no_module, guard=guard,
    )  # fmt: skip
    assert [wish.why for wish in seen] == ["copy: the module nai is not loaded"]


def test_auto_where_nobody_lends_does_not_wait_for_the_driver(net, nai, guard):
    nai.all_ports = ()
    states = follow(nai, net, nothing, domain=wished("auto"), guard=guard)
    assert states == ["waiting", "attached", ""]
    assert "no port of br-a" in held(guard)[0].why


def test_auto_whose_driver_stays_away_for_ten_minutes_is_guarded(net, nai, guard):
    guarded: list[int] = []

    def count():
        guarded.append(len(held(guard)))

    follow(nai, net, *[count] * 360, domain=wished("auto"), guard=guard)
    # Twice a second for two minutes, then each five seconds.
    assert 330 <= guarded.index(1) <= 340
    assert "driver" in held(guard)[0].why


def test_auto_that_is_refused_a_lease_is_guarded_and_stays_so(net, nai, guard):
    nai.add_backend(TAP0)
    nai.refusal = (errno.EOPNOTSUPP, "tap vnet0 has qdisc tbf")

    def reboot():
        nai.refusal = None
        nai.drop_backend(TAP0)
        nai.add_backend(TAP0)

    states = follow(
        nai, net, nothing, reboot, *[nothing] * 80, domain=wished("auto"), guard=guard
    )
    assert states == ["waiting", "attached", ""]
    assert "has qdisc tbf" in held(guard)[0].why
    assert (nai.asked, nai.leases()) == (1, ())


def test_a_late_lease_that_ends_is_no_request_to_end_the_guard(net, nai, guard):
    nai.add_backend(TAP0)
    nai.refusal = (errno.ETIMEDOUT, "the guest did not answer in time")

    def end_late():
        nai.refusal = None
        nai.attach(tap_ifindex=TAP0, tap_queue=0, port_ifindex=2, mac=MAC0)
        nai.detach(tap_ifindex=TAP0, tap_queue=0)

    states = follow(
        nai, net, nothing, end_late, nothing, domain=wished("auto"), guard=guard
    )
    assert states == ["waiting", "attached", ""]


def test_auto_that_gets_neither_says_both_and_tries_again(net, nai, guard):
    guard.datapath.refusal = GuardError("no XDP here", hint="look")
    details: list[str] = []

    def allow():
        guard.datapath.refusal = None

    states = follow(
        nai, net, nothing, allow, *[nothing] * 8,
        domain=wished("auto"), connect=no_module, guard=guard, details=details,
    )  # fmt: skip
    assert states[:3] == ["waiting", "refused", "attached"]
    assert "copy: the module nai is not loaded; xdp: no XDP here" in details


def test_a_wish_for_copy_is_never_guarded(net, nai, guard):
    follow(nai, net, nothing, domain=wished("copy"), connect=no_module, guard=guard)
    assert held(guard) == []


@pytest.mark.parametrize("mode", ["xdp", "auto"])
def test_a_guard_that_an_operator_ended_is_let_alone(net, nai, guard, mode):
    left = set()

    def detach():
        left.add(TAP0)
        guard.detach("vnet0")

    states = follow(
        nai, net, nothing, detach, *[nothing] * 20,
        domain=wished(mode), connect=no_module, guard=guard, was_left=left.__contains__,
    )  # fmt: skip
    assert states == ["waiting", "attached", "left", ""]
    assert held(guard) == []


def test_a_guard_that_ended_by_itself_is_put_up_again_later_each_time(net, nai, guard):
    states = follow(nai, net, *[guard.end] * 12, domain=wished("xdp"), guard=guard)
    assert states.count("attached") <= 6
    assert states.count("attached") > 1
    assert [event.reason for event in guard.told if event.reason] == [
        Reason.STOPPED
    ] * states.count("attached")


def test_a_guard_that_is_up_already_is_no_refusal(net, nai, guard):
    guard.attach(find_wish(net.netdevs, TARGET))
    states = follow(nai, net, nothing, domain=wished("auto"), guard=guard)
    assert states == ["waiting", "attached", ""]


def test_a_keeper_that_does_not_answer_changes_nothing(net, nai, guard, monkeypatch):
    def silent():
        raise GuardError("the guard's keeper does not answer", hint="wait")

    def fall_silent():
        monkeypatch.setattr(guard, "standing", silent)

    states = follow(
        nai, net, nothing, fall_silent, nothing, nothing,
        domain=wished("xdp"), guard=guard,
    )  # fmt: skip
    assert states == ["waiting", "attached", ""]
