# SPDX-License-Identifier: Apache-2.0
"""Which virtual NIC an address means, and what is said when it means none."""

import pytest

from tests.nai_factories import MAC0, MAC1, TAP0, TAP1, domain_xml, usual_host
from vhostaccel.errors import GuestError, UsageError
from vhostaccel.nai.address import Target, resolve
from vhostaccel.nai.domain import read_domain


@pytest.fixture
def net(tmp_path):
    net = usual_host(tmp_path)
    return net.add("bare0", 20, tap=True)


def domains(*xmls):
    return lambda: tuple(map(read_domain, xmls or (domain_xml(),)))


def no_libvirt():
    raise GuestError("libvirt does not answer", hint="start it")


FIRST = Target(tap="vnet0", ifindex=TAP0, mac=MAC0, guest="nfv0", interface=0)
SECOND = Target(tap="vnet1", ifindex=TAP1, mac=MAC1, guest="nfv0", interface=1)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("nfv0:0", FIRST),
        ("nfv0:1", SECOND),
        ("nfv0:net1", SECOND),
        ("nfv0:vnet0", FIRST),
        ("vnet1", SECOND),
        (MAC0, FIRST),
        (MAC1.upper().replace(":", "-"), SECOND),
    ],
)
def test_every_way_to_name_an_interface_finds_it(net, text, target):
    assert resolve(text, net.netdevs, domains()) == target


def test_a_guest_with_one_interface_needs_no_number(net):
    only = domain_xml(taps=("vnet0",), macs=(MAC0,))
    assert resolve("nfv0", net.netdevs, domains(only)) == FIRST


def test_a_name_with_a_colon_in_it_ends_at_the_last_one(net):
    named = domain_xml(name="vm:7")
    assert resolve("vm:7:1", net.netdevs, domains(named)).tap == "vnet1"


@pytest.mark.parametrize("libvirt", [domains(), no_libvirt], ids=["libvirt", "none"])
def test_a_tap_needs_no_libvirt_but_has_no_mac_then(net, libvirt):
    bare = Target(tap="bare0", ifindex=20, mac=None, guest=None, interface=None)
    assert resolve("bare0", net.netdevs, libvirt) == bare


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nfv9:0", "no guest nfv9 is running; running are: nfv0"),
        ("nfv0:7", r"no interface 7; it has 0 \(vnet0\), 1 \(vnet1\)"),
        ("nfv0", "not one interface but 2"),
        ("nosuch", "no tap nosuch, and no running guest nosuch"),
        ("../eth0", "no tap"),
        ("eth0", "eth0 is a network device, but no tap"),
        ("52:54:00:ff:ff:ff", "no running guest has a virtual NIC with the address"),
    ],
)
def test_an_address_of_nothing_says_what_there_is(net, text, said):
    with pytest.raises(UsageError, match=said):
        resolve(text, net.netdevs, domains())


def test_a_mac_that_two_have_is_not_guessed(net):
    twin = domain_xml(name="nfv1", taps=("vnet1",), macs=(MAC0,))
    with pytest.raises(UsageError, match="nfv0:0, nfv1:0"):
        resolve(MAC0, net.netdevs, domains(domain_xml(), twin))


def test_an_interface_without_a_tap_is_told(net):
    macvtap = domain_xml().replace("type='bridge'", "type='direct'", 1)
    with pytest.raises(UsageError, match="nfv0:0 has no tap"):
        resolve("nfv0:0", net.netdevs, domains(macvtap))


def test_what_only_libvirt_knows_needs_libvirt(net):
    with pytest.raises(GuestError):
        resolve("nfv0:0", net.netdevs, no_libvirt)
