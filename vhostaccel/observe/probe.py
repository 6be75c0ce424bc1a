# SPDX-License-Identifier: Apache-2.0
"""The probe: reads every counter of the host under test, and watches that it lives.

Runs inside the host under test, perhaps under emulation: the standard library only.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from vhostaccel.errors import LabError
from vhostaccel.observe import counters
from vhostaccel.observe.cpuprobe import GAP_US, CpuProbe
from vhostaccel.observe.ping import Pingers
from vhostaccel.observe.sample import (
    GuestCounts,
    LeaseCounts,
    Liveness,
    Pings,
    Sample,
    Tally,
)
from vhostaccel.observe.watcher import Watcher
from vhostaccel.patience import limit_s

_GUEST_ANSWER_S = 1.0
_PING_EVERY_S = 1.0
_QUICK_PING_S = 0.05


class Probe:
    """Reads every counter of the host under test.

    Args:
        cpuprobe: binary of the program ``cpuprobe``.
        datapath_cpu: the CPU that the datapath runs on.
        netdevs: NICs, bridges and taps to count at.
        processes: guest names by process id.
        ask_guest: asks a guest for its counters, given name and limit [s].
        beat: asks a guest for a heartbeat, given name and limit [s]; returns the time
            to the answer [ns], or None.
        read_leases: reads the counters of the leased frame queues, by tap, and how many
            of their frames the NIC wrote to the guest itself.
        read_guarded: reads how many frames the guard dropped at the NIC, by tap.
        read_settings: reads how the receive path is set.
        pinged: tells address and bridge of the guests' interfaces, by tap.
        gap_us: the longest step of the clock that counts as idle.
    """

    def __init__(
        self,
        *,
        cpuprobe: Path,
        datapath_cpu: int,
        netdevs: Sequence[str],
        processes: Mapping[int, str],
        ask_guest: Callable[[str, float], GuestCounts | None],
        beat: Callable[[str, float], int | None],
        read_leases: Callable[[], tuple[dict[str, LeaseCounts], dict[str, int]]],
        read_guarded: Callable[[], dict[str, int]] = dict,
        read_settings: Callable[[], dict[str, str]] = dict,
        pinged: Callable[[], Mapping[str, tuple[str, str]]],
        gap_us: int = GAP_US,
    ) -> None:
        self._gap_us = gap_us
        self._pinged = pinged
        self._pingers = Pingers({}, _PING_EVERY_S)
        self._read_leases = read_leases
        self._read_guarded = read_guarded
        self._read_settings = read_settings
        self._program = cpuprobe
        self._cpu = datapath_cpu
        self._netdevs = tuple(netdevs)
        self._processes = dict(processes)
        self._ask_guest = ask_guest
        self._watchers: dict[str, Watcher] = {}
        self._is_watching = False
        self._beat = beat
        self._cpuprobe: CpuProbe | None = None
        self._sample_late_ns = 0
        self._watch_late_ns = 0

    def start(self) -> None:
        """Start what has to run to be read.

        Raises:
            LabError: If it does not start.
        """
        self._cpuprobe = CpuProbe(self._program, self._cpu, self._gap_us)

    def stop(self) -> None:
        """End what runs."""
        for watcher in self._watchers.values():
            watcher.end()
        self._pingers.end()
        if self._cpuprobe is not None:
            self._cpuprobe.stop()

    def sample(self) -> Sample:
        """Read every counter; the guests are asked last.

        Raises:
            LabError: If ``cpuprobe`` has ended: its counters would stand still.
        """
        self._take_lateness()
        late_ns, self._sample_late_ns = self._sample_late_ns, 0
        dropped, squeezed = counters.parse_softnet(
            counters.read_proc("net/softnet_stat")
        )
        threads = counters.kernel_threads()
        for pid, guest in self._processes.items():
            threads |= counters.guest_threads(pid, guest)
        at_ns, idle_ns = time.monotonic_ns(), self._running().idle_ns()
        netdevs = {name: counters.read_netdev(name) for name in self._netdevs}
        interrupts = counters.parse_interrupts(
            counters.read_proc("interrupts"), self._netdevs
        )
        ticks = counters.parse_cpu_ticks(counters.read_proc("stat"))
        kvm = counters.read_kvm()
        leases, seeded = self._read_leases()
        guarded = self._read_guarded()
        # While a guest is watched it is being asked already.
        guests = {
            name: None
            if self._is_watching
            else self._ask_guest(name, limit_s(_GUEST_ANSWER_S))
            for name in self._processes.values()
        }
        return Sample(
            at_ns=at_ns,
            netdevs=netdevs,
            softnet_dropped=dropped,
            softnet_squeezed=squeezed,
            cpu_ticks=ticks,
            threads=threads,
            idle_ns=idle_ns,
            timer_late_worst_ns=late_ns,
            interrupts=interrupts,
            kvm=kvm,
            guests=guests,
            leases=leases,
            seeded=seeded,
            guarded=guarded,
            settings=self._read_settings(),
            guests_at_ns=time.monotonic_ns(),
        )

    def tally(self) -> Tally:
        """Read clock and idle counter alone."""
        return Tally(at_ns=time.monotonic_ns(), idle_ns=self._running().idle_ns())

    def follow(self, name: str, pid: int) -> None:
        """Go on with a guest that has another process now."""
        self._processes = {
            pid if guest == name else process: guest
            for process, guest in self._processes.items()
        }

    def watch(self, leave_out: Collection[str] = ()) -> None:
        """Begin to watch the guests' heartbeats and the host's own timer.

        Args:
            leave_out: names of guests that are not asked; they will not answer.
        """
        self._take_lateness()
        self._watch_late_ns = 0
        self._is_watching = True
        self._watchers = {
            name: Watcher(name, self._beat)
            for name in self._processes.values()
            if name not in leave_out
        }
        pinged = {
            tap: target
            for tap, target in self._pinged().items()
            if tap.rpartition("-")[0] not in leave_out
        }
        self._pingers = Pingers(pinged, _PING_EVERY_S)

    def watched(self) -> Liveness:
        """Stop watching, and return what was seen."""
        self._take_lateness()
        for watcher in self._watchers.values():
            watcher.stop_asking()
        beats = {name: watcher.end() for name, watcher in self._watchers.items()}
        self._watchers = {}
        self._is_watching = False
        pings = self._pingers.end()
        return Liveness(
            heartbeats=beats, timer_late_worst_ns=self._watch_late_ns, pings=pings
        )

    def ping(self, count: int) -> dict[str, Pings]:
        """Ping every guest's interfaces so often, quickly, and return what came back."""
        pingers = Pingers(self._pinged(), _QUICK_PING_S)
        time.sleep(count * _QUICK_PING_S)
        return pingers.end()

    def _take_lateness(self) -> None:
        """Give what the timer has seen to both who report it, each from its own start."""
        late_ns = self._running().take_late_worst_ns()
        self._sample_late_ns = max(self._sample_late_ns, late_ns)
        self._watch_late_ns = max(self._watch_late_ns, late_ns)

    def _running(self) -> CpuProbe:
        if self._cpuprobe is None:
            raise RuntimeError("start() comes first")
        if not self._cpuprobe.is_running():
            raise LabError(
                f"{self._program} on CPU {self._cpu} has ended",
                hint="its message is on the lab's console; was it killed?",
            )
        return self._cpuprobe
