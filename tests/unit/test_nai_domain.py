# SPDX-License-Identifier: Apache-2.0
"""What is read from, and written into, a libvirt domain."""

import xml.etree.ElementTree as ET

import pytest

from tests.nai_factories import MAC0, UUID, domain_xml
from vhostaccel.nai.domain import NAMESPACE, Wish, WishMode, read_domain, wish_xml


def nai(attributes):
    return f'<v:nai xmlns:v="{NAMESPACE}" {attributes}/>'


def test_name_address_tap_and_alias_of_each_interface_are_read():
    domain = read_domain(domain_xml())
    assert (domain.name, domain.uuid) == ("nfv0", UUID)
    first, second = domain.vnics
    assert (first.index, first.mac, first.tap, first.alias) == (
        0,
        MAC0,
        "vnet0",
        "net0",
    )
    assert second.index == 1


def test_a_macvtap_is_counted_but_is_no_tap():
    xml = domain_xml().replace("type='bridge'", "type='direct'", 1)
    assert [vnic.tap for vnic in read_domain(xml).vnics] == [None, "vnet1"]


@pytest.mark.parametrize(
    ("wish", "taps"),
    [
        (nai('mode="auto"'), ["vnet0", "vnet1"]),
        (nai('mode="copy" interfaces="1"'), ["vnet1"]),
        (nai('interfaces=""'), []),
        ("", []),
        ('<nai mode="auto"/>', []),
    ],
    ids=["all", "one", "none", "no wish", "another name space"],
)
def test_the_wish_covers_the_interfaces_it_names(wish, taps):
    domain = read_domain(domain_xml(wish=wish))
    assert [vnic.tap for vnic in domain.wished()] == taps


@pytest.mark.parametrize("wish", [nai('mode="warp"'), nai('interfaces="first"')])
def test_a_wish_that_cannot_be_read_is_told_and_covers_nothing(wish):
    domain = read_domain(domain_xml(wish=wish))
    assert domain.wish_error is not None
    assert domain.wished() == ()


def test_a_domain_that_does_not_run_has_no_taps():
    assert read_domain(domain_xml(taps=(None, None))).wished() == ()


def test_what_is_no_domain_is_refused():
    with pytest.raises(ValueError, match="no domain XML"):
        read_domain("<domain>")


@pytest.mark.parametrize("interfaces", [None, (0,), (0, 2)])
def test_a_wish_is_read_as_it_was_written(interfaces):
    wish = Wish(mode=WishMode.COPY, interfaces=interfaces)
    element = ET.fromstring(wish_xml(wish))
    element.tag = f"{{{NAMESPACE}}}{element.tag}"  # libvirt does that
    xml = domain_xml(wish=ET.tostring(element, encoding="unicode"))
    assert read_domain(xml).wish == wish
