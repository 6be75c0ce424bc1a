# SPDX-License-Identifier: Apache-2.0
"""Disturbances put right what they change, and say what does not come back."""

from contextlib import contextmanager

import pytest

from tests.factories import make_lease
from vhostaccel import disturb as module
from vhostaccel.disturb import SILENCING, Site, disturb
from vhostaccel.errors import GuestError
from vhostaccel.guests.plan import plan_guest
from vhostaccel.lab import unload
from vhostaccel.lab.broadcast import request
from vhostaccel.nai.family import FqState
from vhostaccel.scenario.model import Action, DisturbanceSpec
from vhostaccel.units import Seconds

TAPS = ("nfv0-0", "nfv0-1")
ALL = (*TAPS, "nfv1-0", "nfv1-1")


class FakeHost:
    """A host with two guests, nfv0 to be disturbed; it writes down what is done to it."""

    def __init__(self, *, leased=True):
        self.did = []
        self.plan = plan_guest(0)
        self.answers = True
        self.refuses = None
        self.keeps: tuple[str, ...] = ()
        self.taps = set(ALL)
        self.next_id = 0
        self.leases = {}
        for tap in ALL if leased else ():
            self.lease(tap)

    def lease(self, tap, state=FqState.RUNNING):
        self.next_id += 1
        self.leases[tap] = make_lease(self.next_id, state)

    def site(self):
        return Site(
            guest=self,
            ports=self,
            nics=("eth0", "eth1"),
            bridges=("br-a", "br-b"),
            modules=("nai", "igb"),
            attach=self.attach,
            detach=self.detach,
            leases=lambda: dict(self.leases),
            remaining=lambda: tuple(sorted(self.taps)),
            place=lambda: self.did.append("place"),
            moved=lambda: self.did.append("moved"),
        )

    def attach(self, interface):
        self.did.append(f"attach {interface.tap}")
        if interface.tap == self.refuses:
            raise GuestError("no queue is free", hint="none")
        self.lease(interface.tap)

    def detach(self, interface):
        self.did.append(f"detach {interface.tap}")
        self.leases.pop(interface.tap, None)
        return ()

    def backend_ends(self):
        for tap in set(TAPS) - set(self.keeps):
            self.leases.pop(tap, None)

    def beat(self, timeout_s):
        return 1_000_000 if self.answers else None

    @contextmanager
    def stalled(self):
        self.did.append("stall")
        yield
        self.did.append("go on")

    def suspend(self):
        self.did.append("suspend")
        self.backend_ends()

    def resume(self):
        self.did.append("resume")

    def reboot(self):
        self.did.append("reboot")
        self.backend_ends()

    def kill(self):
        self.did.append("kill")
        self.backend_ends()
        self.taps -= set(TAPS) - set(self.keeps)

    def start_again(self):
        self.did.append("start")
        self.taps |= set(TAPS)

    def set_port(self, name, *, up):
        self.did.append(f"{name} {'up' if up else 'down'}")

    def set_mtu(self, name, mtu):
        self.did.append(f"{name} mtu {mtu}")
        if self.refuses == name and mtu == module.OTHER_MTU:
            raise GuestError("the port keeps its MTU", hint="none")

    def wait_for_carrier(self, name):
        self.did.append(f"{name} link")


@pytest.fixture(autouse=True)
def no_machine(monkeypatch):
    monkeypatch.setattr(module, "_ANSWER_LIMIT_S", 0.0)
    monkeypatch.setattr(module, "_LEASE_LIMIT_S", 0.0)
    monkeypatch.setattr(module, "mtu_of", lambda nic: 1500)
    monkeypatch.setattr(module, "negotiate_anew", lambda nic: None)
    monkeypatch.setattr(module, "try_unload", lambda name: None)
    monkeypatch.setattr(module, "broadcast", lambda bridges, seconds: 1)


def done_to(host, action, count=1):
    spec = DisturbanceSpec(action=action, count=count, hold=Seconds(0.0))
    return disturb(host.site(), spec)


@pytest.mark.parametrize("leased", [True, False], ids=["leases", "taps alone"])
@pytest.mark.parametrize("action", Action)
def test_every_action_ends_as_it_began(action, leased):
    host = FakeHost(leased=leased)
    result = done_to(host, action, count=3)
    assert (result.asked, result.done, result.failures) == (3, 3, ())
    assert result.action is action


def test_reattach_takes_all_away_before_it_gives_any_back():
    host = FakeHost()
    done_to(host, Action.REATTACH)
    assert host.did == [
        "detach nfv0-0", "detach nfv0-1", "attach nfv0-0", "attach nfv0-1", "place",
    ]  # fmt: skip


def test_the_first_failure_ends_the_repetitions_and_the_lease_is_missed():
    host = FakeHost()
    host.refuses = "nfv0-1"
    result = done_to(host, Action.REATTACH, count=200)
    assert result.done == 0
    assert result.failures == (
        "repetition 1: no queue is free",
        "the lease of nfv0-1 is gone",
    )


def test_a_killed_guest_is_attached_after_it_was_started():
    host = FakeHost()
    done_to(host, Action.KILL)
    assert host.did == [
        "kill", "start", "moved", "attach nfv0-0", "attach nfv0-1", "place",
    ]  # fmt: skip


def test_what_outlives_a_killed_guest_is_told_and_the_guest_started_all_the_same():
    host = FakeHost()
    host.keeps = ("nfv0-1",)
    result = done_to(host, Action.KILL)
    assert result.failures == (
        "repetition 1: tap nfv0-1 outlived the guest's process",
        "repetition 1: the lease of nfv0-1 outlived the guest's process",
    )
    assert "start" in host.did


def test_a_lease_that_outlived_a_reboot_is_not_asked_for_again():
    host = FakeHost()
    host.keeps = TAPS
    assert done_to(host, Action.REBOOT).failures == ()
    assert host.did == ["reboot", "place"]


def test_a_guest_that_stays_silent_is_a_failure():
    host = FakeHost()
    host.answers = False
    result = done_to(host, Action.STALL)
    assert result.done == 0
    assert host.did == ["stall", "go on"]
    assert "repetition 1: guest nfv0 did not answer" in result.failures[0]


def test_a_suspended_guest_is_resumed_when_the_wait_is_interrupted(monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    host = FakeHost()
    monkeypatch.setattr("vhostaccel.disturb.time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        done_to(host, Action.SUSPEND)
    assert host.did == ["suspend", "resume"]


def test_ports_that_flap_are_all_down_before_one_is_up():
    host = FakeHost()
    done_to(host, Action.LINK_FLAP)
    assert host.did == [
        "eth0 down", "eth1 down", "eth0 up", "eth1 up", "eth0 link", "eth1 link", "place",
    ]  # fmt: skip


def test_an_mtu_that_is_refused_leaves_the_old_one_everywhere():
    host = FakeHost()
    host.refuses = "eth1"
    result = done_to(host, Action.MTU)
    assert result.failures == ("repetition 1: the port keeps its MTU",)
    assert host.did[-2:] == ["eth0 mtu 1500", "eth1 mtu 1500"]


def test_a_lease_that_does_not_run_or_is_another_one_is_told(monkeypatch):
    host = FakeHost()

    def restart(name):
        host.lease("nfv0-0", FqState.PAUSED)
        host.lease("nfv1-0")

    monkeypatch.setattr(host, "wait_for_carrier", restart)
    result = done_to(host, Action.LINK_FLAP)
    assert result.failures == (
        "repetition 1: the lease of nfv0-0 is paused",
        "the lease of nfv0-0 is paused",
        "nfv0-0 lost its lease 1 and has 7",
        "nfv1-0 lost its lease 3 and has 8",
    )


def test_a_neighbour_has_to_keep_its_lease_whatever_the_guest_does(monkeypatch):
    host = FakeHost()
    attach = host.attach

    def attach_both(interface):
        attach(interface)
        host.lease("nfv1-0")

    monkeypatch.setattr(host, "attach", attach_both)
    assert done_to(host, Action.REATTACH).failures == (
        "nfv1-0 lost its lease 3 and has 8",
    )


def test_a_module_that_goes_is_told(monkeypatch):
    wrong = {"igb": "module igb is not in use: anybody could unload it"}
    monkeypatch.setattr(module, "try_unload", wrong.get)
    result = done_to(FakeHost(), Action.UNLOAD)
    assert result.failures == (f"repetition 1: {wrong['igb']}",)


def test_only_a_guest_that_stands_still_is_not_asked():
    asked = set(Action) - set(SILENCING)
    assert Action.REATTACH in asked
    assert Action.BROADCAST in asked
    assert {Action.STALL, Action.SUSPEND, Action.REBOOT, Action.KILL}.isdisjoint(asked)


def test_a_module_that_nobody_uses_is_not_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(unload, "_MODULES", tmp_path)
    monkeypatch.setattr(
        "vhostaccel.lab.unload.ctypes.CDLL", None
    )  # no call to the kernel
    assert unload.try_unload("igb") == "module igb is not loaded"
    (tmp_path / "igb").mkdir()
    (tmp_path / "igb" / "refcnt").write_text("0\n")
    assert "not in use" in str(unload.try_unload("igb"))


def test_a_broadcast_is_a_whole_arp_request():
    frame = request("52:54:00:aa:00:0a")
    assert len(frame) == 60
    assert frame[:14].hex() == "ffffffffffff" + "525400aa000a" + "0806"
    assert frame[20:22] == b"\x00\x01"
    assert frame[22:32].hex() == "525400aa000a" + "c6336402"
    assert frame[32:42].hex() == "000000000000" + "c6336401"
