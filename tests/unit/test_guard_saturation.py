# SPDX-License-Identifier: Apache-2.0
"""When a CPU is engaged, and when it is left again."""

import pytest

from vhostaccel.guard.saturation import (
    STAY_LOOKS,
    CpuClock,
    Judge,
    Look,
    read_times,
)

FLOODED = {"softirq": 0.6, "busy": 1.0, "frames": 40_000}
DROPPING = {"softirq": 0.05, "busy": 0.6, "frames": 100_000}


def look(*, softirq=0.0, busy=0.0, frames=1000, dropped=0, seconds=0.2):
    return Look(
        softirq=softirq, busy=busy, frames=frames, dropped=dropped, seconds=seconds
    )


def engaged():
    judge = Judge()
    assert judge.see(look(**FLOODED))
    return judge


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({"softirq": 0.6, "busy": 0.7}, id="there is idle time"),
        pytest.param({"softirq": 0.1, "busy": 1.0}, id="others use the CPU"),
        pytest.param(FLOODED | {"frames": 0}, id="none of it is from our ports"),
        pytest.param(FLOODED | {"seconds": 0.0}, id="the clock stood still"),
    ],
)
def test_a_cpu_is_not_engaged_when(seen):
    assert not Judge().see(look(**seen))


def test_a_cpu_without_idle_time_that_receives_is_engaged():
    assert Judge().see(look(softirq=0.25, busy=0.9))


def test_cheap_drops_do_not_look_like_the_end_of_the_flood():
    judge = engaged()  # a frame costs 3 us: 0.6 x 0.2 s / 40 000
    for _ in range(10 * STAY_LOOKS):
        assert judge.see(look(**DROPPING, dropped=60_000))


def test_when_the_flood_is_over_the_cpu_is_left_after_some_looks():
    judge = engaged()
    for _ in range(STAY_LOOKS - 1):
        assert judge.see(look(softirq=0.05, busy=0.3))
    assert not judge.see(look(softirq=0.05, busy=0.3))


def test_one_quiet_look_is_not_the_end():
    judge = engaged()
    for _ in range(20):
        assert judge.see(look(softirq=0.0, busy=0.1))
        assert judge.see(look(**DROPPING, dropped=60_000))


def test_few_drops_of_a_small_flood_do_not_keep_it():
    judge = engaged()
    for _ in range(STAY_LOOKS):
        judge.see(look(**DROPPING, dropped=3000))  # 3 us each: 0.045 of the CPU
    assert not judge.is_engaged


def stat(*, idle, softirq, steal=0):
    return (
        f"cpu  1 1 1 1 1 1 1 1 1 1\n"
        f"cpu3 10 0 10 {idle} 5 0 {softirq} {steal} 0 0\nintr 1 2 3\n"
    )


def test_times_are_read_per_cpu_and_leave_out_what_was_stolen():
    ((cpu, time),) = read_times(stat(idle=100, softirq=75, steal=900)).items()
    assert cpu == 3
    assert (time.softirq, time.idle, time.total) == (0.75, 1.05, 2.0)


def test_a_look_has_the_shares_since_the_one_before():
    texts = iter((stat(idle=0, softirq=0), stat(idle=5, softirq=15)))
    clock = CpuClock(lambda: next(texts))
    seen = clock.look({3: (70, 7)})[3]
    assert (seen.softirq, seen.busy, seen.seconds) == pytest.approx((0.75, 0.75, 0.2))
    assert (seen.frames, seen.dropped) == (70, 7)


def test_a_cpu_that_has_just_come_is_looked_at_next_time():
    texts = iter(("cpu 1\n", stat(idle=1, softirq=1), stat(idle=2, softirq=2)))
    clock = CpuClock(lambda: next(texts))
    assert clock.look({}) == {}
    assert set(clock.look({})) == {3}
