# SPDX-License-Identifier: Apache-2.0
"""A point: one trial of one mode, with everything that was observed around it."""

from dataclasses import dataclass, field

from vhostaccel.observe.sample import Liveness
from vhostaccel.scenario.model import Action
from vhostaccel.traffic.trial import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One place a frame passes, in the order of the path [frames over the whole trial]."""

    name: str
    """``wire sent``, ``nic received``, ``tap delivered``, ..."""
    frames: int
    """Frames that left this place toward the next."""
    dropped: int
    """Frames this place says it dropped, by a counter of its own."""
    source: str
    """Where the figures come from: ``nfv0-0 tx_packets, tx_dropped``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Conservation of one direction: offered = delivered + every drop + residual."""

    hops: tuple[Hop, ...]
    offered: int
    delivered: int
    dropped: dict[str, int]
    """By place: ``nic``, ``softnet``, ``bridge``, ``tap``, ``guest``, ``tap return``, ``nic transmit``."""
    residual: int
    """offered - delivered - all drops; negative when more came out than is explained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuShares:
    """Who had the datapath CPU in the window, as shares of the window's length.

    Threads come from schedstat, which bills softirq time to the thread it interrupted;
    ``idle`` from the SCHED_IDLE counter; ``softirq`` from ticks. They need not add up to 1.
    """

    idle: float
    softirq: float
    owners: dict[str, float]
    """By owner: ``ksoftirqd``, ``vhost``, ``vcpu``, ``qemu``, ``napi``, ``vfwd``."""
    threads: dict[str, float]
    """By thread name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisturbanceResult:
    """What came of the disturbance of one trial."""

    action: Action
    asked: int
    """Repetitions."""
    done: int
    """Those that ended well; the first that did not was the last."""
    took_s: float
    failures: tuple[str, ...]
    """What went wrong, and what was not as before afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """What the host under test executed in a trial, from silence to silence."""

    elapsed: int
    """All instructions, the SCHED_IDLE counter's too."""
    busy: int
    """All but the SCHED_IDLE counter's."""
    reading: int
    """Those of `busy` that reading the counters took."""


_COUNTED = (Action.STALL, Action.UNLOAD)
"""After any other action counters have begun anew, or counted frames that are not ours,
or a port was down, which loses frames that none of our counters has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One trial of one mode."""

    mode: str
    sweep: int
    """Number of the repetition, from 0."""
    purpose: str
    """``idle``, ``solo``, ``sweep`` or ``recovery``."""
    rate: int
    """Intended load per direction, the neighbours' not included [frames/s]."""
    started: str
    """Wall clock, ISO 8601."""
    trial: TrialResult
    a_to_b: Ledger
    b_to_a: Ledger
    cpu: CpuShares
    interrupts_per_s: dict[str, float]
    """Of the NICs' vectors, in the window."""
    kvm_exits_per_s: float
    liveness: Liveness
    generator_run_delay: float
    """Share of the flood in which the lab's datapath vCPU waited for a CPU of ours."""
    void: str | None
    """Why this point says nothing, or None."""
    disturbance: DisturbanceResult | None = None
    instructions: Instructions | None = None
    """None unless the lab counts instructions; the CPU shares are then of the trial."""
    settings: dict[str, str] = field(default_factory=dict)
    """How the host's receive path was set in the window, as its kernel said."""
    zero_copy: float | None = None
    """Share of the frames of the guests' queues that the NIC wrote to the guests' own
    buffers; None but in mode seed."""

    @property
    def is_counted(self) -> bool:
        """Whether the ledgers can hold: the counters saw all, and only our frames."""
        return self.disturbance is None or self.disturbance.action in _COUNTED

    @property
    def offered_fps(self) -> float:
        """Offered load per direction, mean of the directions that were driven."""
        return _mean_driven(self.trial, "offered_fps")

    @property
    def egress_fps(self) -> float:
        """Forwarding rate per direction, mean of the directions that were driven."""
        return _mean_driven(self.trial, "egress_fps")


def _mean_driven(trial: TrialResult, field: str) -> float:
    driven = [d for d in (trial.a_to_b, trial.b_to_a) if d.intended_fps]
    return sum(getattr(d, field) for d in driven) / len(driven) if driven else 0.0
