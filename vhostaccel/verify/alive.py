# SPDX-License-Identifier: Apache-2.0
"""alive: during the flood the guest answers and the host's own timer is on time."""

from vhostaccel.observe.point import Point
from vhostaccel.units import show_rate
from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.verdict import Verdict

MOST_ANSWER_S = 1.0
MOST_LATE_S = 0.1
RULE = Rule(
    name="alive",
    limit=f"every answer <= {MOST_ANSWER_S:g} s, timer late <= {MOST_LATE_S:g} s",
)


def judge(case: Case) -> Verdict:
    """Judge every trial at the highest load; the value is the slowest answer [s]."""
    if why := case.starved((case.highest,)):
        return RULE.void(why)
    flooded = [point for point in case.sound if point.rate == case.highest]
    if not flooded:
        return RULE.skipped(f"no trial at {show_rate(case.highest)} frames/s was run")
    if not all(point.liveness.heartbeats for point in flooded):
        return RULE.skipped("there is no guest with a control channel to ask")
    beats = [beat for p in flooded for beat in p.liveness.heartbeats.values()]
    asked = sum(beat.asked for beat in beats)
    answered = sum(beat.answered for beat in beats)
    slowest_s = max(beat.worst_ns for beat in beats) / 1e9
    late_s = max(point.liveness.timer_late_worst_ns for point in flooded) / 1e9
    why = (
        f"at {show_rate(case.highest)} frames/s {answered} of {asked} heartbeats were "
        f"answered, the slowest after {slowest_s:.3g} s, and the host's timer was at "
        f"most {late_s * 1000:.3g} ms late"
    )
    return RULE.judged(all(map(_is_alive, flooded)), slowest_s, why)


def _is_alive(point: Point) -> bool:
    return point.liveness.timer_late_worst_ns <= MOST_LATE_S * 1e9 and all(
        0 < beat.asked == beat.answered and beat.worst_ns <= MOST_ANSWER_S * 1e9
        for beat in point.liveness.heartbeats.values()
    )
