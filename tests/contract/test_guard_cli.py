# SPDX-License-Identifier: Apache-2.0
"""The commands around the guard: what they print, and what they end with."""

import json

import click
import pytest
from click.testing import CliRunner

from tests.nai_factories import (
    ETH0,
    MAC0,
    TAP0,
    TAP1,
    UUID,
    usual_domain,
    usual_host,
    usual_kernel,
)
from tests.near_guard import NearGuard
from vhostaccel.cli import attach as attach_cli
from vhostaccel.cli import watch as watch_cli
from vhostaccel.cli.main import cli
from vhostaccel.errors import GuardError, SetupError, UsageError, VhostAccelError
from vhostaccel.follow.seat import Followed, FollowedNic, FollowerState, Seats
from vhostaccel.guard.model import Counts, Event, EventKind


def no_module():
    raise SetupError("the module nai is not loaded", hint="load it")


@pytest.fixture
def host(tmp_path):
    return usual_host(tmp_path / "net").add("bare0", 20, tap=True, master="br-a")


@pytest.fixture
def guard(host):
    return NearGuard(host.netdevs)


@pytest.fixture
def seats(tmp_path):
    return Seats(tmp_path / "run")


@pytest.fixture
def run(host, guard, seats, monkeypatch):
    """Return a function that runs a command on a host without the module nai."""
    for module in (attach_cli, watch_cli):
        monkeypatch.setattr(module, "KernelNai", no_module)
        monkeypatch.setattr(module, "Netdevs", lambda: host.netdevs)
        monkeypatch.setattr(module, "Guard", lambda: guard)
    monkeypatch.setattr(attach_cli, "Seats", lambda: seats)
    monkeypatch.setattr(attach_cli, "running_domains", lambda: (usual_domain(),))

    def invoke(*arguments):
        done = CliRunner().invoke(cli, arguments, standalone_mode=False)
        if isinstance(done.exception, VhostAccelError | click.Abort):
            raise done.exception
        assert done.exception is None, done.output
        return done.output

    return invoke


def test_attach_says_who_drops_what_and_when(run, guard):
    said = run("attach", "nfv0:0", "--mode", "xdp")
    assert said == (
        "nfv0:0 (tap vnet0) is guarded at eth0, mode xdp: while a receive CPU is near "
        "saturation, eth0's driver drops what its tap has no room for\n"
    )
    (address,) = guard.datapath.addresses
    assert address == (ETH0, bytes.fromhex(MAC0.replace(":", "")))


def test_attach_speaks_json(run):
    plain = json.loads(run("attach", MAC0, "--mode", "xdp", "--always", "--json"))
    assert (plain["tap"], plain["mode"], plain["native"]) == ("vnet0", "xdp", True)
    assert plain["wish"]["always"] is True


def test_attach_of_what_is_guarded_already_leaves_it_guarded(run, guard):
    run("attach", "nfv0:0", "--mode", "xdp")
    with pytest.raises(GuardError, match="guarded already") as raised:
        run("attach", "nfv0:0", "--mode", "xdp")
    assert raised.value.exit_code == 3
    assert guard.standing() is not None


def test_an_interrupted_attach_is_undone(run, guard):
    guard.interrupted = True
    with pytest.raises(click.Abort):
        run("attach", "nfv0:0", "--mode", "xdp")
    assert guard.standing() is None


def test_a_bare_tap_needs_its_address_told(run):
    with pytest.raises(UsageError, match="no address") as raised:
        run("attach", "bare0", "--mode", "xdp")
    assert "--mac" in raised.value.hint
    run("attach", "bare0", "--mode", "xdp", "--mac", "52:54:00:00:00:0a")


def test_a_port_is_guessed_only_where_there_is_one(run, host):
    host.add("eth1", 30, master="br-a")
    with pytest.raises(UsageError, match=r"not one port .* but 2: eth0, eth1"):
        run("attach", "nfv0:0", "--mode", "xdp")
    assert "at eth1" in run("attach", "nfv0:0", "--mode", "xdp", "--port", "eth1")


def test_hardware_is_preferred_to_other_ports(run, host):
    host.add("veth9", 30, master="br-a")
    (host.folder / "eth0" / "device").mkdir()
    assert "at eth0" in run("attach", "nfv0:0", "--mode", "xdp")


def test_detach_needs_no_module(run, guard):
    run("attach", "nfv0:0", "--mode", "xdp")
    said = run("detach", "vnet0")
    assert said == "nfv0:0 (tap vnet0) takes its frames from the tap\n"
    assert guard.standing() is None
    with pytest.raises(
        SetupError, match=r"vnet0.* is not guarded, .* nai is not loaded"
    ):
        run("detach", "vnet0")


def test_list_shows_guests_ports_and_cpus(run, guard):
    run("attach", "nfv0:0", "--mode", "xdp")
    guard.datapath.guests[0] = Counts(passed=12345, dropped=678, probed=9, unread=1)
    said = run("list").splitlines()
    assert said[1].split() == [
        "nfv0:0", "vnet0", "xdp", "eth0", "idle", "12,345", "678", "9", "1",
    ]  # fmt: skip
    assert said[2].startswith("guard at eth0 (native XDP): of group frames 0 passed")
    assert said[3] == "engaged CPUs: none"
    assert said[4] == "no frame queues: the module nai is not loaded"


def test_list_speaks_json(run):
    run("attach", "nfv0:0", "--mode", "xdp")
    plain = json.loads(run("list", "--json"))
    assert plain["guard"]["guests"][0]["wish"]["tap"] == "vnet0"
    assert plain["guests"] == []


def test_list_shows_the_mode_beside_those_of_frame_queues(run, monkeypatch):
    kernel = usual_kernel()
    monkeypatch.setattr(attach_cli, "KernelNai", lambda: kernel)
    run("attach", "nfv0:0", "--mode", "xdp")
    run("attach", "nfv0:1", "--mode", "copy")
    plain = json.loads(run("list", "--json"))
    assert [guest["mode"] for guest in plain["guests"]] == ["xdp", "copy"]
    assert "xdp" in run("list")


def test_without_guests_and_module_list_says_what_is_missing(run):
    with pytest.raises(SetupError, match=r"nothing is guarded, .* nai is not loaded"):
        run("list")


def test_auto_says_what_it_took_and_why_nothing_better(run):
    said = run("attach", "nfv0:0", "--mode", "auto").splitlines()
    assert "is guarded at eth0, mode xdp" in said[0]
    assert said[1:] == ["not copy: the module nai is not loaded", "  hint: load it"]
    assert "copy: the module nai is not loaded" in run("list").splitlines()[1]
    plain = json.loads(run("list", "--json"))
    (guarded,) = plain["guard"]["guests"]
    assert guarded["wish"]["why"] == "copy: the module nai is not loaded"


def test_auto_that_stays_on_the_tap_is_no_error_and_says_both_reasons(run, guard):
    guard.datapath.refusal = GuardError("no XDP here", hint="look")
    said = run("attach", "nfv0:0", "--mode", "auto").splitlines()
    assert (
        said[0] == "nfv0:0 (tap vnet0) stays on its tap, for no better mode can be had"
    )
    assert said[1::2] == [
        "not copy: the module nai is not loaded", "not xdp: no XDP here"
    ]  # fmt: skip
    plain = json.loads(run("attach", "nfv0:0", "--mode", "auto", "--json"))
    assert (plain["mode"], [passed["mode"] for passed in plain["why"]]) == (
        "tap", ["copy", "xdp"],
    )  # fmt: skip
    assert guard.standing() is None


def test_auto_speaks_json_of_what_it_took(run):
    plain = json.loads(run("attach", "nfv0:0", "--mode", "auto", "--json"))
    assert (plain["mode"], plain["wish"]["port"]) == ("xdp", "eth0")


@pytest.fixture
def followed(seats, monkeypatch):
    """Let this process follow nfv0, whose vnet0 is refused; return the seat."""
    seat = seats.take(UUID, step_s=1.0, replace=True, timeout_s=0.0)
    nic = FollowedNic(
        index=0, tap="vnet0", state=Followed.REFUSED, detail="copy: no; xdp: no"
    )
    seat.say(FollowerState(guest="nfv0", pid=1, nics=(nic,)))
    # A process does not see locks of its own.
    monkeypatch.setattr(seats, "pid", lambda guest_uuid: 1)
    yield seat
    seat.leave()


def test_list_says_why_a_guest_that_is_followed_is_on_its_tap(run, followed):
    assert "vnet0 is on its tap: copy: no; xdp: no" in run("list")
    plain = json.loads(run("list", "--json"))
    assert plain["on_tap"] == {"vnet0": "copy: no; xdp: no"}


def test_detach_tells_the_follower_not_to_put_the_guard_up_again(run, followed):
    run("attach", "nfv0:0", "--mode", "xdp")
    assert not followed.was_left(TAP0)
    run("detach", "nfv0:0")
    assert followed.was_left(TAP0)
    assert not followed.was_left(TAP1)


def test_events_come_one_a_line(run, guard):
    run("attach", "nfv0:0", "--mode", "xdp")
    guard.told += [
        Event(kind=EventKind.ENGAGED, cpu=3),
        Event(kind=EventKind.CLEARED, tap="vnet0", port="eth0", dropped=1234),
    ]
    run("detach", "nfv0:0")
    lines = [
        line.split(maxsplit=1)[1] for line in run("watch", "--events").splitlines()
    ]
    assert lines == [
        "attached vnet0 at eth0 in mode xdp",
        "engaged on CPU 3",
        "cleared vnet0 at eth0, 1,234 frames dropped since it began",
        "detached vnet0 at eth0, reason: requested",
    ]


def test_events_of_guard_and_frame_queues_come_together(run, monkeypatch):
    kernel = usual_kernel()
    for module in (attach_cli, watch_cli):
        monkeypatch.setattr(module, "KernelNai", lambda: kernel)
    run("attach", "nfv0:0", "--mode", "xdp")
    run("attach", "nfv0:1", "--mode", "copy")
    lines = run("watch", "--events", "--json").splitlines()
    events = [json.loads(line) for line in lines]
    assert sorted(
        str(event.get("tap") or event["tap_ifindex"]) for event in events
    ) == [
        str(TAP1),
        "vnet0",
    ]


def test_watch_shows_rates(run):
    run("attach", "nfv0:0", "--mode", "xdp")
    assert "dropped/s" in run("watch", "--interval", "0.1", "--count", "2")
    lines = run("watch", "--interval", "0.1", "--count", "2", "--json").splitlines()
    (row,) = json.loads(lines[1])
    assert (row["mode"], row["state"], row["dropped"]) == ("xdp", "idle", 0.0)
