# SPDX-License-Identifier: Apache-2.0
"""The commands around the guard: what they print, and what they end with."""

import json
from contextlib import contextmanager

import click
import pytest
from click.testing import CliRunner

from tests.nai_factories import (
    ETH0,
    MAC0,
    TAP0,
    TAP1,
    usual_domain,
    usual_host,
    usual_kernel,
)
from vhostaccel.cli import attach as attach_cli
from vhostaccel.cli import watch as watch_cli
from vhostaccel.cli.main import cli
from vhostaccel.errors import GuardError, SetupError, UsageError, VhostAccelError
from vhostaccel.guard.client import NoKeeperError
from vhostaccel.guard.datapath import TapFile
from vhostaccel.guard.fake import FakeDatapath
from vhostaccel.guard.keeper import Keeper
from vhostaccel.guard.model import Counts, Event, EventKind


class NearGuard:
    """A guard whose keeper is in this process."""

    def __init__(self, netdevs):
        files = (_tap_file(ifindex) for ifindex in (TAP0, TAP1, 20))
        self.datapath = FakeDatapath(*files)
        self.told: list[Event] = []
        self.interrupted = False
        self._keeper = Keeper(
            self.datapath, netdevs=netdevs, clock=self, tell=self.told.append
        )

    def look(self, moved):
        del moved
        return {}

    def attach(self, wish):
        guarded = self._keeper.attach(wish)
        if self.interrupted:
            raise KeyboardInterrupt
        return guarded

    def detach(self, tap):
        return self._keeper.detach(tap)

    def standing(self):
        return None if self._keeper.is_empty else self._keeper.standing()

    @contextmanager
    def events(self):
        if self._keeper.is_empty and not self.told:
            raise NoKeeperError
        yield iter(self.told)


def _tap_file(ifindex):
    return TapFile(tun=1, dev=2, ifindex=ifindex, queues=1, ring=1000, pid=7)


def no_module():
    raise SetupError("the module nai is not loaded", hint="load it")


@pytest.fixture
def host(tmp_path):
    return usual_host(tmp_path / "net").add("bare0", 20, tap=True, master="br-a")


@pytest.fixture
def guard(host):
    return NearGuard(host.netdevs)


@pytest.fixture
def run(host, guard, monkeypatch):
    """Return a function that runs a command on a host without the module nai."""
    for module in (attach_cli, watch_cli):
        monkeypatch.setattr(module, "KernelNai", no_module)
        monkeypatch.setattr(module, "Netdevs", lambda: host.netdevs)
        monkeypatch.setattr(module, "Guard", lambda: guard)
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
