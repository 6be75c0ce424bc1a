# SPDX-License-Identifier: Apache-2.0
"""The guests of a host: started in order, asked by name, disturbed only if they are VMs."""

from types import SimpleNamespace

import pytest

from vhostaccel.errors import LabError
from vhostaccel.guests.plan import Link
from vhostaccel.lab.state import HostState
from vhostaccel.local import guests as module
from vhostaccel.local.guests import Guests
from vhostaccel.local.spec import HostSpec
from vhostaccel.scenario.model import GuestKind, GuestSpec, Placement


class FakeGuest:
    """A guest of either kind."""

    def __init__(self, plan, *_, cpus, **__):
        self.plan = plan
        self.pid = 100 + plan.number
        self.cpus = cpus

    def beat(self, timeout_s):
        return self.pid

    def counters(self, timeout_s):
        return tuple(range(17)) if self.plan.number == 0 else None

    def stop(self):
        self.pid = 0


class FakeVm(FakeGuest):
    """A guest that libvirt runs."""

    def start(self, link, ports):
        self.pid = 200 + self.plan.number
        self.link, self.ports = link, ports


class FakeNetwork:
    def __init__(self):
        self.taps = []

    def add_tap(self, name, bridge):
        self.taps.append((name, bridge))


@pytest.fixture
def network(monkeypatch):
    hypervisor = SimpleNamespace(
        close=lambda: None, version=lambda: SimpleNamespace(libvirt="9.0", qemu="7.2")
    )
    daemon = SimpleNamespace(stop=lambda: None)
    monkeypatch.setattr(module, "VfwdGuest", FakeGuest)
    monkeypatch.setattr(module, "VmGuest", FakeVm)
    monkeypatch.setattr(module, "start_libvirtd", lambda _: daemon)
    monkeypatch.setattr(module, "Hypervisor", lambda: hypervisor)
    return FakeNetwork()


def start(kind, network, placement=Placement.ONE_CPU):
    spec = HostSpec(
        modes=("tap",),
        placement=placement,
        threaded_napi=False,
        guest=GuestSpec(kind=kind, count=2),
        kernel_image="vmlinuz", guest_image="image", vfwd="vfwd", cpuprobe="cpuprobe",
        anchor=None,
        modules=None,
    )  # fmt: skip
    state = HostState()
    guests = Guests(spec, state, lambda _: None)
    versions = guests.start(network)
    return guests, versions, state


def test_virtual_machines_run_on_libvirt_and_make_their_own_taps(network):
    guests, versions, _ = start(GuestKind.VM, network)
    assert versions == {"libvirt": "9.0", "guest QEMU": "7.2"}
    assert network.taps == []
    assert guests.processes == {100: "nfv0", 101: "nfv1"}
    assert list(guests.pinged) == ["nfv0-0", "nfv0-1", "nfv1-0", "nfv1-1"]
    assert guests.vm(1).plan.name == "nfv1"
    assert guests.vm(0).cpus == "0"


@pytest.mark.parametrize(
    ("placement", "cpus"), [(Placement.TWO_CPU, "1"), (Placement.SPREAD, None)]
)
def test_guests_run_where_the_placement_says(network, placement, cpus):
    guests, _, _ = start(GuestKind.VM, network, placement)
    assert guests.vm(0).cpus == cpus


def test_a_program_in_a_guests_place_gets_taps_and_answers_no_ping(network):
    guests, versions, _ = start(GuestKind.VFWD, network)
    assert versions == {}
    assert network.taps[0] == ("nfv0-0", "br-a")
    assert len(network.taps) == 4
    assert guests.pinged == {}
    with pytest.raises(LabError, match="nfv1 cannot be disturbed"):
        guests.vm(1)


def test_a_guest_is_asked_by_its_name(network):
    guests, _, _ = start(GuestKind.VM, network)
    assert guests.beat("nfv1", 1.0) == 101
    counts = guests.counters("nfv0", 1.0)
    assert counts is not None
    assert [counts.interfaces[1].rx_packets, counts.ip_dropped] == [7, 15]
    assert counts.boot == 16
    assert guests.counters("nfv1", 1.0) is None


def test_guests_are_joined_otherwise_while_none_of_them_runs(network):
    guests, _, _ = start(GuestKind.VM, network)
    running = []
    guests.relink(
        Link.MACVTAP, ("eth0", "eth1"), lambda: running.append(list(guests.processes))
    )
    assert running == [[0]]
    assert guests.processes == {200: "nfv0", 201: "nfv1"}
    assert (guests.vm(1).link, guests.vm(1).ports) == (Link.MACVTAP, ("eth0", "eth1"))


def test_who_is_on_a_macvtap_is_not_pinged_by_its_host(network):
    guests, _, _ = start(GuestKind.VM, network)
    guests.relink(Link.MACVTAP, ("eth0", "eth1"), lambda: None)
    assert guests.pinged == {}
    guests.relink(Link.BUSY_TAP, ("eth0", "eth1"), lambda: None)
    assert len(guests.pinged) == 4


def test_undoing_the_host_ends_every_guest(network):
    guests, _, state = start(GuestKind.VM, network)
    assert state.undo() == ()
    assert list(guests.processes) == [0]
