# SPDX-License-Identifier: Apache-2.0
"""Guests from their start to their end, of either kind, behind one small interface."""

import os
import select
import signal
import subprocess
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from vhostaccel.errors import GuestError
from vhostaccel.guests.control import GuestControl
from vhostaccel.guests.derailed import is_derailed, lost
from vhostaccel.guests.domain import DomainSpec, domain_xml
from vhostaccel.guests.hypervisor import Hypervisor
from vhostaccel.guests.plan import GuestPlan, Link
from vhostaccel.guests.stall import stalled
from vhostaccel.guests.vfwd import VfwdPage
from vhostaccel.units import Bytes

_RUN = Path("/run/vhostaccel")
_LAST_WORDS = 4000
"""Characters: a panic with its trace, as a quiet console has it."""
_PIDS = Path("/run/libvirt/qemu")
_BEAT_S = 2.0
_SILENCE_S = 0.5
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFiles:
    """What guests are made from."""

    kernel_image: Path
    image: Path
    vfwd: Path


class Guest(Protocol):
    """A running guest."""

    plan: GuestPlan
    pid: int
    """Process that carries its virtual CPUs and vhost workers."""

    def beat(self, timeout_s: float) -> int | None:
        """Return how long a heartbeat took [ns], or None if none came in time."""

    def counters(self, timeout_s: float) -> tuple[int, ...] | None:
        """Return the counters of ``guest/init``, or None if they did not come."""

    def stop(self) -> None:
        """End it."""


class VmGuest:
    """A KVM guest that libvirt runs.

    Args:
        plan: its name and addresses.
        hypervisor: where it is to run.
        files: what it boots from.
        memory: its size.
        cpus: CPUs that its threads may run on, or None for any.
        timeout_s: how long its boot may take [s].

    Raises:
        GuestError: If it does not answer its first heartbeat in time.
    """

    def __init__(
        self,
        plan: GuestPlan,
        hypervisor: Hypervisor,
        files: GuestFiles,
        *,
        memory: Bytes,
        cpus: str | None,
        timeout_s: float,
    ) -> None:
        self.plan = plan
        self._hypervisor = hypervisor
        self._timeout_s = timeout_s
        self._control: GuestControl | None = None
        _RUN.mkdir(exist_ok=True)
        spec = DomainSpec(
            plan=plan,
            kernel_image=files.kernel_image,
            image=files.image,
            memory=memory,
            cpus=cpus,
            control=_RUN / f"{plan.name}.control",
            console=_RUN / f"{plan.name}.console",
        )
        self._spec = spec
        self.start(Link.TAP, ())

    def start(self, link: Link, ports: tuple[str, ...]) -> None:
        """Start it, for the first time or after `stop`, and return once it answers.

        Args:
            link: how its virtual NICs are joined to the host.
            ports: the host's NIC port for each of them.

        Raises:
            GuestError: If libvirt refuses, or it does not answer in time.
            LostGuestError: If it cannot, since an emulated host has lost its registers.
        """
        self._spec = replace(self._spec, link=link, ports=ports)
        self._hypervisor.start(self.plan.name, domain_xml(self._spec))
        self.pid = self._read_pid()
        try:
            self._wait_for_life()
        except GuestError:
            is_lost = self._is_lost()
            self.stop()
            if is_lost:
                raise lost(self.plan.name) from None
            raise

    def beat(self, timeout_s: float) -> int | None:
        """Ask for a heartbeat."""
        return None if self._control is None else self._control.beat(timeout_s)

    def counters(self, timeout_s: float) -> tuple[int, ...] | None:
        """Ask for the counters."""
        if self._control is None:
            return None
        values = self._control.counters(timeout_s)
        return None if values is None else tuple(values)

    def last_words(self) -> str:
        """Return the end of what it has printed on its console."""
        said = self._spec.console.read_text(errors="replace")
        return said[-_LAST_WORDS:].strip() or "(nothing)"

    def derailed(self) -> bool:
        """Tell whether an emulated host has lost its registers.

        Raises:
            GuestError: If libvirt or QEMU does not answer.
        """
        registers = self._hypervisor.registers(self.plan.name)
        return is_derailed(registers, self._spec.memory)

    def stalled(self) -> AbstractContextManager[None]:
        """Stop its virtual CPUs for as long as the block lasts."""
        return stalled(self.pid)

    def suspend(self) -> None:
        """Let it stand still, its vhost workers too, until it is resumed.

        Raises:
            GuestError: If libvirt refuses.
        """
        self._hypervisor.suspend(self.plan.name)

    def resume(self) -> None:
        """Let it go on.

        Raises:
            GuestError: If libvirt refuses.
        """
        self._hypervisor.resume(self.plan.name)

    def reboot(self) -> None:
        """Reset it, and return once it answers again.

        Raises:
            GuestError: If it does not answer in time.
        """
        self._hypervisor.reset(self.plan.name)
        # QEMU resets soon after it was told to: until the guest falls silent, it is
        # the old one that answers.
        self._connect()
        deadline = time.monotonic() + self._timeout_s
        while self.beat(_SILENCE_S) is not None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        self._wait_for_life()

    def kill(self) -> None:
        """Kill its QEMU, and return once that has ended.

        Raises:
            GuestError: If it does not end in time.
        """
        self._disconnect()
        try:
            process = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            ended, _, _ = select.select([process], [], [], self._timeout_s)
        finally:
            os.close(process)
        if not ended:
            raise GuestError(
                f"QEMU of guest {self.plan.name} (pid {self.pid}) was killed and goes on",
                hint=f"`cat /proc/{self.pid}/stack` tells where it hangs in the kernel",
            )

    def start_again(self) -> None:
        """Start it after its QEMU ended, and return once it answers.

        Raises:
            GuestError: If libvirt refuses, or it does not answer in time.
        """
        self._hypervisor.start_again(self.plan.name, self._timeout_s)
        self.pid = self._read_pid()
        self._wait_for_life()

    def stop(self) -> None:
        """End the domain and forget it."""
        self._disconnect()
        self._hypervisor.remove(self.plan.name)

    def _is_lost(self) -> bool:
        try:
            return self.derailed()
        except GuestError:  # its QEMU is gone
            return False

    def _read_pid(self) -> int:
        return int((_PIDS / f"{self.plan.name}.pid").read_text())

    def _connect(self) -> None:
        # Anew each time: what a guest was asked before a reset it will never answer.
        self._disconnect()
        self._control = GuestControl(self.plan.name, self._spec.control)

    def _disconnect(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None

    def _wait_for_life(self) -> None:
        self._connect()
        deadline = time.monotonic() + self._timeout_s
        while self.beat(_BEAT_S) is None:
            if time.monotonic() > deadline:
                raise GuestError(
                    f"guest {self.plan.name} gave no sign of life within "
                    f"{self._timeout_s:g} s; last on its console: {self.last_words()}",
                    hint="the machine may be overloaded: see `uptime`, then try again",
                )


class VfwdGuest:
    """A process that drives two vhost-net devices as a forwarder; its taps exist.

    Raises:
        GuestError: If it does not say that it is ready.
    """

    def __init__(self, plan: GuestPlan, files: GuestFiles, *, cpus: str | None) -> None:
        self.plan = plan
        self._page = VfwdPage()
        a, b = plan.interfaces
        argv = [
            str(files.vfwd),
            a.tap, b.tap, a.mac, b.mac, a.station_mac, b.station_mac, self._page.path,
        ]  # fmt: skip
        if cpus is not None:
            argv = ["taskset", "-c", cpus, *argv]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.startswith("READY"):
            self.stop()
            raise GuestError(
                f"{plan.name} (vfwd) did not become ready: {said.strip() or 'it ended'}",
                hint="its message is on the lab's console; is vhost_net loaded?",
            )

    def beat(self, timeout_s: float) -> int | None:
        """Ask for a heartbeat: it comes once the process gets CPU."""
        return self._page.beat(self.pid, timeout_s)

    def counters(self, timeout_s: float) -> tuple[int, ...] | None:
        """Return the counters; they are at hand, whether the process runs or not."""
        del timeout_s
        return (*self._page.counters(), self.pid)

    def stop(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._page.close()
