# SPDX-License-Identifier: Apache-2.0
"""The libvirt domain of a guest."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from vhostaccel.guests.domain import DomainSpec, domain_xml, kernel_command_line
from vhostaccel.guests.plan import MAX_GUESTS, plan_guest
from vhostaccel.units import Bytes


def domain(number=0, cpus: str | None = "0"):
    spec = DomainSpec(
        plan=plan_guest(number),
        kernel_image=Path("/k/vmlinuz"),
        image=Path("/k/nfv.img"),
        memory=Bytes(256 << 20),
        cpus=cpus,
        control=Path("/run/nfv.control"),
        console=Path("/run/nfv.console"),
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
