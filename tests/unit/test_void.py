# SPDX-License-Identifier: Apache-2.0
"""A trial is void by the scenario's rule, and only by it."""

import pytest

from tests.factories import make_point
from vhostaccel.scenario.model import VoidRule
from vhostaccel.verify.void import void_reason

RULE = VoidRule(offered_share=0.95, received_share=0.9)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"rate": 600}, None),
        ({"rate": 600, "offered": 571}, None),
        (
            {"rate": 600, "offered": 565},
            "a to b the generator offered 0.94 of the intended load, less than 0.95",
        ),
        (
            {"rate": 2400, "nic_share": 0.89},
            "a to b the NIC received 0.89 of what was sent below saturation, less than 0.9",
        ),
        ({"rate": 2400, "nic_share": 0.91}, None),
        ({"rate": 4000, "egress": 10, "nic_share": 0.2}, None),
        ({"rate": 600, "one_way": True}, None),
    ],
    ids=[
        "sound",
        "offered just enough",
        "generator starved",
        "lab starved",
        "received just enough",
        "loss in the NIC above saturation",
        "direction that is not driven",
    ],
)
def test_void_reason(facts, reason):
    assert void_reason(make_point(**facts), RULE) == reason
