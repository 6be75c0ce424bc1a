# SPDX-License-Identifier: Apache-2.0
"""Leases in an operator's terms: which port, whose address, every tap in a row."""

import errno
from dataclasses import replace

import pytest

from tests.nai_factories import (
    BR_A,
    ETH0,
    MAC0,
    TAP0,
    TAP1,
    NetFolder,
    igb_port,
    usual_domain,
    usual_host,
    usual_kernel,
)
from vhostaccel.errors import GuestError, NaiError, UsageError
from vhostaccel.nai.address import Target
from vhostaccel.nai.fake import FakeNai
from vhostaccel.nai.family import DetachReason
from vhostaccel.nai.lease import LINGER_S, NoPortError, find_port, give_back, take
from vhostaccel.nai.rates import read_rates
from vhostaccel.nai.rows import read_rows

FIRST = Target(tap="vnet0", ifindex=TAP0, mac=MAC0, guest="nfv0", interface=0)
BARE = Target(tap="vnet0", ifindex=TAP0, mac=None, guest=None, interface=None)


def test_the_port_is_the_lending_one_beside_the_tap(tmp_path):
    net = usual_host(tmp_path).add("eth1", 3, master="br-a").add("eth2", 4)
    nai = FakeNai((igb_port(ETH0), igb_port(4)))
    assert find_port(nai, net.netdevs, "vnet0") == "eth0"


def test_a_lease_asks_to_keep_the_flood_of_a_dead_guest_from_the_bridge(tmp_path):
    nai = usual_kernel()
    take(nai, usual_host(tmp_path).netdevs, FIRST)
    assert nai.lingers == {MAC0: LINGER_S}


def test_no_lending_port_says_which_are_there(tmp_path):
    net = usual_host(tmp_path).add("eth2", 4)
    with pytest.raises(
        NoPortError, match=r"br-a has eth0, vnet0, vnet1; lending: eth2"
    ):
        find_port(FakeNai((igb_port(4),)), net.netdevs, "vnet0")


def test_several_lending_ports_are_not_guessed(tmp_path):
    net = usual_host(tmp_path).add("eth1", 3, master="br-a")
    with pytest.raises(UsageError, match="eth0, eth1") as raised:
        find_port(FakeNai((igb_port(ETH0), igb_port(3))), net.netdevs, "vnet0")
    assert "--port" in raised.value.hint


def test_a_tap_of_open_vswitch_has_no_port_to_guess(tmp_path):
    net = NetFolder(tmp_path).add("ovs-system", BR_A).add("eth0", ETH0)
    net.add("vnet0", TAP0, tap=True, master="ovs-system")
    with pytest.raises(NoPortError, match="in no Linux bridge"):
        find_port(usual_kernel(), net.netdevs, "vnet0")


def test_a_lease_is_taken_with_the_address_that_libvirt_knows(tmp_path):
    nai = usual_kernel()
    port, attached = take(nai, usual_host(tmp_path).netdevs, FIRST)
    assert (port, attached.port_queue) == ("eth0", 1)
    (lease,) = nai.leases()
    assert (lease.mac, lease.port_ifindex, lease.tap_ifindex) == (MAC0, ETH0, TAP0)


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        (BARE, {}, "no address of the guest"),
        (FIRST, {"port": "eth9"}, "no network device eth9"),
    ],
)
def test_what_cannot_be_known_must_be_told(tmp_path, target, options, said):
    nai = usual_kernel()
    with pytest.raises(UsageError, match=said):
        take(nai, usual_host(tmp_path).netdevs, target, **options)
    assert nai.asked == 0


def test_a_tap_without_backend_is_the_kernels_refusal(tmp_path):
    with pytest.raises(NaiError, match="no vhost backend") as raised:
        take(FakeNai((igb_port(),)), usual_host(tmp_path).netdevs, FIRST)
    assert raised.value.code == errno.ENOENT


def test_giving_back_ends_the_lease_and_twice_is_told(tmp_path):
    nai = usual_kernel()
    take(nai, usual_host(tmp_path).netdevs, FIRST)
    assert give_back(nai, FIRST) == (1,)
    assert nai.leases() == ()
    with pytest.raises(NaiError, match=r"nfv0:0 \(tap vnet0\) has no lease"):
        give_back(nai, FIRST)


def test_every_vhost_tap_has_a_row_with_or_without_lease(tmp_path):
    nai, net = usual_kernel(), usual_host(tmp_path)
    take(nai, net.netdevs, FIRST)
    with_lease, without = read_rows(nai, net.netdevs, lambda: (usual_domain(),))
    assert (with_lease.name, with_lease.mode) == ("nfv0:0", "copy")
    assert with_lease.lease is not None
    assert (with_lease.lease.port, with_lease.lease.queue) == ("eth0", 1)
    assert (without.name, without.mode, without.lease) == ("nfv0:1", "tap", None)


def test_a_row_tells_why_the_last_lease_ended(tmp_path):
    nai, net = usual_kernel(), usual_host(tmp_path)
    take(nai, net.netdevs, FIRST)
    give_back(nai, FIRST)
    row, _ = read_rows(nai, net.netdevs, lambda: (usual_domain(),))
    assert row.last_reason is DetachReason.REQUESTED


def test_without_libvirt_a_row_has_the_programs_name(tmp_path):
    def no_libvirt():
        raise GuestError("libvirt does not answer", hint="start it")

    nai = FakeNai()
    nai.add_backend(77, pid=4)
    (row,) = read_rows(
        nai, usual_host(tmp_path).netdevs, no_libvirt, lambda pid: f"qemu{pid}"
    )
    assert (row.name, row.tap, row.interface) == ("qemu4", "#77", None)


def test_rates_are_differences_and_a_new_lease_has_none(tmp_path):
    nai, net = usual_kernel(), usual_host(tmp_path)
    take(nai, net.netdevs, FIRST)
    before = read_rows(nai, net.netdevs, tuple)
    stats = replace(nai.held[1].stats, rx_packets=300, rx_hw_drop_overruns=None)
    nai.held[1] = replace(nai.held[1], stats=stats)
    nai.attach(tap_ifindex=TAP1, tap_queue=0, port_ifindex=ETH0, mac=MAC0)
    after = read_rows(nai, net.netdevs, tuple)
    old, new = read_rates(before, after, 2.0)
    assert (old.delivered, old.hw_drops, old.starved) == (150.0, None, 0.0)
    assert (new.delivered, new.mode) == (None, "copy")
