# SPDX-License-Identifier: Apache-2.0
"""From a scenario to what its generator is asked for: one load of the sweep."""

from vhostaccel.scenario.model import Directions, Scenario
from vhostaccel.traffic.trial import DirectionLoad, TrialSpec
from vhostaccel.units import FramesPerSecond


def trial_spec(scenario: Scenario, rate: FramesPerSecond) -> TrialSpec:
    """Return one load of a scenario, with the neighbours' beside it where it has some."""
    traffic = scenario.traffic
    everybody = tuple(range(scenario.guest.count))

    def loads(driven: bool) -> tuple[DirectionLoad, ...]:
        wanted = rate if driven else FramesPerSecond(0)
        if traffic.neighbour is None:
            return (DirectionLoad(rate=wanted, guests=everybody, flows=traffic.flows),)
        flooded = scenario.flooded_guest
        others = tuple(guest for guest in everybody if guest != flooded)
        steady = FramesPerSecond(traffic.neighbour * len(others) if driven else 0)
        return (
            DirectionLoad(rate=wanted, guests=(flooded,), flows=traffic.flows),
            DirectionLoad(rate=steady, guests=others, flows=traffic.flows),
        )

    return TrialSpec(
        a_to_b=loads(traffic.directions is not Directions.B_TO_A),
        b_to_a=loads(traffic.directions is not Directions.A_TO_B),
        frames=traffic.frames,
        flood=traffic.flood,
        window=traffic.window,
        drain=traffic.drain,
    )
