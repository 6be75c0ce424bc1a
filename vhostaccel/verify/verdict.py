# SPDX-License-Identifier: Apache-2.0
"""A verdict: one judgement of one mode, with the figure and the limit it rests on."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What a verdict came to."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    """Could not be judged here; ``why`` says the reason."""
    VOID = "void"
    """The generator or the lab was starved; the run says nothing about the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One judgement of one mode."""

    name: str
    status: Status
    value: float | None
    limit: str
    """What the value had to be: ``>= 0.9``."""
    why: str
    """One sentence with the figures it rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """Whether a claim of the scenario held."""

    verdict: str
    mode: str
    expect: str
    status: Status
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a mode is judged on besides its points."""

    console_warnings: tuple[str, ...]
    """Lines of the host's console that report a kernel problem."""
    leftovers: tuple[str, ...]
    """Queues, pages or devices still there after detach."""
    idle_rtts_ns: tuple[int, ...] = ()
    """Round trips of pings through the taps with nothing else on [ns]."""
    console_notes: tuple[str, ...] = ()
    """Reports of data races in which nothing of the project has part."""
    control_rtts_ns: tuple[int, ...] = ()
    """The same of the mode that others are compared with."""
