# SPDX-License-Identifier: Apache-2.0
"""void: a trial says nothing about the host when generator or lab was starved.

The rule stands in the scenario, so that it is fixed before the trial runs.
"""

from vhostaccel.observe.point import Ledger, Point
from vhostaccel.scenario.model import VoidRule
from vhostaccel.traffic.trial import DirectionResult

NIC_RECEIVED = "nic received"
"""Name of the hop, as the ledger spells it."""


def void_reason(point: Point, rule: VoidRule) -> str | None:
    """Say why the trial says nothing about the host, or None when it does."""
    ways = (
        ("a to b", point.trial.a_to_b, point.a_to_b),
        ("b to a", point.trial.b_to_a, point.b_to_a),
    )
    for way, result, ledger in ways:
        if not result.intended_fps:
            continue
        reason = _generator_starved(result, rule)
        if reason is None and point.rate <= rule.saturation:
            reason = _lab_starved(ledger, rule)
        if reason is not None:
            return f"{way} {reason}"
    return None


def _generator_starved(result: DirectionResult, rule: VoidRule) -> str | None:
    share = result.offered_fps / result.intended_fps
    if share >= rule.offered_share:
        return None
    return (
        f"the generator offered {share:.2f} of the intended load, less than "
        f"{rule.offered_share:g}"
    )


def _lab_starved(ledger: Ledger, rule: VoidRule) -> str | None:
    received = [hop.frames for hop in ledger.hops if hop.name == NIC_RECEIVED]
    if not received:
        return f"the ledger has no hop {NIC_RECEIVED!r}"
    share = received[0] / ledger.offered if ledger.offered else 0.0
    if share >= rule.received_share:
        return None
    return (
        f"the NIC received {share:.2f} of what was sent below saturation, less than "
        f"{rule.received_share:g}"
    )
