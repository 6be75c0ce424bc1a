# SPDX-License-Identifier: Apache-2.0
"""A trial: one load for one duration, and what came of it at the wires.

Loads follow RFC 2285: *intended* is what was asked of the generator, *offered* what it
really sent. Directions are named for the wires: ``a_to_b`` is sent on wire A and
collected on wire B. Sizes include the FCS, which the wire itself does not carry here.
"""

from dataclasses import dataclass

from vhostaccel.scenario.model import FrameMix
from vhostaccel.units import FramesPerSecond, Seconds

DIRECTIONS = ("a_to_b", "b_to_a")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionLoad:
    """What is sent in one direction to some guests."""

    rate: FramesPerSecond
    """Intended load, all guests and flows together [frames/s]; 0 sends nothing."""
    guests: tuple[int, ...] = (0,)
    """Numbers of the guests whose virtual NICs the frames are addressed to, in turn."""
    flows: int = 16
    """Flows per guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """One load for one duration; each direction's loads are for guests of their own."""

    a_to_b: tuple[DirectionLoad, ...]
    b_to_a: tuple[DirectionLoad, ...]
    frames: FrameMix
    flood: Seconds
    window: Seconds
    """The last part of the flood, in which rates and latency are measured."""
    drain: Seconds
    """After the flood: at most this long until the wires are silent."""
    quiet: Seconds = Seconds(0.5)
    """Silence on both wires for this long ends the drain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """When what happens in a trial, CLOCK_MONOTONIC [ns]."""

    begins_ns: int
    opens_ns: int
    """The window opens."""
    closes_ns: int
    """The window closes and the flood ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One-way delay of the frames collected in the window [ns]."""

    p50: int
    p99: int
    worst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCount:
    """What became of one flow over the whole trial, drain included."""

    guest: int
    flow: int
    sent: int
    collected: int
    """Distinct frames."""
    lost: int
    duplicated: int
    reordered: int
    """Frames that arrived after one with a higher sequence number (RFC 4737 type-P)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestResult:
    """What one direction did for one guest in the window."""

    guest: int
    offered_fps: float
    """Sent to it [frames/s]."""
    egress_fps: float
    """Collected from it [frames/s]."""
    latency: Latency | None
    """None when nothing was collected from it in the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionResult:
    """What one direction did, counted at its two wires, all its loads together."""

    intended_fps: int
    offered_fps: float
    """Sent in the window [frames/s]."""
    egress_fps: float
    """Collected in the window [frames/s]."""
    intended_count: int
    sent_count: int
    """Frames the wire took, over the whole flood."""
    shed_count: int
    """Frames the generator could not send in time: intended - sent."""
    collected_count: int
    """Frames with our mark collected, duplicates included, drain included."""
    lost_count: int
    duplicated_count: int
    reordered_count: int
    other_count: int
    """Frames without our mark on the collecting wire (ARP, multicast, ...)."""
    latency: Latency | None
    """None when nothing was collected in the window."""
    flows: tuple[FlowCount, ...]
    guests: tuple[GuestResult, ...] = ()
    """By the guests' numbers; empty in records of before guests were told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """Both directions of a trial."""

    a_to_b: DirectionResult
    b_to_a: DirectionResult
    flood_s: float
    """Length of the flood as measured [s]."""
    window_s: float
    """Length of the window as measured [s]."""
    drain_s: float
    """From the last frame sent to the last frame collected [s]."""
    drained: bool
    """False when the wires were not silent within the limit."""
