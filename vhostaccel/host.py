# SPDX-License-Identifier: Apache-2.0
"""The host under test as one object: made ready, observed, and left as it was found.

`LocalHost` is the machine it runs on and needs root there. In the lab the agent holds
one, and the pipeline outside calls it through `RemoteHost`; both have the same methods.
"""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vhostaccel.codec import from_plain, to_plain
from vhostaccel.command import run
from vhostaccel.guests.hypervisor import Hypervisor
from vhostaccel.guests.lifecycle import Guest, GuestFiles, VfwdGuest, VmGuest
from vhostaccel.guests.plan import BRIDGES, NIC_MACS, GuestPlan, plan_guest
from vhostaccel.lab.channel import Channel
from vhostaccel.lab.libvirtd import Libvirtd, start_libvirtd
from vhostaccel.lab.network import (
    Network,
    Nic,
    find_nic,
    offloads,
    remaining_taps,
    ring_sizes,
)
from vhostaccel.lab.state import HostState
from vhostaccel.modes.mode import MODES
from vhostaccel.observe.probe import Probe
from vhostaccel.observe.sample import GuestCounts, Liveness, NetdevCounts, Sample
from vhostaccel.scenario.model import GuestKind, GuestSpec, Placement

DATAPATH_CPU = 0
_GUEST_TIMEOUT_S = 180.0

Says = Callable[[Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """What the host under test is made ready for."""

    mode: str
    placement: Placement
    threaded_napi: bool
    guest: GuestSpec
    kernel_image: str
    guest_image: str
    vfwd: str
    cpuprobe: str
    anchor: str | None
    """The companion module for emulated NICs, or None on real ones."""


class Host(Protocol):
    """The host under test, near or far."""

    def prepare(self, spec: HostSpec) -> dict[str, str]:
        """Set up NICs, bridges, guests and mode; return what it is made of."""

    def sample(self) -> Sample:
        """Read every counter."""

    def watch(self) -> None:
        """Start to watch the guests' heartbeats and the host's own timer."""

    def watched(self) -> Liveness:
        """Stop to watch, and return what was seen."""

    def finish(self) -> tuple[str, ...]:
        """Undo everything; return what could not be undone or is left over."""


class LocalHost:
    """The machine this runs on."""

    def __init__(self, says: Says = lambda _: None) -> None:
        self._says = says
        self._state = HostState()
        self._guests: list[Guest] = []
        self._probe: Probe | None = None
        self._mode = MODES["tap"]
        self._plans: tuple[GuestPlan, ...] = ()

    def prepare(self, spec: HostSpec) -> dict[str, str]:
        """Set up NICs, bridges, guests and mode; return what it is made of.

        Raises:
            LabError: If a NIC, module or setting is missing.
            GuestError: If a guest does not come up.
            SkipError: If the mode cannot be had here.
        """
        self._mode = MODES[spec.mode]
        self._plans = tuple(map(plan_guest, range(spec.guest.count)))
        for module in ("igb", "tun", "bridge", _kvm_module()):
            run(("modprobe", module), hint=f"the kernel has no module {module}")
        if spec.anchor is not None:
            run(("insmod", spec.anchor), hint="`make setup` builds it anew")
        self._mode.prepare()
        nics = tuple(map(find_nic, NIC_MACS))
        network = Network(self._state)
        for bridge, nic in zip(BRIDGES, nics, strict=True):
            network.add_bridge(bridge, nic)
            if spec.threaded_napi:
                self._state.write(nic.folder / "threaded", "1")
        if spec.placement is Placement.ONE_CPU:
            self._place_on_one_cpu(nics)
        versions = self._start_guests(spec, network)
        for plan in self._plans:
            for interface in plan.interfaces:
                self._mode.attach(interface)
        self._start_probe(spec, nics)
        return _environment(nics) | versions

    def sample(self) -> Sample:
        """Read every counter."""
        return self._running_probe().sample()

    def watch(self) -> None:
        """Start to watch the guests' heartbeats and the host's own timer."""
        self._running_probe().watch()

    def watched(self) -> Liveness:
        """Stop to watch, and return what was seen."""
        return self._running_probe().watched()

    def finish(self) -> tuple[str, ...]:
        """Undo everything; return what could not be undone or is left over."""
        left = [
            leftover
            for plan in self._plans
            for interface in plan.interfaces
            for leftover in self._mode.detach(interface)
        ]
        left += self._state.undo()
        left += [f"tap {name} is still there" for name in remaining_taps("nfv")]
        return tuple(left)

    def _place_on_one_cpu(self, nics: tuple[Nic, ...]) -> None:
        for nic in nics:
            for number in (nic.folder / "device" / "msi_irqs").iterdir():
                path = Path("/proc/irq") / number.name / "smp_affinity_list"
                if path.exists():
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
        daemon: Libvirtd = start_libvirtd()
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

    def _start_probe(self, spec: HostSpec, nics: tuple[Nic, ...]) -> None:
        netdevs = [nic.name for nic in nics] + list(BRIDGES)
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
        )
        self._state.defer("end the probe", self._probe.stop)
        self._probe.start()

    def _running_probe(self) -> Probe:
        if self._probe is None:
            raise RuntimeError("prepare() comes first")
        return self._probe


class RemoteHost:
    """The host under test inside the lab, called through the lab's channel."""

    def __init__(self, channel: Channel, says: Says) -> None:
        self._channel = channel
        self._says = says

    def prepare(self, spec: HostSpec) -> dict[str, str]:
        """As `LocalHost.prepare`."""
        facts = self._channel.call(
            "prepare", spec=to_plain(spec), says=self._says, timeout_s=600.0
        )
        return from_plain(dict[str, str], facts)

    def sample(self) -> Sample:
        """As `LocalHost.sample`."""
        return from_plain(Sample, self._channel.call("sample"))

    def watch(self) -> None:
        """As `LocalHost.watch`."""
        self._channel.call("watch")

    def watched(self) -> Liveness:
        """As `LocalHost.watched`."""
        return from_plain(Liveness, self._channel.call("watched"))

    def finish(self) -> tuple[str, ...]:
        """As `LocalHost.finish`."""
        left = self._channel.call("finish", timeout_s=120.0)
        return tuple(str(leftover) for leftover in left)


class HostServer:
    """Answers the calls of a `RemoteHost`; the agent makes one."""

    def __init__(self, says: Says) -> None:
        del says
        self._host: LocalHost | None = None

    def serve(self, name: str, arguments: dict[str, Any], says: Says) -> Any:
        """Do what a call asks for and return its plain result."""
        if name == "prepare":
            self._host = LocalHost(says)
            return self._host.prepare(from_plain(HostSpec, arguments["spec"]))
        calls: dict[str, Callable[[], object]] = {}
        if self._host is not None:
            host = self._host
            calls = {
                "sample": host.sample,
                "watch": host.watch,
                "watched": host.watched,
                "finish": host.finish,
            }
        if name not in calls:
            raise RuntimeError(f"no call {name}, or prepare() has not come first")
        result = calls[name]()
        return None if result is None else to_plain(result)


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


def _kvm_module() -> str:
    flags = Path("/proc/cpuinfo").read_text()
    return "kvm-intel" if " vmx " in flags else "kvm-amd"


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
