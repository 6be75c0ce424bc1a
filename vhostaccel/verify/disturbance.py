# SPDX-License-Identifier: Apache-2.0
"""disturbance: what the scenario does to a guest under flood ends as it should."""

from vhostaccel.observe.point import DisturbanceResult, Point
from vhostaccel.units import show_rate
from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.verdict import Verdict

RULE = Rule(name="disturbance", limit="0 failures, every repetition done")


def judge(case: Case) -> Verdict:
    """Count what went wrong, in void trials too: a broken guest is one at any load."""
    if case.scenario.disturbance is None:
        return RULE.skipped("the scenario disturbs nothing")
    disturbed = [
        (point, point.disturbance) for point in case.points if point.disturbance
    ]
    if not disturbed:
        return RULE.skipped(f"no trial at {show_rate(case.highest)} frames/s was run")
    results = [result for _, result in disturbed]
    failures = [failure for result in results for failure in result.failures]
    done = sum(result.done for result in results)
    asked = sum(result.asked for result in results)
    holds = not failures and done == asked
    if holds and (why := case.starved((case.highest,))):
        return RULE.void(why)
    why = (
        f"{case.scenario.disturbance.action.value} was done {done} of {asked} times in "
        f"{sum(result.took_s for result in results):.3g} s, of which "
        f"{sum(_flooded_s(*pair) for pair in disturbed):.3g} s were under "
        f"{show_rate(case.highest)} frames/s, with {len(failures)} failures"
    )
    if failures:
        why += f", the first: {failures[0]}"
    return RULE.judged(holds, len(failures), why)


def _flooded_s(point: Point, result: DisturbanceResult) -> float:
    """Return for how long the flood went on: it begins when the window opens."""
    return min(result.took_s, point.trial.window_s)
