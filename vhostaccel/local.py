# SPDX-License-Identifier: Apache-2.0
"""The machine this runs on as the host under test; needs root there."""

import os
import platform
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vhostaccel.command import run
from vhostaccel.disturb import Site, disturb
from vhostaccel.errors import LabError, VhostAccelError
from vhostaccel.guests.hypervisor import Hypervisor
from vhostaccel.guests.lifecycle import Guest, GuestFiles, VfwdGuest, VmGuest
from vhostaccel.guests.plan import BRIDGES, NIC_MACS, GuestPlan, Interface, plan_guest
from vhostaccel.lab import drivers
from vhostaccel.lab.libvirtd import Libvirtd, start_libvirtd
from vhostaccel.lab.network import (
    Network,
    Nic,
    find_nic,
    offloads,
    remaining_taps,
    ring_sizes,
    set_gro,
)
from vhostaccel.lab.state import HostState
from vhostaccel.modes.table import MODES
from vhostaccel.nai.hook_file import install_hook
from vhostaccel.observe.cpuprobe import GAP_US
from vhostaccel.observe.point import DisturbanceResult
from vhostaccel.observe.probe import Probe
from vhostaccel.observe.sample import (
    GuestCounts,
    LeaseCounts,
    Liveness,
    NetdevCounts,
    Pings,
    Sample,
    Tally,
)
from vhostaccel.scenario.model import DisturbanceSpec, GuestKind, GuestSpec, Placement

DATAPATH_CPU = 0
_GUEST_TIMEOUT_S = 180.0
_ICOUNT_GAP_US = 1
"""A thousand instructions: less than any interrupt, more than a step of the counter."""
_STOCK = ("tun", "igb", "vhost_net")

Says = Callable[[Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """What the host under test is made ready for."""

    modes: tuple[str, ...]
    """Those that `use` will be asked for."""
    placement: Placement
    threaded_napi: bool
    guest: GuestSpec
    kernel_image: str
    guest_image: str
    vfwd: str
    cpuprobe: str
    anchor: str | None
    """The companion module for emulated NICs, or None on real ones."""
    modules: str | None
    """Folder of the project's own modules, or None for the distribution's."""
    icount: bool = False
    """Whether its clock counts instructions."""
    libvirt_hook: bool = False
    """Whether libvirt starts with our hook in its place."""


class LocalHost:
    """The machine this runs on."""

    def __init__(self, says: Says = lambda _: None) -> None:
        self._says = says
        self._state = HostState()
        self._guests: list[Guest] = []
        self._probe: Probe | None = None
        self._mode = MODES["tap"]
        self._attached: list[Interface] = []
        self._plans: tuple[GuestPlan, ...] = ()
        self._nics: tuple[Nic, ...] = ()
        self._network: Network | None = None
        self._modules: tuple[str, ...] = ()
        self._one_cpu = False

    def prepare(self, spec: HostSpec) -> dict[str, str]:
        """Set up NICs, bridges and guests; return what it is made of.

        Raises:
            LabError: If a NIC, module or setting is missing.
            GuestError: If a guest does not come up.
            SkipError: If a mode cannot be had here.
        """
        self._plans = tuple(map(plan_guest, range(spec.guest.count)))
        drivers.load(None if spec.modules is None else Path(spec.modules))
        if spec.anchor is not None:
            run(("insmod", spec.anchor), hint="`make setup` builds it anew")
        for mode in spec.modes:
            MODES[mode].prepare()
        self._nics = tuple(map(find_nic, NIC_MACS))
        network = self._network = Network(self._state)
        self._modules = _STOCK if spec.modules is None else drivers.OWN
        for index, nic in enumerate(self._nics):
            network.add_bridge(BRIDGES[index], nic)
            for plan in self._plans:
                interface = plan.interfaces[index]
                network.add_station(nic, interface.station_mac)
                network.add_address(BRIDGES[index], interface.host_address)
            if spec.threaded_napi:
                self._state.write(nic.folder / "threaded", "1")
        self._one_cpu = spec.placement is Placement.ONE_CPU
        self._place()
        versions = self._start_guests(spec, network)
        self._start_probe(spec)
        return _environment(self._nics) | versions | drivers.describe(spec.modules)

    def use(self, mode: str) -> None:
        """Give the running guests their frames this way from now on.

        Raises:
            GuestError: If one cannot; those before it are back on ``tap`` then.
            LabError: If the mode before left something behind.
        """
        left = self._leave_mode()
        if left:
            raise LabError(
                f"mode {self._mode.name} left behind: {'; '.join(left)}",
                hint="`vhostaccel lab up`, then look with `vhostaccel lab shell`",
            )
        self._mode = MODES[mode]
        try:
            for interface in self._interfaces():
                self._attach(interface)
        except VhostAccelError:
            self._leave_mode()
            raise
        # A mode may make NIC queues anew, and their interrupts with them.
        self._place()

    def sample(self) -> Sample:
        """Read every counter."""
        return self._running_probe().sample()

    def tally(self) -> Tally:
        """Read how far the datapath CPU has come."""
        return self._running_probe().tally()

    def watch(self, leave_out: Collection[str] = ()) -> None:
        """Start to watch the heartbeats of all guests but some, and the host's timer."""
        self._running_probe().watch(leave_out)

    def disturb(self, spec: DisturbanceSpec) -> DisturbanceResult:
        """Disturb a guest or the host around it, and see whether all is as before.

        Raises:
            LabError: If the guest is no VM.
        """
        return disturb(self._site(spec.guest), spec)

    def watched(self) -> Liveness:
        """Stop to watch, and return what was seen."""
        return self._running_probe().watched()

    def ping(self, count: int) -> dict[str, Pings]:
        """Ping the guests through their taps, so often; return what came back."""
        return self._running_probe().ping(count)

    def set_gro(self, *, on: bool) -> None:
        """Let the NICs merge what they receive from now on, or not.

        Raises:
            LabError: If a driver refuses.
        """
        for nic in self._nics:
            set_gro(self._state, nic.name, on=on)

    def finish(self) -> tuple[str, ...]:
        """Undo everything; return what could not be undone or is left over."""
        left = list(self._leave_mode())
        left += self._state.undo()
        left += [f"tap {name} is still there" for name in remaining_taps("nfv")]
        return tuple(left)

    def _interfaces(self) -> Iterator[Interface]:
        return (interface for plan in self._plans for interface in plan.interfaces)

    def _site(self, number: int) -> Site:
        guest, network = self._guests[number], self._network
        if not isinstance(guest, VmGuest) or network is None:
            raise LabError(
                f"guest {guest.plan.name} cannot be disturbed: it is no VM",
                hint='write kind = "vm" in [guest]',
            )
        return Site(
            guest=guest,
            ports=network,
            nics=tuple(nic.name for nic in self._nics),
            bridges=BRIDGES,
            modules=self._modules,
            attach=self._attach,
            detach=self._detach,
            leases=lambda: self._mode.leases(),
            remaining=lambda: remaining_taps("nfv"),
            place=self._place,
            moved=lambda: self._running_probe().follow(guest.plan.name, guest.pid),
        )

    def _attach(self, interface: Interface) -> None:
        self._mode.attach(interface)
        if interface not in self._attached:
            self._attached.append(interface)

    def _detach(self, interface: Interface) -> tuple[str, ...]:
        if interface in self._attached:
            self._attached.remove(interface)
        return self._mode.detach(interface)

    def _leave_mode(self) -> tuple[str, ...]:
        left: list[str] = []
        while self._attached:
            left += self._mode.detach(self._attached.pop())
        left += self._mode.leave()
        return tuple(left)

    def _place(self) -> None:
        if not self._one_cpu:
            return
        for nic in self._nics:
            for number in (nic.folder / "device" / "msi_irqs").iterdir():
                path = Path("/proc/irq") / number.name / "smp_affinity_list"
                if path.exists() and path.read_text().strip() != str(DATAPATH_CPU):
                    self._state.write(path, str(DATAPATH_CPU))
            for thread in _threads_named(f"napi/{nic.name}-"):
                os.sched_setaffinity(thread, {DATAPATH_CPU})

    def _start_guests(self, spec: HostSpec, network: Network) -> dict[str, str]:
        cpus = str(DATAPATH_CPU) if spec.placement is Placement.ONE_CPU else None
        files = GuestFiles(
            kernel_image=Path(spec.kernel_image),
            image=Path(spec.guest_image),
            vfwd=Path(spec.vfwd),
        )
        if spec.guest.kind is GuestKind.VFWD:
            for plan in self._plans:
                for interface in plan.interfaces:
                    network.add_tap(interface.tap, interface.bridge)
                self._add(VfwdGuest(plan, files, cpus=cpus))
            return {}
        self._says("starting libvirt")
        daemon: Libvirtd = start_libvirtd(install_hook if spec.libvirt_hook else None)
        self._state.defer("end libvirtd", daemon.stop)
        hypervisor = Hypervisor()
        self._state.defer("leave libvirt", hypervisor.close)
        for plan in self._plans:
            self._says(f"starting guest {plan.name}")
            started = time.monotonic()
            guest = VmGuest(
                plan,
                hypervisor,
                files,
                memory=spec.guest.memory,
                cpus=cpus,
                timeout_s=_GUEST_TIMEOUT_S,
            )
            self._add(guest)
            took_s = time.monotonic() - started
            self._says(f"guest {plan.name} answers after {took_s:.1f} s")
        version = hypervisor.version()
        return {"libvirt": version.libvirt, "guest QEMU": version.qemu}

    def _add(self, guest: Guest) -> None:
        self._guests.append(guest)
        self._state.defer(f"end guest {guest.plan.name}", guest.stop)

    def _start_probe(self, spec: HostSpec) -> None:
        netdevs = [nic.name for nic in self._nics] + list(BRIDGES)
        for plan in self._plans:
            netdevs += [interface.tap for interface in plan.interfaces]
        by_name = {guest.plan.name: guest for guest in self._guests}
        self._probe = Probe(
            cpuprobe=Path(spec.cpuprobe),
            datapath_cpu=DATAPATH_CPU,
            netdevs=netdevs,
            processes={guest.pid: guest.plan.name for guest in self._guests},
            ask_guest=lambda name, timeout_s: _counts(by_name[name], timeout_s),
            beat=lambda name, timeout_s: by_name[name].beat(timeout_s),
            read_leases=self._leases,
            pinged={}
            if spec.guest.kind is GuestKind.VFWD
            else {i.tap: (i.address, i.bridge) for i in self._interfaces()},
            gap_us=_ICOUNT_GAP_US if spec.icount else GAP_US,
        )
        self._state.defer("end the probe", self._probe.stop)
        self._probe.start()

    def _leases(self) -> dict[str, LeaseCounts]:
        return {
            tap: LeaseCounts(
                rx_packets=lease.stats.rx_packets,
                rx_hw_drops=lease.stats.rx_hw_drops,
                starved=lease.stats.starved,
                irqs=lease.stats.irqs,
            )
            for tap, lease in self._mode.leases().items()
        }

    def _running_probe(self) -> Probe:
        if self._probe is None:
            raise RuntimeError("prepare() comes first")
        return self._probe


def _counts(guest: Guest, timeout_s: float) -> GuestCounts | None:
    values = guest.counters(timeout_s)
    if values is None:
        return None
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
    )


def _threads_named(prefix: str) -> list[int]:
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = comm.read_text()
        except OSError:
            continue
        if name.startswith(prefix):
            found.append(int(comm.parent.name))
    return found


def _environment(nics: tuple[Nic, ...]) -> dict[str, str]:
    first = nics[0]
    napi = (first.folder / "threaded").read_text().strip()
    queues = len(list((first.folder / "queues").glob("rx-*")))
    return {
        "host kernel": platform.release(),
        "host CPUs": str(os.cpu_count()),
        "NIC": f"{first.driver}, {queues} rx queues, threaded NAPI {napi}",
        "NIC rings": "rx {}, tx {} descriptors".format(*ring_sizes(first.name)),
        "NIC offloads": offloads(first.name),
    }
