# SPDX-License-Identifier: Apache-2.0
"""where-dropped: what is too much is dropped in the NIC, before it cost any work."""

from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.losses import losses_of
from vhostaccel.verify.verdict import Verdict

LEAST = 0.99
RULE = Rule(name="where-dropped", limit=f">= {LEAST} in the NIC, none in the tap")


def judge(case: Case) -> Verdict:
    """Share of all frames lost above saturation that were lost in the NIC."""
    found = losses_of(case, RULE)
    if isinstance(found, Verdict):
        return found
    value = found.nic / found.lost
    why = (
        f"of {found.lost:,} frames {found.above}, {found.share(found.nic)} were lost in "
        f"the NIC and {found.share(found.tap)} in the tap ring"
    )
    return RULE.judged(value >= LEAST and not found.tap, value, why)
