# SPDX-License-Identifier: Apache-2.0
"""A key is found on the line a person would point at."""

import pytest

from vhostaccel.scenario.lines import line_of

TEXT = '''\
about = """
rates = "not this one"
"""
void = { saturation = "1 frames/s" }

[lab]  # the host
cpus = 2

[traffic]
"rates" = [
    "600 frames/s",
]
[[claim]]
verdict = "clean"
[[claim]]
verdict = "alive"
mode = "tap"
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("", "about"), 1),
        (("", "void"), 4),
        (("void", "saturation"), 4),
        (("lab", "cpus"), 7),
        (("lab", ""), 6),
        (("lab", "missing"), 6),
        (("traffic", "rates"), 10),
        (("claim", "verdict", 0), 14),
        (("claim", "verdict", 1), 16),
        (("claim", "mode", 0), 13),
        (("nowhere", "key"), 1),
    ],
    ids=str,
)
def test_line_is_the_one_a_reader_would_look_at(place, line):
    assert line_of(TEXT, *place) == line
