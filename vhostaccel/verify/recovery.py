# SPDX-License-Identifier: Apache-2.0
"""recovery: a second after the flood the host forwards as if there had been none."""

from itertools import pairwise

from vhostaccel.observe.point import Point
from vhostaccel.units import show_rate
from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.verdict import Verdict

MOST_DRAIN_S = 1.0
RULE = Rule(name="recovery", limit=f"0 lost, drained in <= {MOST_DRAIN_S:g} s")


def judge(case: Case) -> Verdict:
    """Judge each recovery trial with the flood before it; the value is frames lost."""
    after = [
        (flood, point)
        for flood, point in pairwise(case.points)
        if point.purpose == "recovery"
    ]
    if not after:
        return RULE.skipped("no recovery trial was run")
    sound = [pair for pair in after if pair[0].void is None and pair[1].void is None]
    if not sound:
        flood, point = after[0]
        return RULE.void(f"every recovery trial is void: {point.void or flood.void}")
    lost = sum(_lost(point) for _, point in sound)
    drains_s = [flood.trial.drain_s for flood, _ in sound]
    drained = all(flood.trial.drained for flood, _ in sound)
    rates = sorted({show_rate(point.rate) for _, point in sound})
    why = (
        f"{lost} frames were lost at {', '.join(rates)} frames/s after the flood, whose "
        f"queues took {max(drains_s):.2g} s to fall silent"
        f"{'' if drained else ' and then were not silent yet'}"
    )
    holds = lost == 0 and drained and max(drains_s) <= MOST_DRAIN_S
    return RULE.judged(holds, lost, why)


def _lost(point: Point) -> int:
    return point.trial.a_to_b.lost_count + point.trial.b_to_a.lost_count
