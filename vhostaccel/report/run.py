# SPDX-License-Identifier: Apache-2.0
"""A run: one execution of a scenario, with everything a report says about it."""

from dataclasses import dataclass, field

from vhostaccel.observe.point import Point
from vhostaccel.scenario.model import Scenario
from vhostaccel.verify.verdict import ClaimResult, Status, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeResult:
    """One mode's points and what they came to."""

    mode: str
    points: tuple[Point, ...]
    verdicts: tuple[Verdict, ...]
    idle_rtts_ns: tuple[int, ...] = ()
    """Round trips of pings from the host through the taps, with nothing else on [ns]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a scenario."""

    scenario: Scenario
    environment: dict[str, str]
    """What it ran on, in the order to be shown: kernel, QEMU, libvirt, CPU, placement, ..."""
    command: str
    """The command line that repeats the run."""
    started: str
    """Wall clock, ISO 8601."""
    duration_s: float
    modes: tuple[ModeResult, ...]
    claims: tuple[ClaimResult, ...]
    status: Status
    complete: bool
    """False when the run was cut short; ``why`` then says by what."""
    why: str
    left_out: dict[str, str] = field(default_factory=dict)
    """Modes of the scenario that were not run, and why they could not be."""
