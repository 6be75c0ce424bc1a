# SPDX-License-Identifier: Apache-2.0
"""What the checkers looked at and found, and what of it is left to do."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from vhostaccel.kmod.answers import Answer, Finding, unanswered, unneeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one checker looked at and found."""

    tool: str
    looked_at: str
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    """How long it took [s]."""
    cpu_seconds: float = 0.0
    """What of a CPU its programs took [s]; other jobs of the machine do not add to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All checks, and what is left to do."""

    checks: tuple[Check, ...]
    answers: tuple[Answer, ...]
    notes: tuple[str, ...]
    """What could not be checked here."""

    @property
    def open(self) -> tuple[Finding, ...]:
        """Return the findings that nothing answers, each once."""
        left = unanswered(self._findings, self.answers)
        return tuple(dict.fromkeys(left))

    @property
    def unneeded(self) -> tuple[Answer, ...]:
        """Return the answers to tools that ran which nothing needs."""
        ran = {check.tool for check in self.checks}
        asked = tuple(
            answer
            for answer in self.answers
            if answer.check is None or answer.check in ran
        )
        return unneeded(self._findings, asked)

    @property
    def is_clean(self) -> bool:
        """Return whether a reviewer would find nothing."""
        return not self.open and not self.unneeded

    def answered(self, check: Check) -> int:
        """Return how many findings of a check are answered."""
        return len(check.findings) - len(unanswered(check.findings, self.answers))

    @property
    def _findings(self) -> tuple[Finding, ...]:
        return tuple(finding for check in self.checks for finding in check.findings)


def timed(make: Callable[[], Check]) -> Check:
    """Run a check and note what it took."""
    begun, used = time.monotonic(), _used_s()
    check = make()
    return replace(
        check,
        seconds=round(time.monotonic() - begun, 1),
        cpu_seconds=round(_used_s() - used, 1),
    )


def _used_s() -> float:
    spent = (getrusage(RUSAGE_CHILDREN), getrusage(RUSAGE_SELF))
    return sum(one.ru_utime + one.ru_stime for one in spent)
