# SPDX-License-Identifier: Apache-2.0
"""Findings of the kernel's checkers, and those that are answered instead of mended.

kmod/checkpatch-answers.toml lists the latter; an answer that nothing needs is an error::

    [[answer]]
    kind = "FILE_PATH_CHANGES"
    place = "net/nai/*"
    answer = "..."
"""

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from vhostaccel.errors import SetupError
from vhostaccel.kmod.layout import KMOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a checker does not like."""

    tool: str
    place: str
    line: int
    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.kind}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Why findings of one kind stay."""

    kind: str
    place: str
    """A pattern of the files they are in."""
    answer: str
    check: str | None = None
    """The only check that finds them, where not every run makes it."""

    def covers(self, finding: Finding) -> bool:
        """Return whether it answers a finding."""
        return finding.kind == self.kind and fnmatch(finding.place, self.place)


def read_answers(kmod: Path = KMOD) -> tuple[Answer, ...]:
    """Return the answers that are given.

    Raises:
        SetupError: If one lacks a part.
    """
    listed = tomllib.loads((kmod / "checkpatch-answers.toml").read_text())
    try:
        return tuple(Answer(**entry) for entry in listed.get("answer", []))
    except TypeError as error:
        raise SetupError(
            f"kmod/checkpatch-answers.toml: {error}", hint="kind, place and answer"
        ) from None


def unanswered(
    findings: tuple[Finding, ...], answers: tuple[Answer, ...]
) -> tuple[Finding, ...]:
    """Return the findings that no answer covers."""
    return tuple(
        finding
        for finding in findings
        if not any(answer.covers(finding) for answer in answers)
    )


def unneeded(
    findings: tuple[Finding, ...], answers: tuple[Answer, ...]
) -> tuple[Answer, ...]:
    """Return the answers that cover no finding."""
    return tuple(
        answer
        for answer in answers
        if not any(answer.covers(finding) for finding in findings)
    )
