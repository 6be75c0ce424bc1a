# SPDX-License-Identifier: Apache-2.0
"""drop-cost: a frame that is dropped takes next to nothing of the host."""

from statistics import median

from vhostaccel.verify.case import CONTROL, Case, Rule
from vhostaccel.verify.cost import compared, ratios
from vhostaccel.verify.verdict import Verdict

MOST = 0.1
RULE = Rule(name="drop-cost", limit=f"<= {MOST} of {CONTROL}'s")


def judge(case: Case) -> Verdict:
    """Compare instructions per frame dropped in overload."""
    costs = compared(case, RULE)
    if isinstance(costs, Verdict):
        return costs
    ours, theirs = costs
    if not ours.dropped or not theirs.dropped:
        return RULE.skipped("needs two loads above saturation that drop unequally")
    value = ratios(ours.dropped, theirs.dropped)
    why = (
        f"in overload a frame dropped takes {median(ours.dropped):,.0f} instructions, "
        f"with {CONTROL} {median(theirs.dropped):,.0f}"
    )
    return RULE.judged(value <= MOST, value, why)
