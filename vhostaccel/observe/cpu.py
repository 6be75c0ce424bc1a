# SPDX-License-Identifier: Apache-2.0
"""Who had the datapath CPU between two samples, and how often it was interrupted."""

from collections import defaultdict

from vhostaccel.observe.point import CpuShares, Instructions
from vhostaccel.observe.sample import Sample, Tally

_DATAPATH = "cpu0"
_KSOFTIRQD = "ksoftirqd/0"
_SOFTIRQ = 6
"""Column of ``/proc/stat``: user nice system idle iowait irq softirq steal."""


def shares(earlier: Sample, later: Sample) -> CpuShares:
    """Return each owner's share of the time between the samples."""
    elapsed_ns = max(1, later.at_ns - earlier.at_ns)
    owners: defaultdict[str, float] = defaultdict(float)
    threads: dict[str, float] = {}
    for tid, now in later.threads.items():
        before = earlier.threads.get(tid)
        run_ns = now.run_ns - (before.run_ns if before is not None else 0)
        # The other CPUs' softirqs take nothing from the datapath's.
        if now.owner != "ksoftirqd" or now.name == _KSOFTIRQD:
            owners[now.owner] += run_ns / elapsed_ns
        threads[now.name] = threads.get(now.name, 0.0) + run_ns / elapsed_ns
    return CpuShares(
        idle=(later.idle_ns - earlier.idle_ns) / elapsed_ns,
        softirq=_tick_share(earlier, later, _SOFTIRQ),
        owners=dict(owners),
        threads=threads,
    )


def instructions(first: Tally, second: Tally, last: Tally) -> Instructions:
    """Return what was executed from the second tally to the last.

    Where instructions are counted, one of them takes one nanosecond.

    Args:
        first: read right before the second, so that they tell what reading takes.
        second: read before the trial.
        last: read after it.
    """
    elapsed = last.at_ns - second.at_ns
    reading = second.at_ns - first.at_ns
    return Instructions(
        elapsed=elapsed,
        busy=elapsed - (last.idle_ns - second.idle_ns),
        reading=reading - (second.idle_ns - first.idle_ns),
    )


def interrupts_per_s(earlier: Sample, later: Sample) -> dict[str, float]:
    """Return the rate of every interrupt vector of the NICs [1/s]."""
    return {
        name: (count - earlier.interrupts.get(name, 0)) / _elapsed_s(earlier, later)
        for name, count in later.interrupts.items()
    }


def exits_per_s(earlier: Sample, later: Sample) -> float:
    """Return how often guests left to the hypervisor [1/s]; 0 where KVM tells nothing."""
    moved = later.kvm.get("exits", 0) - earlier.kvm.get("exits", 0)
    return moved / _elapsed_s(earlier, later)


def _elapsed_s(earlier: Sample, later: Sample) -> float:
    return max(1, later.at_ns - earlier.at_ns) / 1e9


def _tick_share(earlier: Sample, later: Sample, column: int) -> float:
    before, now = earlier.cpu_ticks[_DATAPATH], later.cpu_ticks[_DATAPATH]
    total = sum(now) - sum(before)
    return (now[column] - before[column]) / total if total else 0.0
