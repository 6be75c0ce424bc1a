# SPDX-License-Identifier: Apache-2.0
"""over-tap: what the mode forwards in the flood, over what stock vhost-net does."""

from vhostaccel.units import show_rate
from vhostaccel.verify.case import CONTROL, Case, Rule
from vhostaccel.verify.curve import mean_egress
from vhostaccel.verify.verdict import Verdict

LEAST = 10
RULE = Rule(name="over-tap", limit=f">= {LEAST}")


def judge(case: Case) -> Verdict:
    """Compare the mean egress at the highest load with that of ``tap`` in this run.

    A share of one's own peak would favour a mode whose peak is low, and on a busy
    machine the peak scatters more than this ratio does.
    """
    if case.mode == CONTROL:
        return RULE.skipped_for_control()
    if why := case.starved((case.highest,)):
        return RULE.void(why)
    ours, theirs = mean_egress(case.points), mean_egress(case.control)
    if case.highest not in ours or case.highest not in theirs:
        return RULE.skipped(
            f"no trial of {CONTROL} at the highest load to compare with"
        )
    flooded, control = ours[case.highest], theirs[case.highest]
    # One frame in the window is the least that can be told from none.
    value = flooded / max(control, 1 / case.scenario.traffic.window)
    peaks = max(ours.values()), max(theirs.values())
    why = (
        f"at {show_rate(case.highest)} frames/s egress is {show_rate(flooded)}, that of "
        f"{CONTROL} {show_rate(control)} frames/s; the peaks are {show_rate(peaks[0])} and "
        f"{show_rate(peaks[1])} ({peaks[0] / max(peaks[1], 1):.2g} times)"
    )
    return RULE.judged(value >= LEAST, value, why)
