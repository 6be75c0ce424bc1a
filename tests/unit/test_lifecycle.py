# SPDX-License-Identifier: Apache-2.0
"""A guest of libvirt is reset, killed and started again, and answers after each."""

import select
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from vhostaccel.errors import GuestError, LostGuestError
from vhostaccel.guests import lifecycle
from vhostaccel.guests.lifecycle import GuestFiles, VmGuest
from vhostaccel.guests.plan import Link, plan_guest
from vhostaccel.units import Bytes


class FakeHypervisor:
    """Starts a process that sleeps, and answers on the guest's control port."""

    def __init__(self, folder):
        self.folder = folder
        self.silent_until = 0.0
        self.reset_at = 0.0
        self.resets = 0
        self.process = None
        self.started: list[str] = []
        self.registers_say = "CR3=000000000ffff000"
        self.port = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.port.bind(str(folder / "nfv0.control"))
        self.port.listen(5)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                end, _ = self.port.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(end,), daemon=True).start()

    def answer(self, end):
        with suppress(OSError):  # whoever asked has hung up
            self.talk(end)

    def talk(self, end):
        connected = time.monotonic()
        with end:
            while select.select([end], [], [], 20.0)[0]:
                # QEMU keeps what a guest is asked that has not opened its port, but what
                # the old guest had been asked is lost with it.
                booting = connected > self.reset_at + 0.05
                while booting and time.monotonic() < self.silent_until:
                    time.sleep(0.01)
                question = end.recv(100)
                if not question:
                    return
                if time.monotonic() > self.silent_until:
                    end.sendall(question)

    def start(self, name, xml):
        self.started.append(xml)
        self.start_again(name, 0.0)

    def registers(self, name):
        if self.process is None or self.process.poll() is not None:
            raise GuestError(f"guest {name} does not run", hint="none")
        return self.registers_say

    def start_again(self, name, timeout_s):
        self.process = subprocess.Popen(["sleep", "60"])
        (self.folder / f"{name}.pid").write_text(str(self.process.pid))

    def reset(self, name):
        self.resets += 1
        self.reset_at = time.monotonic()
        self.silent_until = self.reset_at + 0.4

    def fall_silent(self):
        self.silent_until = time.monotonic() + 3.0

    def remove(self, name):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def hypervisor(tmp_path, monkeypatch):
    monkeypatch.setattr(lifecycle, "_RUN", tmp_path)
    monkeypatch.setattr(lifecycle, "_PIDS", tmp_path)
    monkeypatch.setattr(lifecycle, "_BEAT_S", 0.2)
    monkeypatch.setattr(lifecycle, "_SILENCE_S", 0.1)
    made = FakeHypervisor(tmp_path)
    yield made
    made.port.close()
    made.remove("nfv0")


def guest_on(hypervisor, timeout_s=5.0):
    return VmGuest(
        plan_guest(0),
        hypervisor,
        GuestFiles(
            kernel_image=hypervisor.folder,
            image=hypervisor.folder,
            vfwd=hypervisor.folder,
        ),
        memory=Bytes(1 << 28),
        cpus=None,
        timeout_s=timeout_s,
    )


def test_a_reset_guest_answers_although_it_never_heard_some_questions(hypervisor):
    guest = guest_on(hypervisor)
    began = time.monotonic()
    guest.reboot()
    assert hypervisor.resets == 1
    assert time.monotonic() - began > 0.4
    assert guest.beat(1.0) is not None
    guest.stop()


def test_a_guest_that_does_not_come_back_is_an_error(hypervisor, monkeypatch):
    guest = guest_on(hypervisor, timeout_s=0.3)
    (hypervisor.folder / "nfv0.console").write_text("Kernel panic")
    monkeypatch.setattr(hypervisor, "reset", lambda name: hypervisor.fall_silent())
    with pytest.raises(GuestError, match=r"no sign of life.*Kernel panic"):
        guest.reboot()
    guest.stop()


def test_a_guest_that_was_stopped_starts_with_its_nics_joined_otherwise(hypervisor):
    guest = guest_on(hypervisor)
    first = guest.pid
    guest.stop()
    guest.start(Link.MACVTAP, ("eth0", "eth1"))
    assert guest.pid != first
    assert guest.beat(1.0) is not None
    before, after = hypervisor.started
    assert "direct" not in before
    assert 'dev="eth1" mode="bridge"' in after
    guest.stop()


@pytest.mark.parametrize(
    ("registers", "error"),
    [("CR3=0000000100bcc000", LostGuestError), ("CR3=000000000ffff000", GuestError)],
)
def test_a_guest_that_does_not_boot_may_be_lost_and_is_ended(
    hypervisor, registers, error
):
    hypervisor.registers_say = registers
    (hypervisor.folder / "nfv0.console").write_text("")
    hypervisor.fall_silent()
    with pytest.raises(error) as raised:
        guest_on(hypervisor, timeout_s=0.3)
    assert raised.type is error
    assert hypervisor.process.poll() is not None


def test_a_killed_guest_is_silent_until_it_was_started_again(hypervisor):
    guest = guest_on(hypervisor)
    first = guest.pid
    guest.kill()
    assert hypervisor.process.wait() == -9
    assert (guest.beat(0.1), guest.counters(0.1)) == (None, None)
    guest.start_again()
    assert guest.pid != first
    assert Path(f"/proc/{guest.pid}").exists()
    assert guest.beat(1.0) is not None
    guest.stop()
