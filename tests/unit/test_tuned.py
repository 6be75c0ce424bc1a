# SPDX-License-Identifier: Apache-2.0
"""Tuned taps set the ports of their bridges, see that it took, and set them back."""

from pathlib import Path

import pytest

from tests.nai_factories import ETH0, TAP0, TAP1, NetFolder
from vhostaccel.errors import GuestError, SkipError
from vhostaccel.guests.plan import plan_guest
from vhostaccel.modes import mode
from vhostaccel.modes.tuned import TapDefer, TapThreaded

FIRST, SECOND = plan_guest(0).interfaces[0], plan_guest(1).interfaces[0]
BEFORE = {"threaded": "0", "napi_defer_hard_irqs": "1", "gro_flush_timeout": "20000"}


class Host:
    """A host whose NIC eth0 and the taps of two guests are in one bridge."""

    def __init__(self, folder):
        self.net = NetFolder(folder).add_bridge(FIRST.bridge, 5)
        self.net.add("eth0", ETH0, master=FIRST.bridge)
        self.net.add(FIRST.tap, TAP0, tap=True, master=FIRST.bridge)
        self.net.add(SECOND.tap, TAP1, tap=True, master=FIRST.bridge)
        self.net.add("lo", 1)
        for device in ("eth0", "lo"):
            for file, value in BEFORE.items():
                (folder / device / file).write_text(f"{value}\n")

    def make(self, kind):
        return kind(self.net.netdevs, self.net.folder)

    @property
    def set(self):
        return {f: (self.net.folder / "eth0" / f).read_text().strip() for f in BEFORE}


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.fixture(autouse=True)
def modprobe(monkeypatch):
    """Load no module."""
    monkeypatch.setattr(mode, "run", lambda argv, *, hint: None)


@pytest.mark.parametrize("kind", [TapThreaded, TapDefer])
def test_the_port_of_the_bridge_is_set_and_set_back(host, kind):
    tuned = host.make(kind)
    tuned.attach(FIRST)
    assert host.set == BEFORE | dict(kind.settings) != BEFORE
    assert tuned.detach(FIRST) == ()
    assert tuned.leave() == ()
    assert host.set == BEFORE
    assert tuned.leave() == ()


def test_a_port_that_two_guests_share_gets_its_own_setting_back(host):
    threaded = host.make(TapThreaded)
    threaded.attach(FIRST)
    threaded.attach(SECOND)
    assert threaded.leave() == ()
    assert host.set == BEFORE


def refuse(monkeypatch, *values):
    """Let the kernel take no such value, without a word."""
    write = Path.write_text
    monkeypatch.setattr(
        Path, "write_text", lambda path, text: text in values or write(path, text)
    )


def test_a_setting_that_does_not_take_is_an_error_and_the_others_are_undone(
    host, monkeypatch
):
    defer = host.make(TapDefer)
    refuse(monkeypatch, "200000")
    with pytest.raises(GuestError, match="gro_flush_timeout is 20000 after 200000"):
        defer.attach(FIRST)
    assert defer.leave() == ()
    assert host.set == BEFORE


def test_a_setting_that_does_not_go_back_is_told(host, monkeypatch):
    threaded = host.make(TapThreaded)
    threaded.attach(FIRST)
    refuse(monkeypatch, "0")
    (said,) = threaded.leave()
    assert said.endswith("threaded is 1 and was 0")


def test_a_kernels_refusal_is_told_in_its_words(host, monkeypatch):
    def refused(path, text):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "write_text", refused)
    with pytest.raises(GuestError, match=r"is 0 \(Operation not supported\)"):
        host.make(TapThreaded).attach(FIRST)


def test_a_port_that_is_gone_took_its_setting_with_it(host):
    threaded = host.make(TapThreaded)
    threaded.attach(FIRST)
    (host.net.folder / "eth0" / "threaded").unlink()
    assert threaded.leave() == ()


def test_a_tap_beside_no_nic_cannot_be_tuned(host):
    (host.net.folder / FIRST.bridge / "brif" / "eth0").rmdir()
    with pytest.raises(GuestError, match="has not one port"):
        host.make(TapThreaded).attach(FIRST)


def test_a_kernel_without_the_setting_skips_the_mode(host):
    host.make(TapDefer).prepare()
    (host.net.folder / "lo" / "gro_flush_timeout").unlink()
    with pytest.raises(SkipError, match=r"has no .*gro_flush_timeout"):
        host.make(TapDefer).prepare()
