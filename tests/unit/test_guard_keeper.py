# SPDX-License-Identifier: Apache-2.0
"""What the keeper does with guests, ports and CPUs, without a kernel."""

from dataclasses import replace

import pytest

from tests.nai_factories import NetFolder
from vhostaccel.errors import GuardError
from vhostaccel.guard.datapath import CpuCounts, TapFile
from vhostaccel.guard.fake import FakeDatapath
from vhostaccel.guard.keeper import EXPIRY_S, Keeper
from vhostaccel.guard.model import Counts, Event, EventKind, Reason, State, Wish
from vhostaccel.guard.saturation import Look

MAC = "52:54:00:00:00:01"
PORT, TAP, TAP1 = 2, 10, 11


class Clock:
    """Says what the test wants of CPU 0."""

    def __init__(self):
        self.busy = 0.1
        self.moved = {}

    def look(self, moved):
        self.moved = moved
        frames, dropped = moved.get(0, (0, 0))
        return {
            0: Look(softirq=self.busy / 2, busy=self.busy, frames=frames,
                    dropped=dropped, seconds=0.2)
        }  # fmt: skip


class Scene:
    """A keeper, and all that is around it."""

    def __init__(self, folder, cpus=1):
        self.net = NetFolder(folder / "net").add("eth0", PORT)
        self.net.add("vnet0", TAP, tap=True).add("vnet1", TAP1, tap=True)
        self.datapath = FakeDatapath(tap_file(TAP), tap_file(TAP1), cpus=cpus)
        self.clock, self.time_s = Clock(), 100.0
        self.events: list[Event] = []
        self.keeper = Keeper(
            self.datapath, netdevs=self.net.netdevs, clock=self.clock,
            tell=self.events.append, now=lambda: self.time_s,
        )  # fmt: skip

    def look(self, *, frames=1000, dropped=0, seconds=0.2):
        before = self.datapath.counts[0]
        self.datapath.counts[0] = CpuCounts(
            frames=before.frames + frames, dropped=before.dropped + dropped
        )
        self.time_s += seconds
        self.keeper.look()

    def drop(self, slot, count):
        counts = self.datapath.guests[slot]
        self.datapath.guests[slot] = replace(counts, dropped=counts.dropped + count)

    @property
    def told(self):
        return [event.kind for event in self.events]


def tap_file(ifindex, queues=1):
    return TapFile(tun=1, dev=2, ifindex=ifindex, queues=queues, ring=1000, pid=7)


def wish(**changes):
    usual = Wish(
        tap="vnet0", tap_ifindex=TAP, mac=MAC, port="eth0", port_ifindex=PORT,
        guest="nfv0", interface=0,
    )  # fmt: skip
    return replace(usual, **changes)


OTHER = {"tap": "vnet1", "tap_ifindex": TAP1, "mac": "52:54:00:00:00:02"}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_attach_guards_and_detach_takes_back(scene):
    guarded = scene.keeper.attach(wish())
    assert (guarded.state, guarded.native, guarded.ring) == (State.IDLE, True, 1000)
    assert scene.datapath.ports == {PORT}
    assert scene.datapath.addresses == {(PORT, bytes.fromhex("525400000001")): 0}
    assert scene.keeper.detach("vnet0")
    assert (scene.datapath.ports, scene.datapath.addresses) == (set(), {})
    assert scene.keeper.is_empty
    assert not scene.keeper.detach("vnet0")
    assert scene.told == [EventKind.ATTACHED, EventKind.DETACHED]


def test_a_port_is_left_with_its_last_guest(scene):
    scene.keeper.attach(wish())
    scene.keeper.attach(wish(**OTHER))
    scene.keeper.detach("vnet0")
    assert scene.datapath.ports == {PORT}
    scene.keeper.detach("vnet1")
    assert scene.datapath.ports == set()


def test_a_refused_attach_changes_nothing(scene):
    scene.datapath.refusal = GuardError("map full", hint="")
    with pytest.raises(GuardError, match="map full"):
        scene.keeper.attach(wish())
    assert (scene.datapath.ports, scene.datapath.addresses) == (set(), {})
    assert scene.keeper.is_empty
    scene.datapath.refusal = None
    for _ in range(300):  # more than there are slots
        scene.keeper.attach(wish())
        scene.keeper.detach("vnet0")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        pytest.param({}, "tap vnet0 is guarded already, at eth0", id="twice"),
        pytest.param(OTHER | {"mac": MAC}, "guarded already, for tap vnet0", id="MAC"),
        pytest.param(
            {**OTHER, "tap_ifindex": 99}, "no process has tap", id="no reader"
        ),
    ],
)
def test_a_second_guest_is_refused(scene, second, words):
    scene.keeper.attach(wish())
    with pytest.raises(GuardError, match=words) as raised:
        scene.keeper.attach(wish(**second))
    assert raised.value.hint


def test_too_many_queues_are_refused(scene):
    scene.datapath.files = (tap_file(TAP, queues=17),)
    with pytest.raises(GuardError, match="17 queues"):
        scene.keeper.attach(wish())


def test_an_engaged_cpu_is_engaged_anew_at_each_look_and_then_left(scene):
    scene.keeper.attach(wish())
    scene.clock.busy = 1.0
    for _ in range(3):
        scene.look()
        assert scene.datapath.deadlines[0] == int((scene.time_s + EXPIRY_S) * 1e9)
    assert scene.keeper.standing().engaged_cpus == (0,)
    scene.clock.busy = 0.1
    for _ in range(5):
        scene.look()
    assert scene.datapath.deadlines[0] == 0
    assert scene.told[1:] == [EventKind.ENGAGED, EventKind.DISENGAGED]


def test_a_look_has_the_frames_since_the_one_before(scene):
    scene.keeper.attach(wish())
    scene.look(frames=5)
    scene.look(frames=70, dropped=7)
    assert scene.clock.moved == {0: (70, 7)}


def test_always_engages_every_cpu_while_such_a_guest_is_there(tmp_path):
    scene = Scene(tmp_path, cpus=3)
    scene.keeper.attach(wish(always=True))
    scene.look()
    assert set(scene.datapath.deadlines) == {0, 1, 2}
    scene.keeper.attach(wish(**OTHER))
    scene.keeper.detach("vnet0")
    scene.look()
    assert scene.keeper.standing().engaged_cpus == ()


def test_congestion_is_told_once_and_its_end_with_its_drops(scene):
    scene.keeper.attach(wish())
    for _ in range(10):
        scene.drop(0, 100)
        scene.look()
    assert scene.keeper.standing().guests[0].state is State.CONGESTED
    for _ in range(6):
        scene.look()
    assert scene.told == [EventKind.ATTACHED, EventKind.CONGESTED, EventKind.CLEARED]
    assert scene.events[-1].dropped == 1000
    assert scene.keeper.standing().guests[0].counts == Counts(dropped=1000)


@pytest.mark.parametrize(
    ("gone", "reason"), [("vnet0", Reason.TAP_GONE), ("eth0", Reason.PORT_GONE)]
)
def test_what_is_gone_is_not_guarded_any_more(scene, gone, reason):
    scene.keeper.attach(wish())
    scene.net.remove(gone)
    scene.look()
    assert scene.keeper.is_empty
    assert scene.events[-1].reason is reason


def test_a_tap_of_the_same_name_is_another(scene):
    scene.keeper.attach(wish())
    (scene.net.folder / "vnet0" / "ifindex").write_text("20\n")
    scene.look()
    assert scene.events[-1].reason is Reason.TAP_GONE
