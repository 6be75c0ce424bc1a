# SPDX-License-Identifier: Apache-2.0
"""Reads what KUnit printed: KTAP with subtests, and the kernel's complaints between.

Suites and parametrised cases hold others, indented; only what holds no others counts.
A kernel that dies leaves off in the middle, so what was announced must have come.
"""

import re
from dataclasses import dataclass, field

_SAID_LINES = 12

_START = re.compile(r"^( *)KTAP version ")
_GROUP = re.compile(r"^( *)# Subtest: (.*)$")
_PLAN = re.compile(r"^( *)1\.\.(\d+)$")
_RESULT = re.compile(r"^( *)(ok|not ok) \d+ ?(?:- )?(.*?)(?: # SKIP ?(.*))?$")
_SPLAT = re.compile(
    r"(?:BUG:|WARNING:|INFO: (?:possible|suspicious|task|trying)|Kernel panic|"
    r"KASAN:|UBSAN:|DMA-API:|unregister_netdevice: waiting).*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A case that failed."""

    name: str
    said: tuple[str, ...]
    """What was printed while it ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What became of all cases."""

    passed: tuple[str, ...]
    failed: tuple[Failure, ...]
    skipped: tuple[str, ...]
    """Each with its reason."""
    problems: tuple[str, ...]
    """Why these results are not to be trusted, besides failures."""

    @property
    def count(self) -> int:
        """Return how many cases came to a result other than skipped."""
        return len(self.passed) + len(self.failed)

    @property
    def is_good(self) -> bool:
        """Return whether something ran and nothing was wrong with it."""
        return self.count > 0 and not self.failed and not self.problems


@dataclass(slots=True)
class _Group:
    name: str
    indent: int
    planned: int | None = None
    seen: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Reader:
    passed: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    open: list[_Group] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        if found := _START.match(line):
            self._begin(len(found[1]))
        elif found := _GROUP.match(line):
            self._begin(len(found[1])).name = found[2]
            self.said.clear()
        elif found := _PLAN.match(line):
            self._begin(len(found[1])).planned = int(found[2])
        elif found := _RESULT.match(line):
            self._result(len(found[1]), found[2] == "ok", found[3], found[4])
            self.said.clear()
        elif line.strip():
            self.said.append(line.strip())

    def end(self) -> None:
        if not self.open:
            self.problems.append("KUnit printed nothing")
        if len(self.open) > 1:
            self.problems.append(f"the kernel left off within {self._path()}")
        for group in self.open[:1]:
            self._close(group)
        if not self.passed and not self.failed:
            self.problems.append("no test has run")

    def _begin(self, indent: int) -> _Group:
        if not self.open or self.open[-1].indent < indent:
            self.open.append(_Group(name="", indent=indent))
        return self.open[-1]

    def _result(self, indent: int, ok: bool, name: str, reason: str | None) -> None:
        held = None
        while self.open and self.open[-1].indent > indent:
            held = self.open.pop()
            self._close(held)
        if not self.open:
            self.problems.append(f"a result without a plan: {name}")
            return
        group = self.open[-1]
        group.seen += 1
        group.failed += not ok
        # What fails for itself, as by its init, has no case that says so.
        if held is None or (not ok and not held.failed):
            self._count(ok, f"{self._path()}{name}", reason)

    def _count(self, ok: bool, name: str, reason: str | None) -> None:
        if reason is not None:
            self.skipped.append(f"{name}: {reason or 'no reason'}")
        elif ok:
            self.passed.append(name)
        else:
            said = tuple(self.said[-_SAID_LINES:])
            self.failed.append(Failure(name=name, said=said))

    def _close(self, group: _Group) -> None:
        if group.planned is not None and group.planned != group.seen:
            self.problems.append(
                f"{group.name or 'KUnit'}: {group.planned} announced, {group.seen} ended"
            )

    def _path(self) -> str:
        return "".join(f"{group.name}/" for group in self.open if group.name)


def read_results(output: str) -> Results:
    """Return the results that the output of KUnit tells."""
    reader = _Reader()
    for line in output.splitlines():
        reader.read(line)
    reader.end()
    return Results(
        passed=tuple(reader.passed),
        failed=tuple(reader.failed),
        skipped=tuple(reader.skipped),
        problems=tuple(reader.problems),
    )


def splats(log: str) -> tuple[str, ...]:
    """Return what the kernel complained of since KUnit has begun, each once.

    Before, User Mode Linux complains that it has no PCI device.
    """
    _, _, since = log.partition("KTAP version")
    return tuple(dict.fromkeys(_SPLAT.findall(since)))
