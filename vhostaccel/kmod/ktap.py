# SPDX-License-Identifier: Apache-2.0
"""What a test program printed in KTAP, as netdev's selftests do: one level, no subtests."""

import re
from dataclasses import dataclass

_PLAN = re.compile(r"^1\.\.(\d+)$")
_RESULT = re.compile(
    r"^(?P<bad>not )?ok \d+ (?P<name>\S+)(?: # (?P<word>SKIP|XFAIL)\b *(?P<why>.*))?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One test."""

    name: str
    outcome: str
    """passed, failed, skipped, or missing: planned and never told of."""
    told: tuple[str, ...]
    """What was printed before its result: the checks that failed."""


def read_ktap(program: str, text: str) -> tuple[Result, ...]:
    """Return the results of one program; without a plan, one that is missing."""
    results: list[Result] = []
    told: list[str] = []
    planned = None
    for line in text.splitlines():
        if found := _PLAN.match(line):
            planned = int(found[1])
        elif found := _RESULT.match(line):
            results.append(_result(found, told))
            told = []
        elif not line.startswith("KTAP version"):
            told.append(line.removeprefix("# "))
    missing = (planned or len(results) + 1) - len(results)
    rest = Result(name=program, outcome="missing", told=tuple(told))
    return (*results, *[rest] * max(missing, 0))


def _result(found: re.Match[str], told: list[str]) -> Result:
    if found["bad"]:
        outcome = "failed"
    elif found["word"]:
        outcome = "skipped"
        told = [found["why"]]
    else:
        outcome = "passed"
    return Result(name=found["name"], outcome=outcome, told=tuple(told))
