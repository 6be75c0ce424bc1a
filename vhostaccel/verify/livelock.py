# SPDX-License-Identifier: Apache-2.0
"""livelock: the flood takes nothing from what the host forwards at its best."""

from vhostaccel.units import show_rate
from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.curve import at_peak, mean_egress
from vhostaccel.verify.verdict import Verdict

LEAST = 0.9
RULE = Rule(name="livelock", limit=f">= {LEAST}")


def judge(case: Case) -> Verdict:
    """Compare the mean egress at the highest load with the peak of the means."""
    if why := case.starved():
        return RULE.void(why)
    curve = mean_egress(case.points)
    if case.highest not in curve:
        return RULE.skipped(f"no trial at {show_rate(case.highest)} frames/s was run")
    load = at_peak(curve)
    if not curve[load]:
        # Without a value, no bound that a scenario claims can hold by a dead lab.
        return RULE.judged(False, None, "nothing was forwarded at any load")
    value = curve[case.highest] / curve[load]
    why = (
        f"egress at {show_rate(case.highest)} frames/s is {value:.3f} of the peak "
        f"({show_rate(curve[case.highest])} of {show_rate(curve[load])} frames/s, reached "
        f"at {show_rate(load)}), by sweep {', '.join(_by_sweep(case))}"
    )
    return RULE.judged(value >= LEAST, value, why)


def _by_sweep(case: Case) -> list[str]:
    shown = []
    for sweep in sorted({point.sweep for point in case.points}):
        curve = mean_egress(p for p in case.points if p.sweep == sweep)
        peak = max(curve.values(), default=0.0)
        judged = case.highest in curve and peak > 0
        shown.append(f"{curve[case.highest] / peak:.2f}" if judged else "none")
    return shown
