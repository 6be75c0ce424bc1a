# SPDX-License-Identifier: Apache-2.0
"""tap-spared: what is too much does not come as far as the tap, wherever it is dropped."""

from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.losses import losses_of
from vhostaccel.verify.verdict import Verdict

MOST = 0.01
RULE = Rule(name="tap-spared", limit=f"<= {MOST} in the tap")


def judge(case: Case) -> Verdict:
    """Share of all frames lost above saturation that were lost in the tap ring."""
    found = losses_of(case, RULE)
    if isinstance(found, Verdict):
        return found
    value = found.tap / found.lost
    why = (
        f"of {found.lost:,} frames {found.above}, {found.share(found.tap)} were lost in "
        "the tap ring, after driver, softirq and bridge"
    )
    return RULE.judged(value <= MOST, value, why)
