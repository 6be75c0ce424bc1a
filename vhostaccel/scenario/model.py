# SPDX-License-Identifier: Apache-2.0
"""A scenario: what is built, what is thrown at it, and what must come of it."""

from dataclasses import dataclass
from enum import StrEnum

from vhostaccel.units import Bytes, FramesPerSecond, Seconds


class Placement(StrEnum):
    """Where the datapath (NIC interrupts, vhost workers, guest threads) runs."""

    ONE_CPU = "one-cpu"
    """All of it on CPU 0; the control channel keeps the other CPUs."""
    TWO_CPU = "two-cpu"
    """NIC interrupts on CPU 0, vhost workers and guest threads on CPU 1."""
    SPREAD = "spread"
    """Wherever the kernel puts it."""


class GuestKind(StrEnum):
    """What stands at the end of the datapath."""

    VM = "vm"
    """A KVM guest started through libvirt."""
    VFWD = "vfwd"
    """A process that drives two vhost-net devices; no VM."""


class FrameMix(StrEnum):
    """Layer-2 sizes including FCS."""

    SMALL = "64 B"
    LARGE = "1518 B"
    IMIX = "IMIX"
    """Seven frames of 64 B, four of 594 B, one of 1518 B (the "simple IMIX")."""


class Directions(StrEnum):
    """Which wires are flooded."""

    BOTH = "both"
    A_TO_B = "a-to-b"
    B_TO_A = "b-to-a"


class Action(StrEnum):
    """What happens to one guest, or to the host around it, in the middle of a flood."""

    REATTACH = "reattach"
    """Every virtual NIC of the guest leaves its mode and takes it up again."""
    STALL = "stall"
    """The guest's virtual CPU stands still; its vhost workers go on."""
    SUSPEND = "suspend"
    """libvirt suspends the guest and resumes it."""
    REBOOT = "reboot"
    """libvirt resets the guest."""
    KILL = "kill"
    """The guest's QEMU is killed, and the guest started again."""
    LINK_FLAP = "link-flap"
    """The NIC ports are set down and up."""
    MTU = "mtu"
    """The NIC ports get another MTU, and their own back."""
    RENEGOTIATE = "renegotiate"
    """The NIC ports negotiate their links anew."""
    UNLOAD = "unload"
    """Somebody tries to unload the modules that the datapath runs on."""
    BROADCAST = "broadcast"
    """The host broadcasts on the bridges of the guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisturbanceSpec:
    """What disturbs the highest load of every sweep, from where its window opens."""

    action: Action
    count: int = 1
    """Repetitions, one after the other."""
    hold: Seconds = Seconds(5.0)
    """How long the guest stays suspended, stalled or dead, or the broadcast lasts."""
    guest: int = 0
    """Number of the guest; the others are its neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSpec:
    """The host under test."""

    cpus: int = 2
    memory: Bytes = Bytes(3 << 30)
    placement: Placement = Placement.ONE_CPU
    threaded_napi: bool = False
    icount: bool = False
    """Count instructions instead of time (QEMU ``-icount``); not with a VM guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSpec:
    """The guests on it."""

    kind: GuestKind = GuestKind.VM
    count: int = 1
    memory: Bytes = Bytes(256 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSpec:
    """The sweep: every rate once per repetition, in the order given."""

    rates: tuple[FramesPerSecond, ...]
    """Intended load per direction [frames/s], lowest first."""
    directions: Directions = Directions.BOTH
    frames: FrameMix = FrameMix.SMALL
    flows: int = 16
    """Flows per direction and guest."""
    flood: Seconds = Seconds(8.0)
    """Length of a trial."""
    window: Seconds = Seconds(6.0)
    """The last part of the flood, in which rates are measured."""
    sweeps: int = 3
    """Repetitions of the whole sweep."""
    drain: Seconds = Seconds(20.0)
    """How long the queues may take to fall silent after a flood."""
    neighbour: FramesPerSecond | None = None
    """Steady load per direction of every guest but the flooded one; None floods all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidRule:
    """When a trial says nothing about the host, fixed before it runs."""

    offered_share: float = 0.95
    """Void when the generator offered less than this share of the intended load."""
    received_share: float = 0.95
    """Void when the NIC received less than this share of what was sent ..."""
    saturation: FramesPerSecond = FramesPerSecond(2400)
    """... at an intended load up to this one, where no queue can be full [frames/s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing the scenario says of one mode; together they decide pass or fail."""

    verdict: str
    """Name of the verdict, as ``verify`` registers it."""
    mode: str
    expect: str = "pass"
    """``pass``, ``fail``, or a bound on the verdict's value: ``< 0.25``, ``>= 0.9``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario file, read and checked."""

    name: str
    """``area/claim``, from the file's path."""
    about: str
    """What a reader should know about the claim; one or two sentences."""
    modes: tuple[str, ...]
    lab: LabSpec
    guest: GuestSpec
    traffic: TrafficSpec
    void: VoidRule
    claims: tuple[Claim, ...]
    disturbance: DisturbanceSpec | None = None

    @property
    def flooded_guest(self) -> int:
        """Number of the guest that is flooded alone when there are neighbours."""
        return self.disturbance.guest if self.disturbance else 0
