# SPDX-License-Identifier: Apache-2.0
"""Each verdict holds and fails where its limit stands."""

from dataclasses import replace

import pytest

from tests.factories import (
    CLEAN,
    LIVELOCK,
    PLATEAU,
    make_disturbance,
    make_guest,
    make_point,
    make_scenario,
    make_sweeps,
)
from vhostaccel.observe.sample import Pings
from vhostaccel.scenario.model import Action, Directions, DisturbanceSpec
from vhostaccel.verify.case import Case
from vhostaccel.verify.curve import peak_fps
from vhostaccel.verify.judge import VERDICTS
from vhostaccel.verify.verdict import Evidence, Status, Verdict


def judged(
    name: str,
    *points,
    rates=None,
    evidence=CLEAN,
    directions=None,
    mode="tap",
    control=(),
    neighbour=None,
    disturbance=None,
) -> Verdict:
    scenario = make_scenario(
        rates=rates or tuple(sorted({point.rate for point in points}))
    )
    if directions:
        traffic = replace(scenario.traffic, directions=directions)
        scenario = replace(scenario, traffic=traffic)
    traffic = replace(scenario.traffic, neighbour=neighbour)
    scenario = replace(scenario, traffic=traffic, disturbance=disturbance)
    case = Case(
        mode=mode,
        points=points,
        control=tuple(control),
        evidence=evidence,
        scenario=scenario,
    )
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
    ("lost_in", "status", "value"),
    [
        ({"nic": 0.7, "guard": 0.3}, Status.PASS, 0.0),
        ({"guard": 0.991}, Status.PASS, 0.009),
        ({"nic": 0.98}, Status.FAIL, 0.02),
    ],
    ids=["none in tap", "a little in tap", "too much in tap"],
)
def test_tap_spared_cares_not_where_else_the_loss_is(lost_in, status, value):
    verdict = judged("tap-spared", *make_sweeps(PLATEAU, lost_in=lost_in))
    assert verdict.status is status
    assert verdict.value == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize(
    "point", [make_point(2400, 100), make_point(4000, 4000)], ids=["below", "lossless"]
)
@pytest.mark.parametrize("name", ["where-dropped", "tap-spared"])
def test_without_a_loss_above_saturation_nobody_asks_where_it_was(name, point):
    assert judged(name, point).status is Status.SKIP


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
    assert judged("tap-share", pinged(40, 50, 60, 70, 80, 2080)).value == 1
    assert "WARNING: vhost" in verdict.why


def test_over_tap_compares_the_flooded_egress_of_one_run():
    ours, theirs = curve(r600=600, r40000=5000), curve(r600=600, r40000=250)
    verdict = judged("over-tap", *ours, mode="copy", control=theirs)
    assert (verdict.status, verdict.value) == (Status.PASS, 20)
    verdict = judged("over-tap", *theirs, mode="copy", control=ours)
    assert (verdict.status, verdict.value) == (Status.FAIL, 0.05)


def test_over_tap_of_a_dead_control_counts_one_frame_in_the_window_for_nothing():
    ours, theirs = curve(r600=600, r40000=5000), curve(r600=600, r40000=0)
    verdict = judged("over-tap", *ours, mode="copy", control=theirs)
    assert verdict.value == pytest.approx(5000 * 6)


def test_over_tap_needs_tap_in_the_same_run():
    ours = curve(r600=600, r40000=5000)
    assert judged("over-tap", *ours, mode="copy").status is Status.SKIP
    assert judged("over-tap", *ours).status is Status.SKIP


def pinged(*rtts_ms, asked=6):
    pings = Pings(asked=asked, rtts_ns=tuple(round(rtt * 1e6) for rtt in rtts_ms))
    point = make_point(40_000, 5000)
    return replace(point, liveness=replace(point.liveness, pings={"nfv0-0": pings}))


def test_tap_share_counts_the_pings_that_the_flood_swallowed():
    assert judged("tap-share", pinged(40, 50, 60, 70, 80, 90)).status is Status.PASS
    verdict = judged("tap-share", pinged(40, 50, 60, 70))
    assert (verdict.status, verdict.value) == (Status.FAIL, 2)
    assert judged("tap-share", make_point(40_000, 5000)).status is Status.SKIP


@pytest.mark.parametrize(
    ("ours_ms", "status"), [(2.1, Status.PASS), (2.3, Status.FAIL), (None, Status.SKIP)]
)
def test_idle_latency_may_be_a_tenth_above_that_of_tap(ours_ms, status):
    evidence = Evidence(
        console_warnings=(),
        leftovers=(),
        idle_rtts_ns=() if ours_ms is None else (round(ours_ms * 1e6),),
        control_rtts_ns=(2_000_000,),
    )
    point = make_point(40_000, 5000)
    verdict = judged("idle-latency", point, mode="copy", evidence=evidence)
    assert verdict.status is status


KILL = DisturbanceSpec(action=Action.KILL)


def test_disturbance_wants_every_repetition_and_no_failure():
    points = [make_point(600), make_point(40_000, 50, disturbance=make_disturbance())]
    verdict = judged("disturbance", *points, disturbance=KILL)
    assert (verdict.status, verdict.value) == (Status.PASS, 0)
    assert (
        "kill was done 1 of 1 times in 20.5 s, of which 6 s were under" in verdict.why
    )


@pytest.mark.parametrize("void", [None, "the lab slept"])
def test_disturbance_fails_by_a_failure_at_any_load(void):
    failed = make_disturbance("the lease of nfv0-0 is gone", done=0)
    point = make_point(40_000, 50, disturbance=failed, void=void)
    verdict = judged("disturbance", point, disturbance=KILL)
    assert (verdict.status, verdict.value) == (Status.FAIL, 1)
    assert verdict.why.endswith("1 failures, the first: the lease of nfv0-0 is gone")


def test_disturbance_without_the_flood_proves_nothing():
    point = make_point(40_000, 50, disturbance=make_disturbance(), void="it slept")
    assert judged("disturbance", point, disturbance=KILL).status is Status.VOID
    assert judged("disturbance", make_point(600)).status is Status.SKIP


def test_conservation_leaves_out_trials_whose_counters_began_anew():
    killed = make_point(40_000, 50, residual=9_000, disturbance=make_disturbance())
    assert judged("conservation", killed).status is Status.SKIP
    verdict = judged("conservation", make_point(600), killed)
    assert (verdict.status, verdict.value) == (Status.PASS, 0)


def beside(purpose, rate, egress, p99_ms, **more):
    """A point whose guest 1 has this egress and p99 both ways."""
    point = make_point(rate, purpose=purpose, **more)
    flooded, neighbour = (
        make_guest(offered=rate, egress=50.0),
        make_guest(1, egress=egress, p99_ns=int(p99_ms * 1e6)),
    )
    ways = {
        way: replace(getattr(point.trial, way), guests=(flooded, neighbour))
        for way in ("a_to_b", "b_to_a")
    }
    return replace(point, trial=replace(point.trial, **ways))


@pytest.mark.parametrize(
    ("egress", "p99_ms", "status"),
    [
        (570, 20, Status.PASS),
        (569, 5, Status.FAIL),
        (600, 20.1, Status.FAIL),
        (0, 5, Status.FAIL),
    ],
    ids=["holds", "lost", "slow", "dead"],
)
def test_neighbour_is_compared_with_itself_alone(egress, p99_ms, status):
    points = [beside("solo", 0, 600, 10), beside("sweep", 40_000, egress, p99_ms)]
    verdict = judged("neighbour", *points, neighbour=600)
    assert verdict.status is status
    assert verdict.value == pytest.approx(egress / 600)


def test_neighbour_takes_the_mean_of_the_sweeps():
    alone = [beside("solo", 0, 600, 10, sweep=n) for n in range(2)]
    flooded = [
        beside("sweep", 40_000, e, 10, sweep=n) for n, e in enumerate((540, 600))
    ]
    verdict = judged("neighbour", *alone, *flooded, neighbour=600)
    assert verdict.status is Status.PASS
    assert verdict.value == pytest.approx(0.95)


def test_neighbour_needs_one_and_a_trial_of_it_alone():
    flooded = beside("sweep", 40_000, 600, 10)
    assert judged("neighbour", flooded).status is Status.SKIP
    assert judged("neighbour", flooded, neighbour=600).status is Status.VOID
    alone = beside("solo", 0, 600, 10)
    assert judged("neighbour", alone, rates=(9,), neighbour=600).status is Status.SKIP
