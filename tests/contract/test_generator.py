# SPDX-License-Identifier: Apache-2.0
"""What every generator promises, and what only the real one can be asked."""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from vhostaccel.errors import TrafficError
from vhostaccel.scenario.model import FrameMix
from vhostaccel.traffic.fake import FakeGenerator, Host
from vhostaccel.traffic.generator import Generator
from vhostaccel.traffic.nullsink import NullSink
from vhostaccel.traffic.trial import DirectionLoad, TrialSpec
from vhostaccel.units import FramesPerSecond, Seconds

WAIT = Seconds(20.0)
needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None, reason="no QEMU here"
)


def spec_of(
    a=2000,
    b=1000,
    *,
    flood=0.4,
    drain=3.0,
    frames=FrameMix.SMALL,
    guests=(0,),
    beside=(),
):
    return TrialSpec(
        a_to_b=(
            DirectionLoad(rate=FramesPerSecond(a), guests=guests, flows=3),
            *beside,
        ),
        b_to_a=(
            DirectionLoad(rate=FramesPerSecond(b), guests=guests, flows=3),
            *beside,
        ),
        frames=frames,
        flood=Seconds(flood),
        window=Seconds(flood / 2),
        drain=Seconds(drain),
        quiet=Seconds(0.1),
    )


@contextmanager
def lab(folder: Path, *, reflect=True):
    a, b = folder / "a", folder / "b"
    with NullSink(a, b, reflect=reflect) as sink, Generator(a, b) as generator:
        yield sink, generator


@contextmanager
def qemu_hub(folder: Path):
    """A QEMU without a machine whose two wires are ports of one hub."""
    argv = ["qemu-system-x86_64", "-M", "none", "-nodefaults", "-display", "none"]
    for wire in "ab":
        argv += [
            "-netdev", f"stream,id={wire},server=on,addr.type=unix,addr.path={folder}/{wire}",
            "-netdev", f"hubport,id=hub-{wire},hubid=0,netdev={wire}",
        ]  # fmt: skip
    qemu = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        with Generator(folder / "a", folder / "b") as generator:
            yield qemu, generator
    finally:
        qemu.kill()
        qemu.wait()


@pytest.fixture(params=["real", "fake"])
def generator(request, tmp_path):
    if request.param == "fake":
        yield FakeGenerator()
    else:
        with lab(tmp_path) as (_, real):
            yield real


@pytest.mark.parametrize("frames", FrameMix, ids=str)
def test_every_frame_is_accounted_for(generator, frames):
    result = generator.start(spec_of(frames=frames, guests=(0, 4))).result(WAIT)
    for direction, rate in ((result.a_to_b, 2000), (result.b_to_a, 1000)):
        assert direction.intended_count == rate * 0.4
        assert direction.sent_count + direction.shed_count == direction.intended_count
        assert direction.sent_count == direction.collected_count + direction.lost_count
        assert direction.lost_count == 0
        assert direction.duplicated_count == direction.reordered_count == 0
        assert sum(flow.sent for flow in direction.flows) == direction.sent_count
        assert [(f.guest, f.flow) for f in direction.flows][:3] == [
            (0, 0),
            (4, 0),
            (0, 1),
        ]
        assert direction.latency is not None
        assert 0 < direction.latency.p50 <= direction.latency.p99
        assert direction.latency.p99 <= direction.latency.worst
    assert result.drained


def test_each_load_keeps_its_own_rate_and_its_own_guests(generator):
    steady = DirectionLoad(rate=FramesPerSecond(500), guests=(7,), flows=2)
    result = generator.start(spec_of(0, 4000, beside=(steady,))).result(WAIT)
    for direction, rate in ((result.a_to_b, 0), (result.b_to_a, 4000)):
        assert direction.intended_fps == rate + 500
        assert direction.lost_count == direction.shed_count == 0
        assert sum(f.sent for f in direction.flows if f.guest == 7) == 200
        assert [guest.guest for guest in direction.guests] == [0, 7]
        flooded, neighbour = direction.guests
        assert flooded.offered_fps == pytest.approx(rate, rel=0.05)
        assert (flooded.latency is None) == (rate == 0)
        assert neighbour.offered_fps == pytest.approx(500, rel=0.05)
        assert neighbour.egress_fps == pytest.approx(500, rel=0.05)
        assert neighbour.latency is not None


def test_the_window_is_the_last_part_of_the_flood(generator):
    trial = generator.start(spec_of())
    assert trial.window_opens_at() - trial.begins_at() == 200_000_000
    assert trial.window_closes_at() - trial.window_opens_at() == 200_000_000
    assert trial.result(WAIT).window_s == pytest.approx(0.2)


def test_a_direction_without_load_sends_nothing(generator):
    result = generator.start(spec_of(b=0)).result(WAIT)
    assert (result.b_to_a.sent_count, result.b_to_a.flows) == (0, ())
    assert result.b_to_a.latency is None
    assert result.a_to_b.lost_count == 0


def test_a_load_that_cannot_be_sent_is_refused_and_does_no_harm(generator):
    with pytest.raises(TrafficError, match="cannot"):
        generator.start(spec_of(guests=(1, 1))).result(WAIT)
    twice = DirectionLoad(rate=FramesPerSecond(1), guests=(0,))
    with pytest.raises(TrafficError, match="two loads to one guest"):
        generator.start(spec_of(beside=(twice,))).result(WAIT)
    assert generator.start(spec_of()).result(WAIT).a_to_b.lost_count == 0


def test_a_closed_generator_refuses(generator):
    generator.close()
    with pytest.raises(TrafficError, match="closed"):
        generator.start(spec_of())


def test_the_fake_forwards_up_to_its_capacity():
    fake = FakeGenerator(Host(capacity=FramesPerSecond(500), loss=0.1))
    result = fake.start(spec_of()).result(WAIT)
    assert result.a_to_b.egress_fps == pytest.approx(450)
    assert result.a_to_b.lost_count == 800 - result.a_to_b.collected_count


def test_what_the_sink_counts_is_what_was_sent(tmp_path):
    with lab(tmp_path, reflect=False) as (sink, generator):
        result = generator.start(spec_of(20_000, 10_000)).result(WAIT)
        assert sink.frames == (result.a_to_b.sent_count, result.b_to_a.sent_count)
    assert result.a_to_b.lost_count == result.a_to_b.sent_count
    assert result.a_to_b.latency is None
    assert result.drained


def test_frames_of_an_earlier_trial_are_not_counted_in_the_next(tmp_path):
    with lab(tmp_path) as (sink, generator):
        sink.pause()
        stuck = generator.start(spec_of(1000, 0, drain=0.1)).result(WAIT)
        sink.resume()
        result = generator.start(spec_of()).result(WAIT)
    assert (stuck.drained, stuck.a_to_b.collected_count) == (False, 0)
    assert stuck.a_to_b.lost_count == stuck.a_to_b.sent_count > 0
    assert result.a_to_b.collected_count == result.a_to_b.sent_count
    assert result.b_to_a.other_count == 0


def test_a_sink_that_stops_reading_makes_the_rest_shed(tmp_path):
    with lab(tmp_path) as (sink, generator):
        sink.pause()
        trial = generator.start(spec_of(50_000, 0, frames=FrameMix.LARGE, drain=0.1))
        blocked = trial.result(WAIT)
        sink.resume()
        after = generator.start(spec_of()).result(WAIT)
    assert blocked.a_to_b.shed_count > 0.9 * blocked.a_to_b.intended_count
    assert blocked.a_to_b.offered_fps == 0
    assert not blocked.drained
    # The frame that was torn was finished first: the stream still makes sense.
    assert after.a_to_b.lost_count == after.b_to_a.lost_count == 0


def test_a_wire_that_closes_in_a_trial_ends_it_at_once(tmp_path):
    with lab(tmp_path) as (sink, generator):
        trial = generator.start(spec_of(flood=30.0))
        began = time.monotonic()
        sink.hang_up()
        with pytest.raises(TrafficError, match=r"wire [AB] was closed"):
            trial.result(WAIT)
        assert time.monotonic() - began < 1.0
        with pytest.raises(TrafficError, match=r"wire [AB] was closed"):
            generator.start(spec_of())


@needs_qemu
def test_qemu_takes_and_returns_every_frame_of_a_mixed_flood(tmp_path):
    with qemu_hub(tmp_path) as (_, generator):
        spec = spec_of(20_000, 20_000, flood=0.5, frames=FrameMix.IMIX)
        result = generator.start(spec).result(WAIT)
    for direction in (result.a_to_b, result.b_to_a):
        assert direction.collected_count == direction.sent_count > 8000
        assert (direction.other_count, direction.reordered_count) == (0, 0)


@needs_qemu
def test_a_qemu_that_is_killed_in_a_trial_ends_it_at_once(tmp_path):
    with qemu_hub(tmp_path) as (qemu, generator):
        trial = generator.start(spec_of(20_000, 0, flood=30.0))
        began = time.monotonic()
        qemu.kill()
        with pytest.raises(TrafficError, match=r"wire [AB] was closed"):
            trial.result(WAIT)
        assert time.monotonic() - began < 1.0


def test_a_window_longer_than_the_flood_is_refused(tmp_path):
    with lab(tmp_path) as (_, generator):
        wrong = replace(spec_of(), window=Seconds(9.0))
        with pytest.raises(TrafficError, match="cannot measure a window of 9 s"):
            generator.start(wrong)


def test_an_engine_that_is_killed_is_told_with_its_status(tmp_path):
    with lab(tmp_path) as (_, generator):
        trial = generator.start(spec_of(flood=30.0))
        os.kill(generator.pid, signal.SIGKILL)
        with pytest.raises(TrafficError, match="ended with status -9"):
            trial.result(WAIT)


def test_closing_within_a_trial_leaves_no_process(tmp_path):
    with lab(tmp_path) as (_, generator):
        generator.start(spec_of(flood=30.0))
        pid = generator.pid
        generator.close()
        assert not Path(f"/proc/{pid}").exists()


def test_the_engine_does_not_outlive_a_parent_that_is_killed(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    program = (
        "import sys, time; from pathlib import Path;"
        "from vhostaccel.traffic.generator import Generator;"
        "g = Generator(Path(sys.argv[1]), Path(sys.argv[2]));"
        "print(g.pid, flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", program, str(a), str(b)]
    with NullSink(a, b), subprocess.Popen(argv, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        engine = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        assert select.select([engine], [], [], 5.0)[0]
        os.close(engine)


def test_without_a_lab_the_generator_says_so(tmp_path):
    with pytest.raises(TrafficError, match="wire A: cannot connect"):
        Generator(tmp_path / "a", tmp_path / "b", connect_timeout=Seconds(0.1))
