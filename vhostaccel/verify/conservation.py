# SPDX-License-Identifier: Apache-2.0
"""conservation: every frame offered was delivered or counted where it was dropped."""

from vhostaccel.units import show_rate
from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.verdict import Verdict

MOST = 0.005
RULE = Rule(name="conservation", limit=f"<= {MOST}")


def judge(case: Case) -> Verdict:
    """Unexplained share of what was offered; the worst direction of any trial decides."""
    if why := case.starved():
        return RULE.void(why)
    shares = [
        (abs(ledger.residual) / ledger.offered, ledger, point, way)
        for point in case.points
        if point.void is None and point.is_counted
        for way, ledger in (("a to b", point.a_to_b), ("b to a", point.b_to_a))
        if ledger.offered
    ]
    if not shares:
        return RULE.skipped("no frame was offered in a trial whose counters saw all")
    value, ledger, point, way = max(shares, key=lambda share: share[0])
    why = (
        f"at worst {ledger.residual:,} of {ledger.offered:,} frames ({value:.2%}) are "
        f"unexplained, {way} at {show_rate(point.rate)} frames/s"
    )
    return RULE.judged(value <= MOST, value, why)
