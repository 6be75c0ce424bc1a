# SPDX-License-Identifier: Apache-2.0
"""A sample: every counter of the host under test, read at one moment.

All are running totals, as the kernel keeps them; ``ledger`` and ``cpu`` subtract.
Plain integers and strings in plain containers, so that a sample crosses the lab's
control channel as JSON.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NetdevCounts:
    """``/sys/class/net/<dev>/statistics``, of a NIC, bridge or tap [frames]."""

    rx_packets: int
    rx_dropped: int
    rx_missed: int
    rx_errors: int
    tx_packets: int
    tx_dropped: int
    tx_errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadTime:
    """``/proc/<pid>/task/<tid>/schedstat`` of one thread."""

    owner: str
    """``vcpu``, ``vhost``, ``qemu``, ``ksoftirqd``, ``napi`` or ``vfwd``."""
    name: str
    """As shown: ``nfv0 vcpu 0``, ``nfv0:1 vhost``, ``ksoftirqd/0``."""
    run_ns: int
    wait_ns: int
    """Runnable, but waiting for a CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestCounts:
    """What the guest itself counts, told over its control channel."""

    interfaces: tuple[NetdevCounts, NetdevCounts]
    ip_forwarded: int
    """``/proc/net/snmp`` Ip ForwDatagrams."""
    ip_dropped: int
    """InDiscards + OutDiscards + OutNoRoutes + InHdrErrors + InAddrErrors."""
    boot: int
    """Another one after each start of the guest: its kernel's boot_id, or a process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseCounts:
    """What a guest's hardware frame queue counts [frames]; see `kmod/spec/nai.yaml`."""

    rx_packets: int
    """Delivered to the guest; its tap's tx_packets have them too."""
    rx_drops: int
    """Dropped after the NIC had delivered them to memory."""
    starved: int
    """Times the guest had no descriptor for a waiting frame."""
    irqs: int
    tx_packets: int = 0
    """Of the guest, sent by the queue; its tap's rx_packets have them too."""
    tx_drops: int = 0
    """Of the guest, neither sent by the queue nor left to the tap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Every counter of the host under test at one moment."""

    at_ns: int
    """CLOCK_MONOTONIC of the host under test [ns]."""
    netdevs: dict[str, NetdevCounts]
    """By name, in this order: the NIC on wire A, that on wire B, bridges, taps."""
    softnet_dropped: tuple[int, ...]
    """Per CPU, ``/proc/net/softnet_stat`` column 2 (backlog full)."""
    softnet_squeezed: tuple[int, ...]
    """Per CPU, column 3: ran out of budget or time with work left."""
    cpu_ticks: dict[str, tuple[int, ...]]
    """``/proc/stat`` lines ``cpu0`` ...: user nice system idle iowait irq softirq steal."""
    threads: dict[str, ThreadTime]
    """By thread id."""
    idle_ns: int
    """Time the datapath CPU had nothing but the SCHED_IDLE counter to run [ns]."""
    timer_late_worst_ns: int
    """Worst lateness of a 10 ms timer on the datapath CPU since the last sample [ns]."""
    interrupts: dict[str, int]
    """By name, of the NICs' vectors, all CPUs together."""
    kvm: dict[str, int]
    """``/sys/kernel/debug/kvm`` totals: exits, irq_exits, halt_exits, ...; empty if absent."""
    guests: dict[str, GuestCounts | None]
    """By guest name; None when the guest did not answer in time."""
    leases: dict[str, LeaseCounts]
    """By tap; empty while every frame comes through the taps."""
    guests_at_ns: int
    """When the guests' answers were in [ns]; they are asked last."""
    seeded: dict[str, int] = field(default_factory=dict)
    """Of the leases' rx_packets, written by the NIC to the guest's own buffers, by tap;
    of leases in mode seed alone."""
    guarded: dict[str, int] = field(default_factory=dict)
    """Frames that the guard dropped at the NIC, by tap; empty without mode xdp."""
    settings: dict[str, str] = field(default_factory=dict)
    """How the receive path is set, as the kernel says: see `settings`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How far the datapath CPU has come; next to nothing to read, unlike a sample."""

    at_ns: int
    """CLOCK_MONOTONIC of the host under test [ns]."""
    idle_ns: int
    """As in a sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeats:
    """How a guest answered on its control channel while it was watched."""

    asked: int
    answered: int
    worst_ns: int
    """Longest time to an answer; of an unanswered one, the time waited so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pings:
    """Echo requests from the host to a guest; they always go through the tap."""

    asked: int
    rtts_ns: tuple[int, ...]
    """Round trip of each that was answered, in the order of the answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """Whether the host and its guests stayed responsive while they were watched."""

    heartbeats: dict[str, Heartbeats]
    """By guest name."""
    timer_late_worst_ns: int
    """Worst lateness of a 10 ms timer on the datapath CPU [ns]."""
    pings: dict[str, Pings] = field(default_factory=dict)
    """By tap."""
