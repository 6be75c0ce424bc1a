# SPDX-License-Identifier: Apache-2.0
"""The probe: reads every counter of the host under test, and watches that it lives.

Runs inside the host under test, perhaps under emulation: the standard library only.
"""

import mmap
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from vhostaccel.errors import LabError, VhostAccelError
from vhostaccel.observe import counters
from vhostaccel.observe.ping import Pingers
from vhostaccel.observe.sample import (
    GuestCounts,
    Heartbeats,
    LeaseCounts,
    Liveness,
    Pings,
    Sample,
    Tally,
)

_PAGE_BYTES = 4096
_MAGIC = 0x70636176
_IDLE, _DUE, _EPOCH, _LATE = 8, 16, 24, 32
_START_TIMEOUT_S = 20.0
GAP_US = 20
"""Longer than a step of the idle counter while nothing else runs."""
_POLL_S = 0.01
_GUEST_ANSWER_S = 1.0
_BEAT_EVERY_S = 0.2
_BEAT_LIMIT_S = 2.0
_BEAT_GIVE_UP_S = 10.0
_PING_EVERY_S = 1.0
_QUICK_PING_S = 0.05


class CpuProbe:
    """The program ``cpuprobe`` on one CPU, and the page it writes.

    Args:
        program: its binary.
        cpu: the CPU it measures.
        gap_us: what takes longer between two looks at the clock is not idleness.
    """

    def __init__(self, program: Path, cpu: int, gap_us: int = GAP_US) -> None:
        # Shared by mapping, so it must be a file that stays until both have it.
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
            file.truncate(_PAGE_BYTES)
            self._page = mmap.mmap(file.fileno(), _PAGE_BYTES)
            self._process = subprocess.Popen(
                (str(program), str(cpu), file.name, str(gap_us)),
                stdin=subprocess.DEVNULL,
            )
            deadline = time.monotonic() + _START_TIMEOUT_S
            while self._read("I", 0) != _MAGIC:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise LabError(
                        f"{program} did not start on CPU {cpu}",
                        hint="its message is on the lab's console",
                    )
                time.sleep(_POLL_S)

    def is_running(self) -> bool:
        """Return whether it still counts."""
        return self._process.poll() is None

    def idle_ns(self) -> int:
        """Return how long the CPU has had nothing else to run [ns]."""
        return self._read("Q", _IDLE)

    def take_late_worst_ns(self) -> int:
        """Return the worst lateness since the last call, and start anew [ns].

        Two slots take turns, so that a lateness written meanwhile is not lost.
        """
        epoch = self._read("Q", _EPOCH)
        struct.pack_into("Q", self._page, _LATE + 8 * ((epoch + 1) % 2), 0)
        struct.pack_into("Q", self._page, _EPOCH, epoch + 1)
        worst = self._read("Q", _LATE + 8 * (epoch % 2))
        # A timer that is still waiting to run has not written how late it is.
        return max(worst, time.monotonic_ns() - self._read("Q", _DUE), 0)

    def stop(self) -> None:
        """End the program."""
        self._process.terminate()
        self._process.wait()
        self._page.close()

    def _read(self, kind: str, offset: int) -> int:
        value: int = struct.unpack_from(kind, self._page, offset)[0]
        return value


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
        read_leases: reads the counters of the leased frame queues, by tap.
        pinged: address and bridge of the guests' interfaces, by tap.
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
        read_leases: Callable[[], dict[str, LeaseCounts]],
        pinged: Mapping[str, tuple[str, str]],
        gap_us: int = GAP_US,
    ) -> None:
        self._gap_us = gap_us
        self._pinged = dict(pinged)
        self._pingers = Pingers({}, _PING_EVERY_S)
        self._read_leases = read_leases
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
        leases = self._read_leases()
        # While a guest is watched it is being asked already.
        guests = {
            name: None if self._is_watching else self._ask_guest(name, _GUEST_ANSWER_S)
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
            for tap, target in self._pinged.items()
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
        pingers = Pingers(self._pinged, _QUICK_PING_S)
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


class Watcher:
    """Asks one guest for heartbeats until it is told to end."""

    def __init__(self, name: str, beat: Callable[[str, float], int | None]) -> None:
        self._name = name
        self._beat = beat
        self._lock = threading.Lock()
        self._asked = 0
        self._answered = 0
        self._worst_ns = 0
        self._silent_since_ns: int | None = None
        self._is_out = False
        self._seen: Heartbeats | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop_asking(self) -> None:
        """Fix what was seen; a question that is still out counts by its silence alone."""
        with self._lock:
            self._ended.set()
            if self._seen is None:
                self._seen = self._so_far()

    def end(self) -> Heartbeats:
        """Stop asking, and return how it answered."""
        self.stop_asking()
        self._thread.join(_BEAT_GIVE_UP_S)
        assert self._seen is not None
        return self._seen

    def _so_far(self) -> Heartbeats:
        worst_ns = self._worst_ns
        if self._silent_since_ns is not None:
            worst_ns = max(worst_ns, time.monotonic_ns() - self._silent_since_ns)
        # A question that is still out was not given its time; its silence counts above.
        asked = self._asked - self._is_out
        return Heartbeats(asked=asked, answered=self._answered, worst_ns=worst_ns)

    def _watch(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                self._asked += 1
                self._is_out = True
                # One long silence, however many questions it leaves unanswered.
                if self._silent_since_ns is None:
                    self._silent_since_ns = time.monotonic_ns()
            try:
                took_ns = self._beat(self._name, _BEAT_LIMIT_S)
            except VhostAccelError:
                # A guest that is gone does not answer; its owner reports why.
                took_ns = None
            self._note(is_answered=took_ns is not None)
            self._ended.wait(_BEAT_EVERY_S)

    def _note(self, *, is_answered: bool) -> None:
        with self._lock:
            self._is_out = False
            if not is_answered:
                return
            assert self._silent_since_ns is not None
            silent_ns = time.monotonic_ns() - self._silent_since_ns
            self._answered += 1
            self._worst_ns = max(self._worst_ns, silent_ns)
            self._silent_since_ns = None
