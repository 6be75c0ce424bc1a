# SPDX-License-Identifier: Apache-2.0
"""The guests of the host under test: all started, and each asked by its name."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vhostaccel.errors import LabError
from vhostaccel.follow.hook_file import install_hook
from vhostaccel.guests.hypervisor import Hypervisor
from vhostaccel.guests.lifecycle import Guest, GuestFiles, VfwdGuest, VmGuest
from vhostaccel.guests.plan import GuestPlan, Interface, Link, plan_guest
from vhostaccel.lab.libvirtd import Libvirtd, start_libvirtd
from vhostaccel.lab.network import Network
from vhostaccel.lab.state import HostState
from vhostaccel.local.placement import guest_cpus
from vhostaccel.local.spec import HostSpec
from vhostaccel.observe.sample import GuestCounts, NetdevCounts
from vhostaccel.patience import limit_s
from vhostaccel.scenario.model import GuestKind

_GUEST_TIMEOUT_S = 180.0

Says = Callable[[Any], None]


class Guests:
    """All guests of a host.

    Args:
        spec: what the host is made ready for.
        state: is told how each guest is ended.
        says: is told what happens.
    """

    def __init__(self, spec: HostSpec, state: HostState, says: Says) -> None:
        self.plans: tuple[GuestPlan, ...] = tuple(
            map(plan_guest, range(spec.guest.count))
        )
        self._spec = spec
        self._state = state
        self._says = says
        self._running: dict[str, Guest] = {}
        self.link = Link.TAP

    @property
    def interfaces(self) -> Iterator[Interface]:
        """Yield the virtual NICs of all guests."""
        return (interface for plan in self.plans for interface in plan.interfaces)

    @property
    def processes(self) -> dict[int, str]:
        """Return the names of the guests by the process that carries each."""
        return {guest.pid: name for name, guest in self._running.items()}

    @property
    def pinged(self) -> dict[str, tuple[str, str]]:
        """Return address and bridge, by tap, of all virtual NICs that answer a ping.

        Who is on a macvtap cannot be reached from the host itself.
        """
        if self._spec.guest.kind is GuestKind.VFWD or self.link is Link.MACVTAP:
            return {}
        return {i.tap: (i.address, i.bridge) for i in self.interfaces}

    def start(self, network: Network) -> dict[str, str]:
        """Start them all; return the versions of what runs them.

        Raises:
            LabError: If a tap cannot be made.
            GuestError: If libvirt or a guest does not come up.
        """
        spec = self._spec
        cpus = guest_cpus(spec.placement)
        files = GuestFiles(
            kernel_image=Path(spec.kernel_image),
            image=Path(spec.guest_image),
            vfwd=Path(spec.vfwd),
        )
        if spec.guest.kind is GuestKind.VFWD:
            for plan in self.plans:
                for interface in plan.interfaces:
                    network.add_tap(interface.tap, interface.bridge)
                self._add(VfwdGuest(plan, files, cpus=cpus))
            return {}
        return self._start_vms(files, cpus)

    def relink(
        self, link: Link, ports: tuple[str, ...], rewire: Callable[[], None]
    ) -> None:
        """Start all guests anew, their virtual NICs joined to the host otherwise.

        Args:
            link: how.
            ports: the host's NIC port for each virtual NIC of a guest.
            rewire: changes the host's network; called while no guest runs.

        Raises:
            GuestError: If libvirt refuses, or a guest does not answer in time.
        """
        guests = [self.vm(plan.number) for plan in self.plans]
        for guest in guests:
            guest.stop()
        rewire()
        self.link = link
        for guest in guests:
            guest.start(link, ports)

    def vm(self, number: int) -> VmGuest:
        """Return a guest that can be disturbed.

        Raises:
            LabError: If it is no VM.
        """
        guest = self._running[self.plans[number].name]
        if not isinstance(guest, VmGuest):
            raise LabError(
                f"guest {guest.plan.name} cannot be disturbed: it is no VM",
                hint='write kind = "vm" in [guest]',
            )
        return guest

    def beat(self, name: str, timeout_s: float) -> int | None:
        """Return how long a guest's heartbeat took [ns], or None if none came in time."""
        return self._running[name].beat(timeout_s)

    def counters(self, name: str, timeout_s: float) -> GuestCounts | None:
        """Return a guest's counters, or None if they did not come in time."""
        values = self._running[name].counters(timeout_s)
        return None if values is None else _counts(values)

    def last_words(self, name: str) -> str:
        """Return the end of what a guest has printed on its console; a process has none."""
        guest = self._running[name]
        return guest.last_words() if isinstance(guest, VmGuest) else ""

    def derailed(self) -> tuple[str, ...]:
        """Return the names of the guests whose registers an emulated host has lost.

        Raises:
            GuestError: If libvirt or QEMU does not answer.
        """
        return tuple(
            name
            for name, guest in self._running.items()
            if isinstance(guest, VmGuest) and guest.derailed()
        )

    def _start_vms(self, files: GuestFiles, cpus: str | None) -> dict[str, str]:
        spec = self._spec
        self._says("starting libvirt")
        daemon: Libvirtd = start_libvirtd(install_hook if spec.libvirt_hook else None)
        self._state.defer("end libvirtd", daemon.stop)
        hypervisor = Hypervisor()
        self._state.defer("leave libvirt", hypervisor.close)
        for plan in self.plans:
            self._says(f"starting guest {plan.name}")
            started = time.monotonic()
            guest = VmGuest(
                plan,
                hypervisor,
                files,
                memory=spec.guest.memory,
                cpus=cpus,
                timeout_s=limit_s(_GUEST_TIMEOUT_S),
            )
            self._add(guest)
            took_s = time.monotonic() - started
            self._says(f"guest {plan.name} answers after {took_s:.1f} s")
        version = hypervisor.version()
        return {"libvirt": version.libvirt, "guest QEMU": version.qemu}

    def _add(self, guest: Guest) -> None:
        self._running[guest.plan.name] = guest
        self._state.defer(f"end guest {guest.plan.name}", guest.stop)


def _counts(values: tuple[int, ...]) -> GuestCounts:
    fields = (
        "rx_packets", "rx_dropped", "rx_missed", "rx_errors",
        "tx_packets", "tx_dropped", "tx_errors",
    )  # fmt: skip
    a, b = values[:7], values[7:14]
    return GuestCounts(
        interfaces=(
            NetdevCounts(**dict(zip(fields, a, strict=True))),
            NetdevCounts(**dict(zip(fields, b, strict=True))),
        ),
        ip_forwarded=values[14],
        ip_dropped=values[15],
        boot=values[16],
    )
