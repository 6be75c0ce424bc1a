# SPDX-License-Identifier: Apache-2.0
"""Each verdict holds and fails where its limit stands."""

from dataclasses import replace

import pytest

from tests.factories import (
    CLEAN,
    LIVELOCK,
    PLATEAU,
    make_point,
    make_scenario,
    make_sweeps,
)
from vhostaccel.scenario.model import Directions
from vhostaccel.verify.case import Case
from vhostaccel.verify.curve import peak_fps
from vhostaccel.verify.judge import VERDICTS
from vhostaccel.verify.verdict import Evidence, Status, Verdict


def judged(name: str, *points, rates=None, evidence=CLEAN, directions=None) -> Verdict:
    scenario = make_scenario(
        rates=rates or tuple(sorted({point.rate for point in points}))
    )
    if directions:
        traffic = replace(scenario.traffic, directions=directions)
        scenario = replace(scenario, traffic=traffic)
    case = Case(mode="tap", points=points, evidence=evidence, scenario=scenario)
    return VERDICTS[name](case)


def curve(**egress: float):
    """Points of one sweep, from `r600=598`."""
    return [make_point(int(rate[1:]), value) for rate, value in egress.items()]


def test_livelock_value_is_the_mean_at_the_highest_load_over_the_peak_of_means():
    points = [
        *curve(r600=600, r1200=1000, r40000=100),
        *(replace(p, sweep=1) for p in curve(r600=500, r1200=200, r40000=200)),
    ]
    verdict = judged("livelock", *points)
    assert verdict.value == pytest.approx(150 / 600)
    assert verdict.status is Status.FAIL
    assert "by sweep 0.10, 0.40" in verdict.why
    assert "(150 of 600 frames/s, reached at 1200)" in verdict.why


@pytest.mark.parametrize(("egress", "status"), [(900, Status.PASS), (899, Status.FAIL)])
def test_livelock_limit_is_nine_tenths_of_the_peak(egress, status):
    points = curve(r600=600, r1000=1000, r40000=egress)
    assert judged("livelock", *points).status is status


def test_livelock_of_a_host_that_forwards_nothing_fails_without_a_value():
    verdict = judged("livelock", *curve(r600=0, r40000=0))
    assert (verdict.status, verdict.value) == (Status.FAIL, None)


def test_livelock_leaves_void_points_out():
    points = [
        *make_sweeps(LIVELOCK),
        make_point(40_000, 30_000, sweep=3, void="the lab slept"),
    ]
    verdict = judged("livelock", *points)
    assert verdict.value == pytest.approx(0.00169, abs=1e-5)
    assert verdict.why.endswith("0.00, 0.00, 0.00, none")


def test_a_verdict_is_void_when_more_than_half_of_the_trials_at_a_load_are():
    void = [make_point(600, 10, sweep=n, void="the lab slept") for n in range(2)]
    sound = [make_point(600, 600, sweep=2), make_point(600, 600, sweep=3)]
    assert judged("livelock", *void, *sound).status is Status.PASS
    verdict = judged("livelock", *void, *sound[:1])
    assert (verdict.status, verdict.value) == (Status.VOID, None)
    assert verdict.why.startswith("2 of 3 trials at 600 frames/s are void")


def test_a_sweep_cut_short_before_its_highest_load_is_not_judged():
    points = curve(r600=600)
    for name in ("livelock", "alive"):
        assert judged(name, *points, rates=(600, 40_000)).status is Status.SKIP


def test_peak_is_none_when_no_point_is_sound():
    assert peak_fps([make_point(void="the lab slept")]) is None
    assert peak_fps(make_sweeps(PLATEAU, sweeps=1)) == 5100


@pytest.mark.parametrize(
    ("forth", "back", "status", "value"),
    [
        (500, 400, Status.PASS, 0.8),
        (390, 500, Status.FAIL, 0.78),
        (0, 0, Status.PASS, 1.0),
        (5, 0, Status.FAIL, 0.0),
    ],
)
def test_both_ways_takes_the_worst_load(forth, back, status, value):
    points = [make_point(600, 600), make_point(40_000, forth, back=back)]
    verdict = judged("both-ways", *points)
    assert verdict.status is status
    assert verdict.value == pytest.approx(value)


def test_both_ways_is_skipped_when_one_direction_is_driven():
    point = make_point(600, 600, one_way=True)
    verdict = judged("both-ways", point, directions=Directions.A_TO_B)
    assert verdict.status is Status.SKIP


@pytest.mark.parametrize(
    ("lost_in", "status", "value"),
    [
        ({"nic": 1.0}, Status.PASS, 1.0),
        ({"nic": 0.992, "guest": 0.008}, Status.PASS, 0.992),
        ({"nic": 0.98, "guest": 0.02}, Status.FAIL, 0.98),
        ({"nic": 0.995}, Status.FAIL, 0.995),
        ({"nic": 0.03}, Status.FAIL, 0.03),
    ],
    ids=["nic", "rest in guest", "too much in guest", "a little in tap", "tap"],
)
def test_where_dropped_wants_the_loss_in_the_nic_and_none_in_the_tap(
    lost_in, status, value
):
    points = make_sweeps(PLATEAU, lost_in=lost_in)
    verdict = judged("where-dropped", *points)
    assert verdict.status is status
    assert verdict.value == pytest.approx(value, abs=1e-3)


def test_where_dropped_counts_an_unexplained_loss_against_the_nic():
    point = make_point(
        40_000, 5000, lost_in={"nic": 1.0}, residual=10_000, one_way=True
    )
    assert judged("where-dropped", point).value == pytest.approx(270 / 280)


@pytest.mark.parametrize(
    "point", [make_point(2400, 100), make_point(4000, 4000)], ids=["below", "lossless"]
)
def test_where_dropped_is_skipped_when_nothing_was_lost_above_saturation(point):
    assert judged("where-dropped", point).status is Status.SKIP


@pytest.mark.parametrize(
    ("residual", "status"),
    [(24, Status.PASS), (25, Status.FAIL), (-25, Status.FAIL)],
)
def test_conservation_takes_the_worst_direction_of_any_trial(residual, status):
    # 600 frames/s for 8 s are 4800 frames, of which 0.5 % are 24.
    points = [make_point(40_000, 2), make_point(600, 500, residual=residual)]
    verdict = judged("conservation", *points)
    assert verdict.status is status
    assert verdict.value == pytest.approx(abs(residual) / 4800)
    assert "a to b at 600 frames/s" in verdict.why


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, Status.PASS),
        ({"answered": False}, Status.FAIL),
        ({"timer_late_ns": 100_000_001}, Status.FAIL),
    ],
    ids=["alive", "guest silent", "timer late"],
)
def test_alive_is_judged_in_every_trial_at_the_highest_load(facts, status):
    points = [
        make_point(600, answered=False),
        make_point(40_000, 5000),
        make_point(40_000, 5000, sweep=1, **facts),
    ]
    assert judged("alive", *points).status is status


def test_alive_is_skipped_without_a_guest_to_ask():
    point = make_point(600)
    silent = replace(point, liveness=replace(point.liveness, heartbeats={}))
    assert judged("alive", silent).status is Status.SKIP


@pytest.mark.parametrize(
    ("egress", "drain_s", "status"),
    [
        (550, 1.0, Status.PASS),
        (549, 0.1, Status.FAIL),
        (550, 1.1, Status.FAIL),
    ],
    ids=["holds", "lost", "slow drain"],
)
def test_recovery_wants_no_loss_after_a_short_drain(egress, drain_s, status):
    flood = make_point(40_000, 5000, drain_s=drain_s)
    after = make_point(550, egress, purpose="recovery", drain_s=9.0)
    assert judged("recovery", flood, after).status is status


def test_recovery_without_a_recovery_trial_is_skipped_and_void_with_void_ones():
    flood = make_point(40_000, 5000)
    assert judged("recovery", flood).status is Status.SKIP
    after = make_point(550, 550, purpose="recovery", void="the lab slept")
    assert judged("recovery", flood, after).status is Status.VOID


def test_clean_names_the_first_of_what_was_found():
    assert judged("clean", make_point()).status is Status.PASS
    evidence = Evidence(console_warnings=("[ 9.1] WARNING: vhost",), leftovers=("tap",))
    verdict = judged("clean", make_point(), evidence=evidence)
    assert (verdict.status, verdict.value) == (Status.FAIL, 2)
    assert "WARNING: vhost" in verdict.why
