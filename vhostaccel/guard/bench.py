# SPDX-License-Identifier: Apache-2.0
"""What a dropped frame costs: in a full tap's ring, and at the guard.

The kernel runs the guard on frames of its own (BPF_PROG_TEST_RUN, live frames): those
that it passes go the whole way through bridge and tap. Measured is the CPU time of that
one thread, to which all of it is charged. There is no DMA and no descriptor of a NIC in
it, and caches are warm: the costs are lower bounds, and so are their differences.
"""

import ctypes
import json
import os
import platform
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from vhostaccel.codec import from_plain, to_plain
from vhostaccel.errors import SetupError
from vhostaccel.guard import libbpf
from vhostaccel.guard.build import find_object
from vhostaccel.guard.datapath import KernelDatapath, can_cast
from vhostaccel.guard.stage import Stage, Tap, frame, mac_of, on_stage, wire_bytes

_LIVE_FRAMES = 1 << 1
"""BPF_F_TEST_XDP_LIVE_FRAMES, linux/bpf.h, since 5.18."""
_BATCH = 64
_RING = 1000
_CONTEXT = struct.Struct("=6I")
"""struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress."""
_ENGAGED_S = 3600.0
_LEAST_DROPPED = 0.99
"""Of all frames; some are probes."""
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a frame costs that goes one way."""

    name: str
    what: str
    runs_ns: tuple[float, ...]
    """CPU time for each frame, of each repetition [ns]."""

    @property
    def median_ns(self) -> float:
        """The middle one of the repetitions [ns]."""
        return float(median(self.runs_ns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What was measured, and on what."""

    kernel: str
    cpu: str
    load: float
    """Runnable processes of the machine before it began, mean over a minute."""
    frames: int
    """Of each repetition."""
    costs: tuple[Cost, ...]


def run_bench(repeats: int, frames: int) -> Bench:
    """Measure on a stage, the ways in turns.

    Args:
        repeats: repetitions of each way.
        frames: of each repetition.

    Raises:
        SetupError: If this kernel cannot run it.
    """
    argv = on_stage("-m", "vhostaccel.guard.bench", str(repeats), str(frames))
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise SetupError(
            f"the bench ended with {done.returncode}: {last}",
            hint="it needs root, name spaces, /dev/net/tun and Linux 5.18",
        )
    return from_plain(Bench, json.loads(done.stdout))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One thing that happens to a frame."""

    name: str
    what: str
    cast: bool
    engaged: bool
    full: bool
    """Whether the tap's ring is; frames are dropped then, else they are passed."""


class _Measured:
    """A way, on the stage, and what it cost so far."""

    def __init__(self, stage: Stage, tap: Tap, way: _Way) -> None:
        self.way = way
        self.runs_ns: list[float] = []
        self._stage, self._tap = stage, tap
        self._datapath = KernelDatapath(find_object(), cast=way.cast)
        (file,) = self._datapath.taps()
        self._datapath.add_guest(0, stage.nic, wire_bytes(mac_of(0)), file)

    def measure(self, frames: int) -> None:
        """Measure once."""
        self._tap.read()
        if self.way.full:
            self._stage.send(*[frame(mac_of(0))] * (2 * _RING))
        link = self._datapath.add_port(self._stage.nic)
        until_ns = int((time.monotonic() + _ENGAGED_S) * 1e9)
        for cpu in range(libbpf.cpus()):
            self._datapath.engage(cpu, until_ns if self.way.engaged else 0)
        before = self._dropped()
        if self.way.full:
            self.runs_ns.append(self._run_live(frames))
            dropped = self._dropped() - before
            assert dropped >= frames * _LEAST_DROPPED, f"only {dropped} were dropped"
        else:
            self.runs_ns.append(self._run_alone(frames))
            assert self._dropped() == before, "some were dropped"
        self._datapath.remove_port(self._stage.nic, link)

    def _dropped(self) -> int:
        if self.way.engaged:
            return self._datapath.guest_counts(0).dropped
        return self._tap.dropped

    def _run_live(self, frames: int) -> float:
        began_ns = time.thread_time_ns()
        self._run(frames, flags=_LIVE_FRAMES, batch_size=_BATCH)
        return (time.thread_time_ns() - began_ns) / frames

    def _run_alone(self, frames: int) -> float:
        """Run the program and nothing around it; the kernel measures."""
        return float(self._run(frames).duration)

    def _run(self, frames: int, **how: int) -> libbpf.RunOptions:
        content = frame(mac_of(0))
        context = _CONTEXT.pack(0, len(content), 0, self._stage.nic, 0, 0)
        options = libbpf.RunOptions(
            data_in=ctypes.cast(ctypes.create_string_buffer(content), ctypes.c_void_p),
            data_size_in=len(content),
            ctx_in=ctypes.cast(ctypes.create_string_buffer(context), ctypes.c_void_p),
            ctx_size_in=len(context),
            repeat=frames,
            **how,
        )
        libbpf.run_program(self._datapath.program, options)
        return options


def _ways() -> list[_Way]:
    ways = [
        _Way(name="tap", what="dropped by bridge and tap, whose ring is full",
             cast=can_cast(), engaged=False, full=True),
        _Way(name="xdp", what="dropped by the guard, with bpf_probe_read_kernel",
             cast=False, engaged=True, full=True),
    ]  # fmt: skip
    if can_cast():
        ways.append(
            _Way(name="xdp", what="dropped by the guard, with bpf_rdonly_cast",
                 cast=True, engaged=True, full=True)
        )  # fmt: skip
    passed = "passed by the guard (the program alone)"
    return [
        *ways,
        _Way(name="xdp", what=f"{passed}: not engaged",
             cast=can_cast(), engaged=False, full=False),
        _Way(name="xdp", what=f"{passed}: engaged, the ring has room",
             cast=can_cast(), engaged=True, full=False),
    ]  # fmt: skip


def _measure(repeats: int, frames: int) -> Bench:
    load = os.getloadavg()[0]
    stage = Stage()
    tap = stage.add_tap(0, ring=_RING)
    measured = [_Measured(stage, tap, way) for way in _ways()]
    for _ in range(repeats):
        for one in measured:
            one.measure(frames)
    return Bench(
        kernel=platform.release(),
        cpu=_cpu(),
        load=load,
        frames=frames,
        costs=tuple(
            Cost(name=one.way.name, what=one.way.what, runs_ns=tuple(one.runs_ns))
            for one in measured
        ),
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    print(json.dumps(to_plain(_measure(*map(int, sys.argv[1:])))))
