# SPDX-License-Identifier: Apache-2.0
"""The commands around leases: what they print, and what they end with."""

import errno
import json

import pytest
from click.testing import CliRunner

from tests.nai_factories import (
    MAC0,
    TAP0,
    TAP1,
    usual_domain,
    usual_host,
    usual_kernel,
)
from tests.near_guard import NearGuard
from tests.unit.test_follow_wishes import FakeLibvirt, SaidSeats, said
from vhostaccel.cli import attach as attach_cli
from vhostaccel.cli import libvirt as libvirt_cli
from vhostaccel.cli import watch as watch_cli
from vhostaccel.cli.main import cli
from vhostaccel.errors import NaiError, SetupError, UsageError, VhostAccelError
from vhostaccel.follow.hook_file import hook_installed
from vhostaccel.follow.seat import Followed, Seats
from vhostaccel.follow.wishes import disable, enable
from vhostaccel.nai.model import Event, EventKind


@pytest.fixture
def kernel():
    return usual_kernel()


@pytest.fixture
def run(tmp_path, kernel, monkeypatch):
    """Return a function that runs a command on a host that is not there."""
    net = usual_host(tmp_path / "net").add("bare0", 20, tap=True, master="br-a")
    guard, seats = NearGuard(net.netdevs), Seats(tmp_path / "run")
    for module in (attach_cli, watch_cli, libvirt_cli):
        monkeypatch.setattr(module, "KernelNai", lambda: kernel)
        monkeypatch.setattr(module, "Netdevs", lambda: net.netdevs)
        monkeypatch.setattr(module, "Guard", lambda: guard)
    monkeypatch.setattr(attach_cli, "Seats", lambda: seats)
    domains = (usual_domain(),)
    monkeypatch.setattr(attach_cli, "running_domains", lambda: domains)
    monkeypatch.setattr(watch_cli, "RememberedDomains", lambda _: lambda: domains)

    def invoke(*arguments):
        done = CliRunner().invoke(cli, arguments, standalone_mode=False)
        if isinstance(done.exception, VhostAccelError):
            raise done.exception
        assert done.exception is None, done.output
        return done.output

    return invoke


def test_attach_says_which_queue_of_which_port(run, kernel):
    said = run("attach", "nfv0:0")
    assert said == (
        "nfv0:0 (tap vnet0) takes its frames from queue 1 of eth0, mode copy\n"
    )
    assert [lease.mac for lease in kernel.leases()] == [MAC0]


def test_attach_speaks_json(run):
    plain = json.loads(run("attach", MAC0, "--json"))
    assert plain == {
        "tap": "vnet0", "ifindex": TAP0, "mac": MAC0, "guest": "nfv0", "interface": 0,
        "mode": "copy", "port": "eth0", "id": 1, "port_queue": 1,
    }  # fmt: skip


def test_a_lease_that_is_to_send_reaches_the_kernel_and_the_list(run, kernel):
    assert run("attach", "nfv0:0", "--tx").endswith("of eth0, mode copy-tx\n")
    assert [lease.tx for lease in kernel.leases()] == [True]
    assert json.loads(run("list", "--json"))["guests"][0]["mode"] == "copy-tx"


def test_a_bare_tap_is_attached_with_the_mac_that_is_told(run, kernel):
    kernel.add_backend(20)
    with pytest.raises(UsageError, match="no address") as raised:
        run("attach", "bare0")
    assert "--mac" in raised.value.hint
    run("attach", "bare0", "--mac", "52:54:00:00:00:0A", "--port", "eth0")
    assert [lease.mac for lease in kernel.leases()] == ["52:54:00:00:00:0a"]


def test_a_mac_that_is_none_is_told(run):
    with pytest.raises(UsageError, match="--mac: '52:54' is no address"):
        run("attach", "bare0", "--mac", "52:54")


def test_a_refusal_has_the_kernels_sentence_and_status_3(run, kernel):
    kernel.refusal = (errno.EPERM, "bridge port filters VLANs")
    with pytest.raises(NaiError, match="bridge port filters VLANs") as raised:
        run("attach", "nfv0:0")
    assert raised.value.exit_code == 3
    assert kernel.leases() == ()


def test_force_reaches_the_kernel(run, kernel):
    kernel.refusal = (errno.EPERM, "bridge port filters VLANs")
    run("attach", "nfv0:0", "--force")
    assert len(kernel.leases()) == 1


def test_auto_takes_a_lease_where_it_can(run, kernel):
    assert "mode copy" in run("attach", "nfv0:0", "--mode", "auto")
    assert len(kernel.leases()) == 1


def test_detach_ends_it_and_twice_is_an_error_with_a_hint(run):
    run("attach", "nfv0:0")
    assert (
        run("detach", "vnet0") == "nfv0:0 (tap vnet0) takes its frames from the tap\n"
    )
    with pytest.raises(NaiError, match="has no lease") as raised:
        run("detach", "vnet0")
    assert "vhostaccel list" in raised.value.hint


def test_list_shows_every_vhost_tap_and_the_ports(run):
    run("attach", "nfv0:1")
    first, second, ports = run("list").splitlines()[1:]
    assert first.split() == ["nfv0:0", "vnet0", "tap"]
    assert second.split() == [
        "nfv0:1", "vnet1", "copy", "eth0/1", "normal", "512/512",
        "0", "0", "0", "0",
    ]  # fmt: skip
    assert ports == "ports that lend frame queues: eth0 (igb, 0 of 7 leased)"


def test_list_shows_how_mode_seed_works_and_what_it_holds(run):
    run("attach", "nfv0:1", "--mode", "seed", "--tx")
    assert "seed-tx, 960 KiB pinned" in run("list")
    lease = json.loads(run("list", "--json"))["guests"][1]["lease"]
    assert lease["seed"] == {"level": "seed", "bar": "none", "pinned": 983040}


def test_list_speaks_json(run):
    run("attach", "nfv0:1")
    plain = json.loads(run("list", "--json"))
    assert [guest["mode"] for guest in plain["guests"]] == ["tap", "copy"]
    assert plain["guests"][1]["lease"]["stats"]["rx_packets"] == 0
    assert plain["ports"][0]["name"] == "eth0"


def test_list_on_a_host_without_guests_says_so(run, kernel):
    kernel.backends.clear()
    kernel.all_ports = ()
    assert "no guest runs on vhost-net" in run("list")
    assert "no port lends frame queues" in run("list")


def test_events_come_one_a_line(run, kernel):
    run("attach", "nfv0:0")
    run("detach", "nfv0:0")
    kernel.queued.append(Event(kind=EventKind.MISSED))
    first, second, third = run("watch", "--events").splitlines()
    assert first.endswith("attached vnet0 to eth0 in mode copy (lease 1)")
    assert second.endswith("detached vnet0 from eth0, reason: requested (lease 1)")
    assert "some are lost" in third


def test_events_speak_json_lines(run):
    run("attach", "nfv0:0")
    (line,) = run("watch", "--events", "--json", "--count", "1").splitlines()
    event = json.loads(line)
    assert (event["kind"], event["tap_ifindex"], event["mode"]) == (
        "attached", TAP0, "copy",
    )  # fmt: skip
    assert "time" in event


def test_watch_shows_rates(run, kernel):
    kernel.attach(tap_ifindex=TAP1, tap_queue=0, port_ifindex=2, mac=MAC0)
    table = run("watch", "--interval", "0.1", "--count", "2")
    assert "delivered/s" in table
    assert "eth0/1" in table
    lines = run("watch", "--interval", "0.1", "--count", "2", "--json").splitlines()
    assert len(lines) == 2
    assert [row["delivered"] for row in json.loads(lines[0])] == [None, 0.0]


class FakeLibvirtd(FakeLibvirt):
    """A libvirt with its hooks, and the followers of its guests."""

    def __init__(self, folder):
        super().__init__("nfv0")
        self.hooks = folder / "hooks"
        self.seats = SaidSeats(folder / "run")
        self.started: list[tuple[str, str]] = []

    def close(self):
        pass

    def start(self, name, xml):
        self.started.append((name, xml))

    def enable(self, libvirt, name, wish):
        return enable(libvirt, name, wish, self.hooks)

    def disable(self, libvirt, name, seats):
        return disable(libvirt, name, seats, self.hooks)

    def hook_installed(self):
        return hook_installed(self.hooks)


@pytest.fixture
def libvirtd(tmp_path, monkeypatch):
    """Let the commands talk to a libvirt that is not there; return it."""
    fake = FakeLibvirtd(tmp_path)
    monkeypatch.setattr(libvirt_cli, "Hypervisor", lambda: fake)
    monkeypatch.setattr(libvirt_cli, "Seats", lambda: fake.seats)
    monkeypatch.setattr(libvirt_cli, "write", fake.enable)
    monkeypatch.setattr(libvirt_cli, "withdraw", fake.disable)
    monkeypatch.setattr(libvirt_cli, "hook_installed", fake.hook_installed)
    monkeypatch.setattr(libvirt_cli, "start", fake.start)
    return fake


def test_enable_says_what_will_happen_and_what_libvirt_needs(run, libvirtd):
    first = run("libvirt", "enable", "nfv0")
    assert "systemctl restart libvirtd" in first
    assert "--now" in first
    libvirtd.running = False
    second = run("libvirt", "enable", "nfv0", "--interface", "1")
    assert second == "nfv0 will be attached when it starts\n"
    assert 'interfaces="1"' in libvirtd.elements["nfv0"]


def test_enable_now_starts_a_follower_and_tells_its_result(run, libvirtd):
    libvirtd.seats.said = [said(Followed.ATTACHED, Followed.REFUSED)]
    told = run("libvirt", "enable", "nfv0", "--now")
    assert "nfv0:0 (tap vnet0) attached: why" in told
    assert [name for name, _ in libvirtd.started] == ["nfv0"]
    assert "urn:vhostaccel:nai:1" in libvirtd.started[0][1]
    with pytest.raises(NaiError, match="1 of 2 interfaces of nfv0 stay"):
        run("libvirt", "enable", "nfv0", "--now", "--mode", "copy")


def test_a_wish_for_the_guard_needs_no_module(run, libvirtd, monkeypatch):
    def no_module():
        raise SetupError("the module nai is not loaded", hint="load it")

    monkeypatch.setattr(libvirt_cli, "KernelNai", no_module)
    libvirtd.seats.said = [said(Followed.ATTACHED, Followed.REFUSED)]
    with pytest.raises(NaiError, match="1 of 2 interfaces of nfv0 stay"):
        run("libvirt", "enable", "nfv0", "--now", "--mode", "xdp")
    assert 'mode="xdp"' in libvirtd.elements["nfv0"]
    run("libvirt", "enable", "nfv0", "--now")
    with pytest.raises(SetupError, match="not loaded"):
        run("libvirt", "enable", "nfv0", "--now", "--mode", "copy")
    assert 'mode="auto"' in libvirtd.elements["nfv0"]
    run("attach", "nfv0:0", "--mode", "xdp")
    run("libvirt", "disable", "nfv0", "--now")
    with pytest.raises(NaiError, match="no lease"):
        run("detach", "nfv0:0")


def test_disable_takes_everything_back(run, libvirtd, kernel):
    run("libvirt", "enable", "nfv0")
    kernel.attach(tap_ifindex=TAP0, tap_queue=0, port_ifindex=2, mac=MAC0)
    told = run("libvirt", "disable", "nfv0", "--now")
    assert "the hook is removed" in told
    assert (libvirtd.elements, kernel.leases()) == ({"nfv0": ""}, ())
    assert not hook_installed(libvirtd.hooks)


def test_status_shows_wishes_and_how_they_stand(run, libvirtd):
    assert run("libvirt", "status") == "no domain is to be attached\n"
    run("libvirt", "enable", "nfv0", "--mode", "copy")
    libvirtd.seats.said = [said(Followed.ATTACHED, Followed.WAITING)]
    (row,) = run("libvirt", "status", "nfv0").splitlines()[1:]
    assert row.split(maxsplit=4)[:4] == ["nfv0", "copy", "all", "yes"]
    assert "0 (vnet0) attached: why; 1 (vnet1) waiting: why" in row
    plain = json.loads(run("libvirt", "status", "--json"))
    assert plain["hook"] is True
    assert plain["domains"][0]["nics"][1]["state"] == "waiting"


def test_a_domain_that_is_not_there_is_told(run, libvirtd):
    for command in ("enable", "disable", "status"):
        with pytest.raises(UsageError, match="does not find domain nfv9"):
            run("libvirt", command, "nfv9")
