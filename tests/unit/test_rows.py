# SPDX-License-Identifier: Apache-2.0
"""Rows and hop tables add up what the points hold."""

import pytest

from tests.factories import PLATEAU, make_point, make_sweeps
from vhostaccel.report.hops import hop_tables
from vhostaccel.report.rows import rows_of


def test_a_row_is_the_mean_of_the_trials_that_are_not_void():
    points = [
        make_point(600, 600),
        make_point(600, 300, sweep=1),
        make_point(600, 0, sweep=2, void="starved"),
        make_point(600, 0, purpose="recovery"),
    ]
    (row,) = rows_of(points)
    assert (row.trials, row.void) == (3, 1)
    assert row.a_to_b_fps == 450
    assert row.offered == 4 * 4800
    assert row.lost == {"tap": 2 * 2400}


def test_a_row_of_void_trials_has_no_figures():
    (row,) = rows_of([make_point(600, void="starved")])
    assert (row.void, row.trials, row.offered, row.p50_ns) == (1, 1, 0, None)


def test_one_way_traffic_is_not_averaged_with_the_silent_direction():
    (row,) = rows_of([make_point(600, 500, one_way=True)])
    assert (row.egress_fps, row.b_to_a_fps) == (500, 0)
    (table,) = hop_tables([make_point(600, 500, one_way=True)])
    assert table.direction == "a to b"


def test_a_hop_table_balances_at_every_load():
    lost_in = {"nic": 0.5, "guest": 0.1, "softnet": 0.1}
    for table in hop_tables(make_sweeps(PLATEAU, lost_in=lost_in)):
        assert list(table.lost) == ["nic", "softnet", "tap", "guest", "unexplained"]
        lost = [sum(column) for column in zip(*table.lost.values(), strict=True)]
        for offered, delivered, gone in zip(
            table.offered, table.delivered, lost, strict=True
        ):
            assert offered == delivered + gone
        assert table.hops[0].frames == table.offered


def test_loss_by_place_is_ranked_and_shows_the_unexplained():
    point = make_point(600, 300, lost_in={"nic": 0.9}, residual=24, one_way=True)
    (row,) = rows_of([point])
    assert list(row.lost) == ["nic", "tap", "unexplained"]
    assert row.lost["unexplained"] == 24
    assert sum(row.lost.values()) == pytest.approx(row.offered - row.delivered)
