# SPDX-License-Identifier: Apache-2.0
"""both-ways: neither direction lives at the other's expense."""

from collections.abc import Sequence
from statistics import fmean

from vhostaccel.observe.point import Point
from vhostaccel.scenario.model import Directions
from vhostaccel.units import show_rate
from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.curve import by_rate
from vhostaccel.verify.verdict import Verdict

LEAST = 0.8
RULE = Rule(name="both-ways", limit=f">= {LEAST} at every load")


def judge(case: Case) -> Verdict:
    """Compare the two directions' mean egress at each load; the worst load decides."""
    if case.scenario.traffic.directions is not Directions.BOTH:
        return RULE.skipped("only one direction is driven")
    if why := case.starved():
        return RULE.void(why)
    if not case.sound:
        return RULE.skipped("no trial was run")
    ratios = {rate: _ratio(there) for rate, there in by_rate(case.sound).items()}
    worst = min(ratios, key=lambda rate: ratios[rate][0])
    value, forth, back = ratios[worst]
    why = (
        f"at {show_rate(worst)} frames/s, the worst load, egress is {show_rate(forth)} "
        f"a to b and {show_rate(back)} b to a [frames/s]"
    )
    return RULE.judged(value >= LEAST, value, why)


def _ratio(points: Sequence[Point]) -> tuple[float, float, float]:
    forth = fmean(point.trial.a_to_b.egress_fps for point in points)
    back = fmean(point.trial.b_to_a.egress_fps for point in points)
    more = max(forth, back)
    # Two dead directions are equal; that they are dead is for livelock to say.
    return (min(forth, back) / more if more else 1.0, forth, back)
