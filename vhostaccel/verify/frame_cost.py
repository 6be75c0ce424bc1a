# SPDX-License-Identifier: Apache-2.0
"""frame-cost: a frame delivered takes no more of the host than with ``tap``."""

from statistics import median

from vhostaccel.units import show_rate
from vhostaccel.verify.case import CONTROL, Case, Rule
from vhostaccel.verify.cost import compared, ratios
from vhostaccel.verify.verdict import Verdict

MOST = 1.0
RULE = Rule(name="frame-cost", limit=f"<= {MOST:g} of {CONTROL}'s")


def judge(case: Case) -> Verdict:
    """Compare instructions per frame where all are delivered; the worst load decides."""
    costs = compared(case, RULE)
    if isinstance(costs, Verdict):
        return costs
    ours, theirs = costs
    loads = [rate for rate in ours.whole if rate in theirs.whole]
    if not loads:
        return RULE.skipped("no load up to saturation was run")
    value, rate = max((ratios(ours.whole[r], theirs.whole[r]), r) for r in loads)
    why = (
        f"at {show_rate(rate)} frames/s a frame delivered takes "
        f"{median(ours.whole[rate]):,.0f} instructions, with {CONTROL} "
        f"{median(theirs.whole[rate]):,.0f}"
    )
    return RULE.judged(value <= MOST, value, why)
