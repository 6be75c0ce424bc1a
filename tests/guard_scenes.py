# SPDX-License-Identifier: Apache-2.0
"""Scenes for the guard, each in name spaces of its own; ``test_guard_kernel`` plays them.

``cast`` is how rings are read: "cast" the faster way, "probe" the one of older kernels.
"""

import os
import signal
import time
from pathlib import Path

import pytest

from vhostaccel.errors import GuardError, SetupError
from vhostaccel.guard import libbpf
from vhostaccel.guard.build import find_object
from vhostaccel.guard.client import Guard
from vhostaccel.guard.datapath import GROUP_LIMIT, KernelDatapath
from vhostaccel.guard.keeper import EXPIRY_S
from vhostaccel.guard.model import EventKind, Reason, State, Wish
from vhostaccel.guard.stage import Stage, frame, mac_of, until, wire_bytes
from vhostaccel.modes.auto import Asked, choose
from vhostaccel.nai.address import Target
from vhostaccel.nai.client import KernelNai
from vhostaccel.nai.netdevs import Netdevs

ENGAGED_S = 3600.0
BOUND_S = 0.025
"""docs/xdp.md: nothing is dropped by mistake for longer."""
SLACK_S = 0.075
"""This machine may have other things to do."""
PIECE = 64
GROUP = "ff:ff:ff:ff:ff:ff"
BRIDGE_GROUP = "01:80:c2:00:00:0e"


class Guarded:
    """The guard on a stage, with guests, and every CPU engaged."""

    def __init__(self, stage, cast="cast", *, engaged=True):
        self.stage = stage
        self.datapath = KernelDatapath(find_object(), cast=cast == "cast")
        self.link = self.datapath.add_port(stage.nic)
        self.sent = 0
        if engaged:
            self.engage(ENGAGED_S)

    def engage(self, seconds):
        until_ns = int((time.monotonic() + seconds) * 1e9)
        for cpu in range(libbpf.cpus()):
            self.datapath.engage(cpu, until_ns)

    def guard(self, number):
        ifindex = self.stage.index(f"tap{number}")
        (tap,) = {
            t.ifindex: t for t in self.datapath.taps() if t.ifindex == ifindex
        }.values()
        self.datapath.add_guest(number, self.stage.nic, wire_bytes(mac_of(number)), tap)

    def send(self, *frames):
        """Send frames, and wait until the guard has seen them all."""
        # Piece by piece: the wire holds no more while its receiver waits for a CPU.
        for start in range(0, len(frames), PIECE):
            piece = frames[start : start + PIECE]
            self.stage.send(*piece)
            self.sent += len(piece)
            until(lambda: self.seen >= self.sent, f"{self.sent} frames are seen")

    @property
    def seen(self):
        return sum(counts.frames for counts in self.datapath.cpu_counts())

    def counts(self, number=0):
        return self.datapath.guest_counts(number)


def _one_guest(cast, *, engaged=True, **tap):
    """Return the tap of a guest on a stage of its own, and the guard of that guest."""
    stage = Stage()
    opened = stage.add_tap(0, **tap)
    guarded = Guarded(stage, cast, engaged=engaged)
    guarded.guard(0)
    return opened, guarded


def frames_to(number, count, **how):
    return [frame(mac_of(number), number=n, **how) for n in range(count)]


def full_ring_is_left_alone(cast):
    tap, guarded = _one_guest(cast, ring=1000)
    guarded.send(*frames_to(0, 2000))
    assert tap.dropped == 0, tap.dropped
    counts = guarded.counts()
    waiting = len(tap.read())
    assert 740 <= counts.passed <= 760, counts
    assert counts.passed + counts.dropped + counts.probed == 2000, counts
    assert waiting == counts.passed + counts.probed, (waiting, counts)
    guarded.send(*frames_to(0, 100))
    assert len(tap.read()) == 100


def reader_has_a_quarter_left_before_frames_come_again(cast):
    tap, guarded = _one_guest(cast, ring=1000)
    guarded.send(*frames_to(0, 800))
    passed = guarded.counts().passed
    file = tap.files[0]
    for _ in range(passed - 300):
        os.read(file, 2048)
    guarded.send(*frames_to(0, 1))
    assert guarded.counts().passed == passed, "it is still above the low mark"
    for _ in range(100):
        os.read(file, 2048)
    guarded.send(*frames_to(0, 1))
    assert guarded.counts().passed == passed + 1


def nothing_is_dropped_unless_engaged(cast):
    tap, guarded = _one_guest(cast, ring=500, engaged=False)
    guarded.send(*frames_to(0, 1000))
    assert tap.dropped > 400, "the tap has to drop them"
    assert guarded.counts().dropped == 0


def engagement_expires(cast):
    tap, guarded = _one_guest(cast, ring=500, engaged=False)
    guarded.engage(1.0)
    guarded.send(*frames_to(0, 600))
    dropped = guarded.counts().dropped
    assert dropped > 0
    time.sleep(1.0 + BOUND_S)
    guarded.send(*frames_to(0, 600))
    assert guarded.counts().dropped == dropped
    assert tap.dropped > 0


def paused_guest_is_probed_and_goes_on_at_once(cast):
    tap, guarded = _one_guest(cast, ring=500)
    guarded.send(*frames_to(0, 500))
    ends = time.monotonic() + 0.5
    while time.monotonic() < ends:
        guarded.send(*frames_to(0, 10))
    counts = guarded.counts()
    assert 5 <= counts.probed <= 55, "one in 10 ms, and more than none"
    tap.read()
    before = guarded.counts()
    guarded.send(*frames_to(0, 1))
    assert guarded.counts().passed == before.passed + 1
    assert len(tap.read()) == 1


def killed_guest_leaves_no_trace(cast):
    tap, guarded = _one_guest(cast, ring=500)
    guarded.send(*frames_to(0, 600))
    dropped = guarded.counts().dropped
    assert dropped > 0
    tap.close()
    time.sleep(BOUND_S)
    guarded.send(*frames_to(0, 200))
    counts = guarded.counts()
    assert counts.dropped == dropped, "frames for a device that is gone pass"
    assert counts.unread >= 200, counts
    # Another guest gets a tap of the same name, and perhaps of the same memory.
    other = guarded.stage.add_tap(0, ring=500)
    guarded.send(*frames_to(0, 600))
    assert guarded.counts().dropped == dropped
    assert len(other.read()) >= 480


def reopened_tap_gets_frames_within_the_bound(cast):
    tap, guarded = _one_guest(cast, ring=500, persist=True)
    guarded.send(*frames_to(0, 600))
    assert guarded.counts().dropped > 0
    tap.close()
    # What is opened meanwhile takes the memory of the old ring.
    others = [os.open("/dev/net/tun", os.O_RDWR) for _ in range(64)]
    tap.reopen()
    guarded.stage.wait_for_port("tap0")

    def arrives():
        guarded.send(*frames_to(0, 1))
        return tap.read()

    took_s = until(arrives, "a frame arrives")
    assert took_s < BOUND_S + SLACK_S, took_s
    dropped = guarded.counts().dropped
    guarded.send(*frames_to(0, 600))
    assert guarded.counts().dropped > dropped, "its new ring is guarded as well"
    assert tap.dropped == 0
    for other in others:
        os.close(other)


def resized_ring_has_marks_of_its_own(cast):
    tap, guarded = _one_guest(cast, ring=1000)
    guarded.send(*frames_to(0, 100))
    guarded.stage.ip.link("set", index=guarded.stage.index("tap0"), txqlen=200)
    time.sleep(BOUND_S)
    guarded.send(*frames_to(0, 500))
    waiting = len(tap.read())
    assert 140 <= waiting <= 160, waiting
    assert tap.dropped == 0


def neighbour_gets_every_frame(cast):
    stage = Stage()
    flooded, quiet = stage.add_tap(0, ring=500), stage.add_tap(1, ring=500)
    guarded = Guarded(stage, cast)
    guarded.guard(0)
    guarded.guard(1)
    for _ in range(20):
        guarded.send(*frames_to(0, 100), *frames_to(1, 10))
    assert guarded.counts(0).dropped > 1000
    assert guarded.counts(1).dropped == 0
    assert len(quiet.read()) == 200
    assert flooded.dropped == 0


def queue_with_room_keeps_its_flow(cast):
    tap, guarded = _one_guest(cast, ring=500, queues=2)
    guarded.send(*frames_to(0, 1000))
    assert guarded.counts().dropped == 0, "the other queue has room"
    counts = [len(queue) for queue in tap.read_queues()]
    assert min(counts) == 0, counts
    flows = [flow for flow in range(64) for _ in range(40)]
    guarded.send(*(frame(mac_of(0), flow=flow) for flow in flows))
    assert guarded.counts().dropped > 0, "both queues are full"


def tagged_frames_are_guarded(cast):
    tap, guarded = _one_guest(cast, ring=500)
    guarded.send(*frames_to(0, 1000, vlan=7))
    counts = guarded.counts()
    assert counts.dropped > 500, counts
    waiting = tap.read()
    assert len(waiting) == counts.passed + counts.probed
    assert waiting[0][12:14] == b"\x81\x00", "with its tag"
    assert tap.dropped == 0


def broadcast_storm_is_policed(cast):
    tap, guarded = _one_guest(cast, ring=5000)
    began = time.monotonic()
    for _ in range(20):
        guarded.send(*[frame(GROUP)] * 100, *frames_to(0, 1), frame(BRIDGE_GROUP))
    windows = int((time.monotonic() - began) / 0.1) + 2
    groups = guarded.datapath.group_counts(guarded.stage.nic)
    assert groups.passed + groups.dropped == 2000, groups
    assert GROUP_LIMIT <= groups.passed <= GROUP_LIMIT * windows, (groups, windows)
    assert guarded.counts().passed == 20
    waiting = [content[:6] for content in tap.read()]
    assert waiting.count(wire_bytes(mac_of(0))) == 20
    time.sleep(0.15)
    guarded.send(*[frame(GROUP)] * 10)
    after = guarded.datapath.group_counts(guarded.stage.nic)
    assert after.passed == groups.passed + 10, "it is a window that ends"


def second_program_is_refused(cast):
    stage = Stage()
    first, second = Guarded(stage, cast), KernelDatapath(find_object())
    with pytest.raises(GuardError, match="another XDP program"):
        second.add_port(stage.nic)
    first.datapath.remove_port(stage.nic, first.link)
    second.remove_port(stage.nic, second.add_port(stage.nic))


def _wish(stage, number=0, *, always=True):
    return Wish(
        tap=f"tap{number}", tap_ifindex=stage.index(f"tap{number}"),
        mac=mac_of(number), port="nic0", port_ifindex=stage.nic, always=always,
    )  # fmt: skip


def _has_program(stage):
    (link,) = stage.ip.get_links(stage.nic)
    xdp = link.get_attr("IFLA_XDP")
    return bool(xdp.get_attr("IFLA_XDP_ATTACHED"))


def keeper_keeps_tells_and_ends(cast):
    del cast
    stage = Stage()
    tap = stage.add_tap(0, ring=500)
    guard = Guard()
    assert guard.standing() is None
    attached = guard.attach(_wish(stage))
    assert _has_program(stage)
    assert attached.wish.mac == mac_of(0)
    with guard.events() as events:
        time.sleep(0.5)
        stage.send(*frames_to(0, 1000))
        event = _next(events, EventKind.CONGESTED)
        assert event.tap == "tap0"
        standing = _standing(guard)
        assert standing.guests[0].state is State.CONGESTED
        assert standing.guests[0].counts.dropped > 0
        assert _next(events, EventKind.CLEARED).dropped > 0
        assert guard.detach("tap0")
        assert _next(events, EventKind.DETACHED).reason is Reason.REQUESTED
    assert not _has_program(stage)
    until(lambda: guard.standing() is None, "the keeper ends with its last guest")
    assert not guard.detach("tap0")
    assert tap.dropped == 0


def keeper_drops_a_guest_that_is_gone(cast):
    del cast
    stage = Stage()
    taps = [stage.add_tap(number) for number in (0, 1)]
    guard = Guard()
    for number in (0, 1):
        guard.attach(_wish(stage, number))
    with guard.events() as events:
        taps[0].close()
        event = _next(events, EventKind.DETACHED)
        assert (event.tap, event.reason) == ("tap0", Reason.TAP_GONE)
    assert [seen.wish.tap for seen in _standing(guard).guests] == ["tap1"]
    assert _has_program(stage)


def _kept():
    """Return a stage, its tap, the guard and its keeper's process, which works."""
    stage = Stage()
    tap = stage.add_tap(0, ring=500)
    guard = Guard()
    guard.attach(_wish(stage))
    time.sleep(0.5)
    stage.send(*frames_to(0, 600))
    pid = _standing(guard).pid
    assert tap.dropped == 0
    return stage, tap, guard, pid


def killed_keeper_leaves_the_wire_open(cast):
    del cast
    stage, tap, guard, pid = _kept()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not _has_program(stage), "the kernel takes the program away")
    stage.send(*frames_to(0, 600))
    until(lambda: tap.dropped > 300, "frames reach the tap's ring again")
    guard.attach(_wish(stage))
    assert _standing(guard).pid != pid


def stopped_keeper_lets_all_pass(cast):
    del cast
    stage, tap, _, pid = _kept()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(EXPIRY_S + BOUND_S)
    stage.send(*frames_to(0, 600))
    until(lambda: tap.dropped > 300, "frames reach the tap's ring again")
    os.kill(pid, signal.SIGKILL)


def refusals_name_what_is_wrong(cast):
    del cast
    stage = Stage()
    tap = stage.add_tap(0, persist=True)
    stage.add_tap(1)
    guard = Guard()
    guard.attach(_wish(stage))
    _refused(guard, _wish(stage), "tap0 is guarded already")
    other = _wish(stage, 1)
    same = Wish(
        tap=other.tap, tap_ifindex=other.tap_ifindex, mac=mac_of(0),
        port="nic0", port_ifindex=stage.nic,
    )  # fmt: skip
    _refused(guard, same, "is guarded already, for tap tap0")
    guard.detach("tap0")
    tap.close()
    _refused(guard, _wish(stage), "no process has tap tap0 open")
    assert not _has_program(stage)


def auto_takes_the_guard_where_the_kernel_lets_it(cast):
    del cast
    stage = Stage()
    stage.add_tap(0)
    index = stage.index("tap0")
    target = Target(
        tap="tap0", ifindex=index, mac=mac_of(0), guest=None, interface=None
    )
    other = KernelDatapath(find_object())
    link = other.add_port(stage.nic)
    choice = _choose(Asked(target=target, port="nic0"))
    copy, xdp = choice.passed_over
    assert copy.mode == "copy"
    assert "another XDP program" in xdp.why
    assert not _standing(Guard()).guests
    other.remove_port(stage.nic, link)
    assert not _has_program(stage)
    choice = _choose(Asked(target=target, port="nic0"))
    assert choice.guarded is not None
    assert choice.guarded.wish.why == str(copy)
    assert _has_program(stage)
    with pytest.raises(GuardError, match="is guarded already"):
        _choose(Asked(target=target, port="nic0"))


def _choose(asked):
    try:
        nai = KernelNai()
    except SetupError as error:
        return choose(asked, error, Guard(), Netdevs())
    with nai:
        return choose(asked, nai, Guard(), Netdevs())


def _refused(guard, wish, words):
    with pytest.raises(GuardError, match=words) as raised:
        guard.attach(wish)
    assert raised.value.hint


def _standing(guard):
    standing = guard.standing()
    assert standing is not None, "nothing is guarded"
    return standing


def _next(events, kind):
    for event in events:
        if event.kind is kind:
            return event
    raise AssertionError(f"no event {kind.value}")


def can_run():
    """Say why no scene can be played here; nothing if they can."""
    if os.geteuid() != 0:
        return "root is needed"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    return ""
