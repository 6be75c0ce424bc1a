# SPDX-License-Identifier: Apache-2.0
"""What a verdict is judged on, and the rule it is judged by."""

from collections.abc import Collection
from dataclasses import dataclass

from vhostaccel.observe.point import Point
from vhostaccel.scenario.model import Scenario
from vhostaccel.units import show_rate
from vhostaccel.verify.curve import by_rate, sound_sweep
from vhostaccel.verify.verdict import Evidence, Status, Verdict

CONTROL = "tap"
"""The mode that every other is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One mode and all that speaks for or against it."""

    mode: str
    points: tuple[Point, ...]
    control: tuple[Point, ...]
    """Of `CONTROL` in the same run; empty when it was not run."""
    evidence: Evidence
    scenario: Scenario

    @property
    def sound(self) -> tuple[Point, ...]:
        """The sweep's points that are not void."""
        return sound_sweep(self.points)

    @property
    def highest(self) -> int:
        """The highest intended load per direction [frames/s]."""
        return max(self.scenario.traffic.rates)

    def starved(self, rates: Collection[int] = ()) -> str | None:
        """Say at which load more than half of the trials are void, if at any.

        Args:
            rates: the loads a verdict rests on; empty for all.
        """
        sweep = [point for point in self.points if point.purpose == "sweep"]
        for rate, there in by_rate(sweep).items():
            void = [point.void for point in there if point.void is not None]
            if len(void) * 2 > len(there) and (not rates or rate in rates):
                return (
                    f"{len(void)} of {len(there)} trials at {show_rate(rate)} frames/s "
                    f"are void, the first because {void[0]}"
                )
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A verdict's name and what its value has to be."""

    name: str
    limit: str

    def judged(self, holds: bool, value: float | None, why: str) -> Verdict:
        """Pass or fail."""
        return self._verdict(Status.PASS if holds else Status.FAIL, value, why)

    def skipped(self, why: str) -> Verdict:
        """Not to be judged here."""
        return self._verdict(Status.SKIP, None, why)

    def skipped_for_control(self) -> Verdict:
        """Not to be judged on the mode that a comparison is with."""
        return self.skipped(f"{CONTROL} is what others are compared with")

    def void(self, why: str) -> Verdict:
        """The generator or the lab was starved."""
        return self._verdict(Status.VOID, None, why)

    def _verdict(self, status: Status, value: float | None, why: str) -> Verdict:
        return Verdict(
            name=self.name, status=status, value=value, limit=self.limit, why=why
        )
