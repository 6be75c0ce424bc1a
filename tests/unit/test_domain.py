# SPDX-License-Identifier: Apache-2.0
"""The libvirt domain of a guest."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from vhostaccel.guests.domain import DomainSpec, domain_xml, kernel_command_line
from vhostaccel.guests.plan import MAX_GUESTS, Link, plan_guest
from vhostaccel.units import Bytes


def domain(number=0, cpus: str | None = "0", link=Link.TAP):
    spec = DomainSpec(
        plan=plan_guest(number),
        kernel_image=Path("/k/vmlinuz"),
        image=Path("/k/nfv.img"),
        memory=Bytes(256 << 20),
        cpus=cpus,
        control=Path("/run/nfv.control"),
        console=Path("/run/nfv.console"),
        link=link,
        ports=("eth0", "eth1"),
    )
    return ET.fromstring(domain_xml(spec))


def test_both_interfaces_are_vhost_taps_on_their_bridges():
    found = [
        (
            interface.find("source").get("bridge"),
            interface.find("target").get("dev"),
            interface.find("driver").get("name"),
        )
        for interface in domain(3).iter("interface")
    ]
    assert found == [("br-a", "nfv3-0", "vhost"), ("br-b", "nfv3-1", "vhost")]


def test_a_busy_polled_tap_is_the_same_tap_and_qemu_is_told_of_both():
    busy = domain(link=Link.BUSY_TAP)
    assert [i.get("type") for i in busy.iter("interface")] == ["bridge", "bridge"]
    qemu = "{http://libvirt.org/schemas/domain/qemu/1.0}"
    words = [word.get("value") for word in busy.iter(f"{qemu}arg")]
    assert words == [
        "-set", "netdev.hostnet0.poll-us=50", "-set", "netdev.hostnet1.poll-us=50",
    ]  # fmt: skip
    # QEMU's -set does not find what was given to it as JSON.
    (lost,) = busy.iter(f"{qemu}del")
    assert lost.get("capability") == "netdev.json"
    assert domain().find(f"{qemu}commandline") is None


def test_a_macvtap_is_on_the_port_of_its_side_and_named_as_the_tap_would_be():
    found = [
        (
            interface.get("type"),
            interface.find("source").attrib,
            interface.find("target").get("dev"),
            interface.find("driver").get("name"),
        )
        for interface in domain(3, link=Link.MACVTAP).iter("interface")
    ]
    assert found == [
        ("direct", {"dev": "eth0", "mode": "bridge"}, "nfv3-0", "vhost"),
        ("direct", {"dev": "eth1", "mode": "bridge"}, "nfv3-1", "vhost"),
    ]


def test_no_timer_replays_lost_ticks_after_a_flood():
    timers = {timer.get("name"): timer for timer in domain().iter("timer")}
    assert timers["hpet"].get("present") == "no"
    assert timers["pit"].get("tickpolicy") == "discard"


def test_every_thread_is_pinned_only_when_the_datapath_has_a_cpu():
    assert domain(cpus="0").find("cputune/emulatorpin").get("cpuset") == "0"
    assert domain(cpus=None).find("cputune") is None


def test_addresses_of_all_guests_differ():
    lines = {kernel_command_line(plan_guest(n)) for n in range(MAX_GUESTS)}
    assert len(lines) == MAX_GUESTS


def test_a_guest_number_without_addresses_is_refused():
    with pytest.raises(ValueError, match="100"):
        plan_guest(MAX_GUESTS)
