# SPDX-License-Identifier: Apache-2.0
import pytest

from vhostaccel.traffic.pace import BACKLOG_NS, TICK_NS, Pacer, burst_of
from vhostaccel.units import FramesPerSecond, Seconds

MS = 1_000_000
START = 5_000 * MS


def pacer_of(rate, flood=1.0):
    return Pacer(FramesPerSecond(rate), start_ns=START, flood=Seconds(flood))


def run(pacer, *, late_ns=lambda now: 0, accepts=lambda now, n: n, until=1000 * MS):
    """Drive a pacer by a clock of our own; return (time, frames) of every write."""
    now, sent, writes = START, 0, []
    while now < START + until:
        count = pacer.take(now, sent)
        assert count >= 0
        if count:
            taken = accepts(now, count)
            sent += taken
            writes.append((now - START, taken))
        now = max(pacer.next_ns, now + 1) + late_ns(now)
    return sent, writes


@pytest.mark.parametrize("rate", [1, 600, 2400, 10_000, 40_000, 200_000, 1_000_000])
def test_on_time_every_frame_is_sent_and_none_is_shed(rate):
    pacer = pacer_of(rate)
    sent, _ = run(pacer)
    pacer.next_ns = 0
    sent += pacer.take(START + 1000 * MS, sent)
    assert (sent, pacer.shed) == (rate, 0)


def test_a_low_rate_is_sent_frame_by_frame_at_its_due_time():
    _, writes = run(pacer_of(600))
    assert {count for _, count in writes} == {1}
    assert all(abs(at - k * 1e9 / 600) <= 1 for k, (at, _) in enumerate(writes))


def test_a_write_never_has_more_than_sixteen_frames_at_forty_thousand():
    assert burst_of(FramesPerSecond(40_000)) == 16
    # Every tenth wake-up is 3 ms late.
    _, writes = run(
        pacer_of(40_000), late_ns=lambda now: 3 * MS if now % 10 == 0 else 40_000
    )
    assert max(count for _, count in writes) == 16


def test_a_short_delay_is_caught_up_with_small_bursts_a_tick_apart():
    held = (100 * MS, 104 * MS)
    pacer = pacer_of(40_000)
    sent, writes = run(
        pacer, accepts=lambda now, n: 0 if held[0] <= now - START < held[1] else n
    )
    assert pacer.shed == 0
    assert sent >= 39_990
    ticks = [at // TICK_NS for at, _ in writes]
    assert len(set(ticks)) == len(ticks)


def test_a_long_delay_is_shed_but_for_the_backlog():
    pacer = pacer_of(40_000)
    sent, writes = run(
        pacer, accepts=lambda now, n: 0 if 100 * MS <= now - START < 300 * MS else n
    )
    backlog = 40_000 * BACKLOG_NS // 10**9
    assert pacer.shed == pytest.approx(8_000 - backlog, abs=20)
    assert 40_000 - sent - pacer.shed < 16
    after = [count for at, count in writes if at >= 300 * MS]
    assert max(after) <= 16


def test_no_rate_intends_nothing():
    pacer = pacer_of(0)
    assert (pacer.intended, run(pacer)) == (0, (0, []))
