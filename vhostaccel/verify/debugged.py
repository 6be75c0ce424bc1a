# SPDX-License-Identifier: Apache-2.0
"""What a scenario claims of a host whose kernel checks every step: no speed, no harm."""

from dataclasses import replace

from vhostaccel.scenario.model import Claim, Scenario, TrafficSpec, VoidRule
from vhostaccel.units import FramesPerSecond
from vhostaccel.verify import clean, disturbance

_JUDGED = (disturbance.RULE.name, clean.RULE.name)
"""What holds at any speed."""
_SLOWER = 40
"""By how much its rates are lower, so that a flood means as much to the slower host: the
lab forwards 280 frames/s with KASAN and lockdep. More than that is no test of the guest
but of who gets the CPU at all."""


def for_debug_kernel(scenario: Scenario) -> Scenario:
    """Return the scenario as it is judged in a debug kernel.

    Every mode has to be clean, and disturbances have to end as they should. Claims on
    rates, losses and times are left out, and a starved trial is not void: in a kernel
    so slow most would be, and nothing rests on them. All loads are lower, and a disturbance
    has one.
    """
    claims = [claim for claim in scenario.claims if claim.verdict in _JUDGED]
    for mode in scenario.modes:
        claim = Claim(verdict=clean.RULE.name, mode=mode)
        if claim not in claims:
            claims.append(claim)
    void = VoidRule(offered_share=0.0, received_share=0.0)
    traffic = _slowed(scenario.traffic)
    if scenario.disturbance is not None:
        # It comes at the highest load; the others are there to be compared with.
        traffic = replace(traffic, rates=(max(traffic.rates),))
    return replace(scenario, claims=tuple(claims), void=void, traffic=traffic)


def _slowed(traffic: TrafficSpec) -> TrafficSpec:
    neighbour = traffic.neighbour
    return replace(
        traffic,
        rates=tuple(dict.fromkeys(map(_slower, traffic.rates))),
        neighbour=None if neighbour is None else _slower(neighbour),
    )


def _slower(rate: FramesPerSecond) -> FramesPerSecond:
    return FramesPerSecond(max(1, rate // _SLOWER))
