# SPDX-License-Identifier: Apache-2.0
"""The share of frames that nobody copied, of the leases that count them."""

from dataclasses import replace

import pytest

from tests.unit.test_ledger import make_sample
from vhostaccel.observe.sample import LeaseCounts
from vhostaccel.observe.seeded import zero_copy_share


def sample(**leases):
    """Each lease is (delivered, seeded or None)."""
    return replace(
        make_sample(
            {},
            {},
            leases={
                tap: LeaseCounts(rx_packets=delivered, rx_drops=0, starved=0, irqs=0)
                for tap, (delivered, _) in leases.items()
            },
        ),
        seeded={tap: n for tap, (_, n) in leases.items() if n is not None},
    )


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ({"a": (100, 50)}, {"a": (300, 200)}, 0.75),
        ({"a": (0, 0), "b": (0, 0)}, {"a": (10, 10), "b": (30, 0)}, 0.25),
        ({"a": (100, 100)}, {"a": (300, 100)}, 0.0),
        ({"a": (100, 100)}, {"a": (100, 100)}, None),
        ({"a": (100, None)}, {"a": (300, None)}, None),
        ({"a": (500, 500)}, {"a": (40, 10)}, 0.25),
        ({}, {"a": (40, 10)}, 0.25),
        ({}, {}, None),
    ],
    ids=[
        "of those between", "of all queues", "none", "nothing came", "not mode seed",
        "begun anew", "begun since", "no leases",
    ],
)  # fmt: skip
def test_the_share_is_of_what_came_between(before, after, share):
    assert zero_copy_share(sample(**before), sample(**after)) == share
