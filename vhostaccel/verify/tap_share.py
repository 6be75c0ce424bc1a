# SPDX-License-Identifier: Apache-2.0
"""tap-share: during the flood the host still reaches the guest through its tap."""

from vhostaccel.units import show_rate
from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.verdict import Verdict

MOST_RTT_NS = 1_000_000_000
RULE = Rule(name="tap-share", limit="every ping answered within 1 s")


def judge(case: Case) -> Verdict:
    """Judge the pings in every trial at the highest load; the value is those lost."""
    if why := case.starved((case.highest,)):
        return RULE.void(why)
    flooded = [point for point in case.sound if point.rate == case.highest]
    pings = [pings for p in flooded for pings in p.liveness.pings.values()]
    if not pings:
        return RULE.skipped("there is no guest to ping")
    asked = sum(one.asked for one in pings)
    rtts_ns = [rtt for one in pings for rtt in one.rtts_ns if rtt <= MOST_RTT_NS]
    slowest = f", the slowest after {max(rtts_ns) / 1e6:.3g} ms" if rtts_ns else ""
    why = (
        f"at {show_rate(case.highest)} frames/s {len(rtts_ns)} of {asked} pings from the "
        f"host were answered within a second{slowest}"
    )
    lost = asked - len(rtts_ns)
    return RULE.judged(lost == 0, lost, why)
