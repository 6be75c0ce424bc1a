# SPDX-License-Identifier: Apache-2.0
"""The mode ``copy`` takes leases, waits for them, and leaves the ports as they were."""

from dataclasses import replace

import pytest

from tests.nai_factories import ETH0, TAP0, NetFolder, igb_port
from vhostaccel.errors import GuestError, LabError, SetupError, SkipError
from vhostaccel.guests.plan import plan_guest
from vhostaccel.modes.copy import Copy
from vhostaccel.nai.fake import FakeNai
from vhostaccel.nai.family import FqState, Mode

FIRST = plan_guest(0).interfaces[0]


class Host:
    """A host whose port eth0 lends queues, and whose guest's tap is beside it."""

    def __init__(self, folder):
        self.net = NetFolder(folder).add_bridge(FIRST.bridge, 5)
        self.net.add("eth0", ETH0, master=FIRST.bridge)
        self.net.add(FIRST.tap, TAP0, tap=True, master=FIRST.bridge)
        self.nai = FakeNai((igb_port(),))
        self.nai.add_backend(TAP0)
        self.restarted: list[str] = []
        self.copy = Copy(
            lambda: self.nai, self.net.netdevs, self.restarted.append, limit_s=0.05
        )


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_a_lease_is_of_the_tap_the_port_beside_it_and_the_guests_address(host):
    host.copy.attach(FIRST)
    lease = host.copy.leases()[FIRST.tap]
    assert (lease.tap_ifindex, lease.port_ifindex) == (TAP0, ETH0)
    assert lease.mac == FIRST.mac


def test_only_copy_tx_has_leases_that_send(host):
    host.copy.attach(FIRST)
    assert not host.copy.leases()[FIRST.tap].tx
    host.copy.detach(FIRST)
    sending = Copy(lambda: host.nai, host.net.netdevs, host.restarted.append, tx=True)
    assert (host.copy.name, sending.name) == ("copy", "copy-tx")
    sending.attach(FIRST)
    assert sending.leases()[FIRST.tap].tx


def test_mode_seed_asks_for_leases_that_seed(host):
    kind = Mode.SEED
    seed = Copy(lambda: host.nai, host.net.netdevs, host.restarted.append, kind=kind)
    seed.attach(FIRST)
    assert (seed.name, seed.leases()[FIRST.tap].mode) == ("seed", kind)


def test_a_detached_tap_has_no_lease_and_twice_is_no_complaint(host):
    host.copy.attach(FIRST)
    assert host.copy.detach(FIRST) == ()
    assert host.copy.leases() == {}
    assert host.copy.detach(FIRST) == ()


def test_a_lease_that_will_not_end_is_told(host, monkeypatch):
    host.copy.attach(FIRST)
    monkeypatch.setattr(host.nai, "detach", lambda **_: None)
    assert host.copy.detach(FIRST) == (f"lease of {FIRST.tap} is still there",)


def test_the_ports_of_its_leases_are_restarted_once(host):
    host.copy.attach(FIRST)
    host.copy.detach(FIRST)
    host.copy.attach(FIRST)
    assert host.copy.leave() == ()
    assert host.copy.leave() == ()
    assert host.restarted == ["eth0"]


def test_a_port_that_does_not_come_back_is_told(host):
    def no_link(port):
        raise LabError(f"{port} has no link", hint="is its wire connected?")

    copy = Copy(lambda: host.nai, host.net.netdevs, no_link)
    copy.attach(FIRST)
    (said,) = copy.leave()
    assert "restart eth0: eth0 has no link" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda host: host.net.set_link("eth0", up=False), "does not run"),
        (lambda host: host.nai.drop_backend(TAP0), "no vhost backend"),
        (lambda host: host.net.remove(FIRST.tap), f"no tap {FIRST.tap}"),
        (lambda host: host.net.remove("eth0"), "lends frame queues"),
    ],
    ids=["no link", "no backend", "no tap", "no port"],
)
def test_a_guest_that_cannot_have_a_lease_is_told_why(host, change, said):
    change(host)
    with pytest.raises(GuestError, match=said):
        host.copy.attach(FIRST)


def test_a_lease_that_is_paused_does_not_run(host, monkeypatch):
    leases = host.nai.leases
    monkeypatch.setattr(
        host.nai,
        "leases",
        lambda: tuple(replace(held, state=FqState.PAUSED) for held in leases()),
    )
    with pytest.raises(GuestError, match="it is paused"):
        host.copy.attach(FIRST)


def test_without_the_module_the_mode_is_skipped(host):
    def not_loaded():
        raise SetupError("the module nai is not loaded", hint="modprobe nai")

    with pytest.raises(SkipError, match="not loaded"):
        Copy(not_loaded, host.net.netdevs).prepare()
