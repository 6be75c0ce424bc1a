# SPDX-License-Identifier: Apache-2.0
"""idle-latency: what helps in a flood costs nothing when there is none."""

from statistics import median

from vhostaccel.verify.case import CONTROL, Case, Rule
from vhostaccel.verify.verdict import Verdict

MOST = 1.1
RULE = Rule(name="idle-latency", limit=f"<= {MOST} of {CONTROL}'s")


def judge(case: Case) -> Verdict:
    """Compare the median round trip of pings through the tap with that of ``tap``."""
    if case.mode == CONTROL:
        return RULE.skipped_for_control()
    ours, theirs = case.evidence.idle_rtts_ns, case.evidence.control_rtts_ns
    if not ours or not theirs:
        return RULE.skipped(f"no pings of {case.mode} and {CONTROL} to compare")
    value = median(ours) / median(theirs)
    why = (
        f"the median of {len(ours)} pings through the idle tap took "
        f"{median(ours) / 1e6:.3g} ms, of {len(theirs)} of {CONTROL} "
        f"{median(theirs) / 1e6:.3g} ms"
    )
    return RULE.judged(value <= MOST, value, why)
