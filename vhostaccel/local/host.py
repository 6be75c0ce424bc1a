# SPDX-License-Identifier: Apache-2.0
"""The machine this runs on as the host under test; needs root there."""

import os
import platform
from collections.abc import Collection
from pathlib import Path

from vhostaccel.command import run
from vhostaccel.disturb import Site, disturb
from vhostaccel.errors import LabError, VhostAccelError
from vhostaccel.guard.client import dropped_by_tap
from vhostaccel.guests.plan import BRIDGES, NIC_MACS, Interface, Link
from vhostaccel.lab import drivers
from vhostaccel.lab.ethtool import offloads, ring_sizes, set_gro
from vhostaccel.lab.leaks import report_leaks
from vhostaccel.lab.network import (
    Network,
    Nic,
    find_nic,
    remaining_taps,
)
from vhostaccel.lab.state import HostState
from vhostaccel.local.guests import Guests, Says
from vhostaccel.local.placement import DATAPATH_CPU, put_on_datapath_cpu
from vhostaccel.local.spec import HostSpec, Prepared
from vhostaccel.local.wiring import add_stations, rewire
from vhostaccel.modes.mode import prepare_modes
from vhostaccel.modes.table import MODES
from vhostaccel.observe.cpuprobe import GAP_US
from vhostaccel.observe.point import DisturbanceResult
from vhostaccel.observe.probe import Probe
from vhostaccel.observe.sample import LeaseCounts, Liveness, Pings, Sample, Tally
from vhostaccel.observe.settings import read_settings
from vhostaccel.scenario.model import DisturbanceSpec, Placement

_ICOUNT_GAP_US = 1
"""A thousand instructions: less than any interrupt, more than a step of the counter."""
_STOCK = ("tun", "igb", "vhost_net")


class LocalHost:
    """The machine this runs on."""

    def __init__(self, says: Says = lambda _: None) -> None:
        self._says = says
        self._state = HostState()
        self._guests: Guests | None = None
        self._probe: Probe | None = None
        self._mode = MODES["tap"]
        self._attached: list[Interface] = []
        self._nics: tuple[Nic, ...] = ()
        self._network: Network | None = None
        self._modules: tuple[str, ...] = ()
        self._placed = False

    def prepare(self, spec: HostSpec) -> Prepared:
        """Set up NICs, bridges and guests; return what it is made of.

        Raises:
            LabError: If a NIC, module or setting is missing.
            GuestError: If a guest does not come up.
            SkipError: If none of the modes can be had here.
        """
        guests = self._guests = Guests(spec, self._state, self._says)
        drivers.load(spec.modules)
        if spec.anchor is not None:
            run(("insmod", spec.anchor), hint="`make setup` builds it anew")
        lacks = prepare_modes(map(MODES.__getitem__, spec.modes), spec.guest.kind)
        self._nics = tuple(map(find_nic, NIC_MACS))
        network = self._network = Network(self._state)
        self._modules = _STOCK if spec.modules is None else drivers.OWN
        for index, nic in enumerate(self._nics):
            network.add_bridge(BRIDGES[index], nic)
            for plan in guests.plans:
                network.add_address(BRIDGES[index], plan.interfaces[index].host_address)
            if spec.threaded_napi:
                self._state.write(nic.folder / "threaded", "1")
        add_stations(network, self._nics, guests.plans)
        self._placed = spec.placement is not Placement.SPREAD
        self._place()
        versions = guests.start(network)
        self._start_probe(spec, guests)
        facts = _environment(self._nics) | versions | drivers.describe(spec.modules)
        return Prepared(facts=facts, lacks=lacks)

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
        self._relink(self._mode.link)
        try:
            for interface in self._prepared_guests().interfaces:
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

    def last_words(self, guest: str) -> str:
        """Return the end of what a guest has printed on its console."""
        return self._prepared_guests().last_words(guest)

    def derailed(self) -> tuple[str, ...]:
        """Return the names of the guests whose registers an emulated host has lost."""
        return self._prepared_guests().derailed()

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
        report_leaks()
        left += [f"tap {name} is still there" for name in remaining_taps("nfv")]
        return tuple(left)

    def _site(self, number: int) -> Site:
        guest, network = self._prepared_guests().vm(number), self._network
        assert network is not None
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

    def _relink(self, link: Link) -> None:
        """Join the guests to the host this way, unless they are."""
        guests, network = self._prepared_guests(), self._network
        before = guests.link
        if link is before:
            return
        assert network is not None
        guests.relink(
            link,
            tuple(nic.name for nic in self._nics),
            lambda: rewire(
                network, self._nics, guests.plans, before=before, after=link
            ),
        )
        for pid, name in guests.processes.items():
            self._running_probe().follow(name, pid)

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
        if self._placed:
            put_on_datapath_cpu(self._nics, self._state)

    def _start_probe(self, spec: HostSpec, guests: Guests) -> None:
        netdevs = [nic.name for nic in self._nics] + list(BRIDGES)
        netdevs += [interface.tap for interface in guests.interfaces]
        self._probe = Probe(
            cpuprobe=Path(spec.cpuprobe),
            datapath_cpu=DATAPATH_CPU,
            netdevs=netdevs,
            processes=guests.processes,
            ask_guest=guests.counters,
            beat=guests.beat,
            read_leases=self._leases,
            read_guarded=dropped_by_tap,
            read_settings=self._settings,
            pinged=lambda: guests.pinged,
            gap_us=_ICOUNT_GAP_US if spec.icount else GAP_US,
        )
        self._state.defer("end the probe", self._probe.stop)
        self._probe.start()

    def _settings(self) -> dict[str, str]:
        guests = self._prepared_guests()
        return read_settings(
            [nic.name for nic in self._nics],
            [interface.tap for interface in guests.interfaces],
            guests.processes,
        )

    def _leases(self) -> tuple[dict[str, LeaseCounts], dict[str, int]]:
        stats = {tap: lease.stats for tap, lease in self._mode.leases().items()}
        counts = {
            tap: LeaseCounts(
                rx_packets=told.rx_packets,
                rx_drops=told.rx_drops,
                starved=told.starved,
                irqs=told.irqs,
                tx_packets=told.tx_packets or 0,
                tx_drops=told.tx_drops or 0,
            )
            for tap, told in stats.items()
        }
        seeded = {
            tap: told.rx_seeded
            for tap, told in stats.items()
            if told.rx_seeded is not None
        }
        return counts, seeded

    def _prepared_guests(self) -> Guests:
        if self._guests is None:
            raise RuntimeError("prepare() comes first")
        return self._guests

    def _running_probe(self) -> Probe:
        if self._probe is None:
            raise RuntimeError("prepare() comes first")
        return self._probe


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
