# SPDX-License-Identifier: Apache-2.0
"""Every verdict of a mode, and what the scenario's claims come to."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from vhostaccel.observe.point import Point
from vhostaccel.scenario.expect import Bound, read_expect
from vhostaccel.scenario.model import Claim, Scenario
from vhostaccel.verify import (
    alive,
    both_ways,
    clean,
    conservation,
    disturbance,
    drop_cost,
    frame_cost,
    idle_latency,
    livelock,
    neighbour,
    over_tap,
    recovery,
    tap_share,
    tap_spared,
    where_dropped,
)
from vhostaccel.verify.case import CONTROL, Case
from vhostaccel.verify.verdict import ClaimResult, Evidence, Status, Verdict

VERDICTS: dict[str, Callable[[Case], Verdict]] = {
    verdict.RULE.name: verdict.judge
    for verdict in (
        livelock,
        over_tap,
        both_ways,
        where_dropped,
        tap_spared,
        conservation,
        alive,
        tap_share,
        idle_latency,
        recovery,
        disturbance,
        neighbour,
        frame_cost,
        drop_cost,
        clean,
    )
}
"""By name, in the order a report shows them."""


def judge(
    mode: str,
    points: Mapping[str, Sequence[Point]],
    evidence: Evidence,
    scenario: Scenario,
) -> tuple[Verdict, ...]:
    """Return every verdict of a mode.

    Args:
        mode: the mode.
        points: of every mode of the run, in the order they were run.
        evidence: what else it is judged on.
        scenario: what it was run by.
    """
    case = Case(
        mode=mode,
        points=tuple(points[mode]),
        control=tuple(points.get(CONTROL, ())),
        evidence=evidence,
        scenario=scenario,
    )
    return tuple(verdict(case) for verdict in VERDICTS.values())


def settle(
    claims: Iterable[Claim],
    results: Mapping[str, Iterable[Verdict]],
    left_out: Mapping[str, str] | None = None,
) -> tuple[ClaimResult, ...]:
    """Say of each claim whether it held.

    Args:
        claims: the scenario's.
        results: verdicts by mode; a mode that was not run is absent.
        left_out: why a mode could not be run, by mode.
    """
    return tuple(
        _settle_one(claim, results.get(claim.mode), (left_out or {}).get(claim.mode))
        for claim in claims
    )


def overall(claims: Iterable[ClaimResult]) -> Status:
    """Return what the claims come to together.

    One failed claim fails. Otherwise a claim that is void or was skipped leaves the
    whole undecided, and so does a run that claims nothing.
    """
    found = {claim.status for claim in claims}
    for status in (Status.FAIL, Status.VOID, Status.SKIP):
        if status in found:
            return status
    return Status.PASS if found else Status.SKIP


def _settle_one(
    claim: Claim, verdicts: Iterable[Verdict] | None, left_out: str | None
) -> ClaimResult:
    if verdicts is None:
        status, why = Status.SKIP, f"the mode {claim.mode} was not run"
        if left_out is not None:
            why += f": {left_out}"
    else:
        named = [verdict for verdict in verdicts if verdict.name == claim.verdict]
        status, why = (
            _compare(claim, named[0])
            if named
            else (Status.SKIP, f"{claim.verdict} was not judged")
        )
    return ClaimResult(
        verdict=claim.verdict,
        mode=claim.mode,
        expect=claim.expect,
        status=status,
        why=why,
    )


def _compare(claim: Claim, verdict: Verdict) -> tuple[Status, str]:
    if verdict.status in (Status.SKIP, Status.VOID):
        return verdict.status, verdict.why
    expect = read_expect(claim.expect)
    if not isinstance(expect, Bound):
        holds = verdict.status.value == expect
    else:
        holds = verdict.value is not None and expect.holds(verdict.value)
    return Status.PASS if holds else Status.FAIL, verdict.why
