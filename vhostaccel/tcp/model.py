# SPDX-License-Identifier: Apache-2.0
"""What TCP through the guest is measured with, and what came of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from vhostaccel.scenario.model import GuestSpec, LabSpec

CONGESTION_CONTROL = "cubic"
"""Asked for by name, so that the machine's own default does not decide."""
MTU = 1500
_BY_QUEUE = ("copy", "copy-tx", "seed")


class Role(StrEnum):
    """What a station does with its streams."""

    SENDER = "sender"
    RECEIVER = "receiver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A mode, and whether the NICs of the host under test merge what they receive."""

    mode: str
    gro: bool

    @property
    def name(self) -> str:
        """How reports call it; GRO matters where frames pass the NIC's driver."""
        if self.mode in _BY_QUEUE:
            return self.mode
        return f"{self.mode}, GRO {'on' if self.gro else 'off'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidRule:
    """When a trial says nothing about the host, fixed before it runs."""

    shed_share: float = 0.001
    """Void when the stations' own devices dropped more of the frames than this share."""
    foreign_share: float = 0.1
    """Void when others had more than this share of the machine's CPU time, or the
    hypervisor below it took that."""
    attempts: int = 3
    """A void trial is tried again at once; so many trials at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSpec:
    """The whole of a measurement."""

    modes: tuple[str, ...] = ("tap", "copy")
    streams: tuple[int, ...] = (1, 8)
    repeats: int = 5
    seconds: float = 8.0
    """Length of a trial; all but its first `warm_up` is the window."""
    warm_up: float = 1.0
    rule: VoidRule = VoidRule()
    lab: LabSpec = field(default_factory=LabSpec)
    guest: GuestSpec = field(default_factory=GuestSpec)

    @property
    def ways(self) -> tuple[Way, ...]:
        """Those that take turns."""
        return tuple(
            Way(mode=mode, gro=gro)
            for mode in self.modes
            for gro in ((True,) if mode in _BY_QUEUE else (True, False))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What one stream delivered to the receiving program in the window."""

    port: int
    """The sender's."""
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What TCP_INFO of one stream's sender says."""

    port: int
    retransmits: int
    """Segments sent again in the window."""
    segments: int
    """Segments with data sent in the window, those sent again included."""
    rtt_us: int
    """Smoothed, where the window closes."""
    cwnd: int
    """Congestion window where the window closes [segments]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What the sending station says of a trial."""

    streams: tuple[Sent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """What the receiving station says of a trial."""

    window_ns: int
    """As measured, from reading to reading."""
    streams: tuple[Received, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounts:
    """What a station's device has counted so far [frames]."""

    sent: int
    received: int
    shed: int
    """Given up because the wire did not take them in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One stream of a trial."""

    goodput_mbps: float
    retransmits: int
    segments: int
    rtt_us: int
    cwnd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpTrial:
    """One trial: so many streams, one way, one turn."""

    way: Way
    streams: tuple[Stream, ...]
    turn: int
    attempt: int
    window_s: float
    goodput_mbps: float
    """Delivered to the receiving program in the window, all streams [Mbit/s]."""
    retransmits: int
    segments: int
    segments_per_frame_in: float
    """TCP segments on wire B for each frame that the guest received on its side A."""
    segments_per_frame_out: float
    """TCP segments on wire B for each frame that the guest sent on its side B."""
    lost_in_nic: int
    """Frames of wire A, whole trial."""
    lost_in_tap: int
    """Frames towards the guest's side A, whole trial; a merged one counts once."""
    sent_frames: int
    """By the stations' devices, both together, whole trial."""
    shed_frames: int
    foreign_share: float
    """Of the machine's CPU time in the trial, had by others."""
    lab_run_delay: float
    """Share of the trial that the lab's datapath CPU waited for one of the machine's."""
    void: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpRun:
    """A measurement, as its record holds it."""

    spec: TcpSpec
    environment: dict[str, str]
    command: str
    started: str
    duration_s: float
    trials: tuple[TcpTrial, ...]
    left_over: tuple[str, ...]
    """What could not be undone on the host under test."""
    warnings: tuple[str, ...]
    """What its kernel complained of."""
    complete: bool
