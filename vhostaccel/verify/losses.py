# SPDX-License-Identifier: Apache-2.0
"""What was lost above saturation, and where: what two verdicts rest on."""

from dataclasses import dataclass

from vhostaccel.units import show_rate
from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Frames lost at all loads above saturation together."""

    above: str
    """``lost above 2400 frames/s``."""
    lost: int
    nic: int
    tap: int
    """In the ring of the tap."""

    def share(self, frames: int) -> str:
        """``249,312 (10.0%)``."""
        return f"{frames:,} ({frames / self.lost:.1%})"


def losses_of(case: Case, rule: Rule) -> Losses | Verdict:
    """Return what was lost, or the verdict where that cannot be told."""
    saturation = case.scenario.void.saturation
    above = [rate for rate in case.scenario.traffic.rates if rate > saturation]
    words = f"above {show_rate(saturation)} frames/s"
    if not above:
        return rule.skipped(
            f"no load above saturation ({show_rate(saturation)} frames/s)"
        )
    if why := case.starved(above):
        return rule.void(why)
    ledgers = [
        ledger
        for point in case.sound
        if point.rate > saturation and point.is_counted
        for ledger in (point.a_to_b, point.b_to_a)
    ]
    if not ledgers:
        return rule.skipped("no trial above saturation had counters that saw all")
    lost = sum(ledger.offered - ledger.delivered for ledger in ledgers)
    if lost <= 0:
        return rule.skipped(f"no frame was lost {words}")
    return Losses(
        above=f"lost {words}",
        lost=lost,
        nic=sum(ledger.dropped.get("nic", 0) for ledger in ledgers),
        tap=sum(ledger.dropped.get("tap", 0) for ledger in ledgers),
    )
