# SPDX-License-Identifier: Apache-2.0
"""where-dropped: what is too much is dropped in the NIC, before it cost any work."""

from vhostaccel.units import show_rate
from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.verdict import Verdict

LEAST = 0.99
RULE = Rule(name="where-dropped", limit=f">= {LEAST} in the NIC, none in the tap")


def judge(case: Case) -> Verdict:
    """Share of all frames lost above saturation that were lost in the NIC."""
    saturation = case.scenario.void.saturation
    above = [rate for rate in case.scenario.traffic.rates if rate > saturation]
    if not above:
        return RULE.skipped(
            f"no load above saturation ({show_rate(saturation)} frames/s)"
        )
    if why := case.starved(above):
        return RULE.void(why)
    ledgers = [
        ledger
        for point in case.sound
        if point.rate > saturation and point.is_counted
        for ledger in (point.a_to_b, point.b_to_a)
    ]
    if not ledgers:
        return RULE.skipped("no trial above saturation had counters that saw all")
    lost = sum(ledger.offered - ledger.delivered for ledger in ledgers)
    if lost <= 0:
        return RULE.skipped(f"no frame was lost above {show_rate(saturation)} frames/s")
    nic = sum(ledger.dropped.get("nic", 0) for ledger in ledgers)
    tap = sum(ledger.dropped.get("tap", 0) for ledger in ledgers)
    why = (
        f"of {lost:,} frames lost above {show_rate(saturation)} frames/s, {nic:,} "
        f"({nic / lost:.1%}) were lost in the NIC and {tap:,} ({tap / lost:.1%}) in the "
        f"tap ring"
    )
    return RULE.judged(nic / lost >= LEAST and not tap, nic / lost, why)
