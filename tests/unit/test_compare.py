# SPDX-License-Identifier: Apache-2.0
"""Modes side by side: each against tap of the same run."""

from tests.factories import LIVELOCK, PLATEAU, make_point, make_run, make_sweeps
from vhostaccel.report.compare import mode_lines
from vhostaccel.report.run import ModeResult


def lines(**points):
    modes = tuple(
        ModeResult(mode=mode, points=p, verdicts=()) for mode, p in points.items()
    )
    return {line.mode: line for line in mode_lines(make_run(modes))}


def test_peak_and_flooded_egress_are_compared_with_those_of_tap():
    found = lines(
        tap=make_sweeps(LIVELOCK, sweeps=1),
        copy=make_sweeps(PLATEAU, mode="copy", sweeps=1),
    )
    copy = found["copy"]
    assert (copy.peak_fps, copy.flooded_fps) == (5100, 5000)
    assert copy.peak_over_tap == 5100 / 1180
    assert copy.flooded_over_tap == 5000 / 2
    assert (found["tap"].peak_over_tap, found["tap"].flooded_over_tap) == (1, 1)


def test_what_no_sound_trial_gives_is_no_figure():
    found = lines(tap=(make_point(600, void="starved"),), copy=make_sweeps(PLATEAU))
    assert found["tap"].peak_fps is None
    assert found["tap"].flooded_over_tap is None
    assert found["copy"].peak_over_tap is None


def test_a_tap_that_forwards_nothing_in_the_flood_is_no_measure():
    found = lines(tap=(make_point(40_000, 0),), copy=make_sweeps(PLATEAU))
    assert found["copy"].flooded_over_tap is None


def test_without_tap_there_is_nothing_to_compare_with():
    assert lines(copy=make_sweeps(PLATEAU))["copy"].peak_over_tap is None
