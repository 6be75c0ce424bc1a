# SPDX-License-Identifier: Apache-2.0
"""Guests from their start to their end, of either kind, behind one small interface."""

import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vhostaccel.errors import GuestError
from vhostaccel.guests.control import GuestControl
from vhostaccel.guests.domain import DomainSpec, domain_xml
from vhostaccel.guests.hypervisor import Hypervisor
from vhostaccel.guests.plan import GuestPlan
from vhostaccel.guests.vfwd import VfwdPage
from vhostaccel.units import Bytes

_RUN = Path("/run/vhostaccel")
_PIDS = Path("/run/libvirt/qemu")
_BEAT_S = 2.0


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
        hypervisor.start(plan.name, domain_xml(spec))
        self.pid = int((_PIDS / f"{plan.name}.pid").read_text())
        self._control = GuestControl(plan.name, spec.control)
        deadline = time.monotonic() + timeout_s
        while self._control.beat(_BEAT_S) is None:
            if time.monotonic() > deadline:
                said = spec.console.read_text(errors="replace")[-300:].strip()
                self.stop()
                raise GuestError(
                    f"guest {plan.name} gave no sign of life within {timeout_s:g} s; "
                    f"last on its console: {said or '(nothing)'}",
                    hint="the machine may be overloaded: see `uptime`, then try again",
                )

    def beat(self, timeout_s: float) -> int | None:
        """Ask for a heartbeat."""
        return self._control.beat(timeout_s)

    def counters(self, timeout_s: float) -> tuple[int, ...] | None:
        """Ask for the counters."""
        values = self._control.counters(timeout_s)
        return None if values is None else tuple(values)

    def stop(self) -> None:
        """End the domain and forget it."""
        self._control.close()
        self._hypervisor.remove(self.plan.name)


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
        return self._page.counters()

    def stop(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._page.close()
