# SPDX-License-Identifier: Apache-2.0
"""neighbour: a flooded or disturbed guest takes nothing from the guest beside it."""

from collections.abc import Sequence
from statistics import fmean, median

from vhostaccel.observe.point import Point
from vhostaccel.traffic.trial import GuestResult
from vhostaccel.units import show_rate
from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.verdict import Verdict

LEAST = 0.95
MOST_P99 = 2.0
RULE = Rule(
    name="neighbour",
    limit=f">= {LEAST} of its egress alone, p99 <= {MOST_P99:g} x",
)


def judge(case: Case) -> Verdict:
    """Compare each neighbour under the highest load with itself alone.

    The value is the share of its egress that the neighbour off worst keeps.
    """
    if case.scenario.traffic.neighbour is None:
        return RULE.skipped("the scenario has no neighbour")
    if why := case.starved((case.highest,)):
        return RULE.void(why)
    solos = [p for p in case.points if p.purpose == "solo" and p.void is None]
    floods = [point for point in case.sound if point.rate == case.highest]
    if not floods:
        return RULE.skipped(f"no trial at {show_rate(case.highest)} frames/s was run")
    if not solos:
        return RULE.void("every trial of the neighbour alone is void")
    kept, slower, where = min(_compare(case, solos, floods))
    worst_p99 = max(times for _, times, _ in _compare(case, solos, floods))
    why = (
        f"beside {show_rate(case.highest)} frames/s a neighbour kept {kept:.3f} of its "
        f"egress alone ({where}), its p99 {_times(slower)} that alone; the worst p99 of "
        f"a neighbour is {_times(worst_p99)}"
    )
    return RULE.judged(kept >= LEAST and worst_p99 <= MOST_P99, kept, why)


def _compare(
    case: Case, solos: Sequence[Point], floods: Sequence[Point]
) -> list[tuple[float, float, str]]:
    """Return, for each neighbour and way: share of egress kept, times its p99, where."""
    found = []
    for way, field in (("a to b", "a_to_b"), ("b to a", "b_to_a")):
        alone, beside = _by_guest(case, solos, field), _by_guest(case, floods, field)
        for guest, results in alone.items():
            egress = fmean(result.egress_fps for result in results)
            if not any(result.offered_fps for result in results):
                continue
            now = beside.get(guest, [])
            share = fmean(r.egress_fps for r in now) / egress if now and egress else 0.0
            place = f"guest {guest} {way}, {show_rate(egress)} frames/s"
            found.append((share, _p99(now) / _p99(results) if egress else 1.0, place))
    return found or [(0.0, float("inf"), "no neighbour was sent anything")]


def _by_guest(
    case: Case, points: Sequence[Point], field: str
) -> dict[int, list[GuestResult]]:
    grouped: dict[int, list[GuestResult]] = {}
    for point in points:
        for result in getattr(point.trial, field).guests:
            if result.guest != case.scenario.flooded_guest:
                grouped.setdefault(result.guest, []).append(result)
    return grouped


def _p99(results: Sequence[GuestResult]) -> float:
    """Return the median over the trials; without a frame there is no end to it."""
    seen = [float(r.latency.p99) if r.latency else float("inf") for r in results]
    return median(seen) if seen else float("inf")


def _times(ratio: float) -> str:
    return "without end" if ratio == float("inf") else f"{ratio:.3g} times"
