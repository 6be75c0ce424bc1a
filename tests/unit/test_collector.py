# SPDX-License-Identifier: Apache-2.0
import random

import numpy as np
import pytest

from vhostaccel.scenario.model import FrameMix
from vhostaccel.traffic.collector import (
    Part,
    Sending,
    TornStreamError,
    cut,
    join,
    read_frames,
    tally,
)
from vhostaccel.traffic.frames import Deck, tag
from vhostaccel.traffic.trial import DirectionLoad
from vhostaccel.units import FramesPerSecond

LOAD = DirectionLoad(rate=FramesPerSecond(1000), guests=(0, 9), flows=2)
ARP = (42).to_bytes(4, "big") + bytes(42)
TRIAL = 7


def stream_of(count, mix=FrameMix.IMIX, trial=TRIAL, direction="a_to_b"):
    """Frames 0..count-1 as they are on the wire, frame i sent at i microseconds."""
    deck = Deck(direction, LOAD, mix, trial=trial, longest=1)
    return [bytes(deck.stamp(i, 1, i * 1000)[0]) for i in range(count)]


def read(chunks, at=None):
    """Read chunks that arrive at the given times, cut into pieces anywhere."""
    raw = np.frombuffer(b"".join(chunks), np.uint8)
    ends = np.cumsum([len(chunk) for chunk in chunks])
    times = np.array(at if at is not None else range(len(chunks)), np.int64)
    return read_frames(raw, cut(raw), tag(TRIAL), ends, times)


def sending(sent, opens=0, closes=10**9, in_window=None):
    return Sending(
        direction="a_to_b",
        parts=(
            Part(
                load=LOAD,
                intended=sent + 3,
                sent=sent,
                sent_in_window=sent if in_window is None else in_window,
            ),
        ),
        opens_ns=opens,
        closes_ns=closes,
    )


@pytest.mark.parametrize("seed", range(20))
def test_crafted_loss_duplicates_and_reorder_are_all_found(seed):
    chance = random.Random(seed)
    frames = stream_of(600, chance.choice(list(FrameMix)))
    order = [i for i in range(600) if chance.random() > 0.1]
    lost = 600 - len(order)
    duplicates = chance.sample(order, 30)
    # Swapping a frame with its flow's next one overtakes exactly one of the two.
    swapped, last = 0, -10
    for at in range(len(order) - 4):
        if at - last > 8 and order[at + 4] - order[at] == 4 and chance.random() < 0.3:
            order[at], order[at + 4] = order[at + 4], order[at]
            swapped, last = swapped + 1, at
    chunks = [frames[i] for i in order] + [frames[i] for i in duplicates]
    other = [chance.randrange(len(order)) for _ in range(5)]
    for at in sorted(other, reverse=True):
        chunks.insert(at, ARP)
    result = tally(read(chunks), sending(600))
    assert result.lost_count == lost
    assert result.duplicated_count == 30
    assert result.reordered_count == swapped
    assert result.collected_count == 600 - lost + 30
    assert result.other_count == 5
    assert result.shed_count == 3
    assert sum(f.collected + f.lost for f in result.flows) == result.sent_count
    assert sum(f.reordered for f in result.flows) == swapped


def test_a_stream_cut_anywhere_gives_the_same_frames():
    stream = b"".join(stream_of(200))
    for at in (1, 3, 4, 63, 64, 66, 5000, len(stream) - 1):
        head = cut(np.frombuffer(stream[:at], np.uint8))
        tail = cut(np.frombuffer(stream[head.used :], np.uint8))
        assert len(head.starts) + len(tail.starts) == 200
        assert head.used + tail.used == len(stream)


@pytest.mark.parametrize("run", [1, 15, 16, 17, 1023, 1024, 1025, 3000])
def test_runs_of_one_size_are_cut_exactly_where_the_size_changes(run):
    small, large = b"\0\0\0\4abcd", b"\0\0\0\x09123456789"
    stream = small * run + large * run + small + large
    pieces = cut(np.frombuffer(stream, np.uint8))
    assert pieces.lengths.tolist() == [4] * run + [9] * run + [4, 9]
    assert pieces.used == len(stream)


def test_exactly_sixteen_lengths_worth_of_other_frames_is_no_run():
    small, large = b"\0\0\0\4abcd", b"\0\0\0\x09123456789"
    stream = small + large * 9 + small  # 133 B, room for 16 small ones
    assert cut(np.frombuffer(stream, np.uint8)).lengths.tolist() == [4, *[9] * 9, 4]


def test_a_stream_without_a_frame_boundary_is_refused():
    with pytest.raises(TornStreamError, match="its length would be"):
        cut(np.frombuffer(b"\x7f\xff\xff\xff" + bytes(100), np.uint8))


def test_frames_of_another_trial_direction_or_number_are_not_ours():
    chunks = stream_of(4, trial=TRIAL - 1) + stream_of(4, direction="b_to_a")
    chunks += stream_of(12)[8:]  # never sent: only 8 were
    result = tally(read(chunks), sending(8))
    assert (result.collected_count, result.lost_count, result.other_count) == (0, 8, 12)


def test_egress_and_latency_count_only_what_arrives_in_the_window():
    frames = stream_of(100, FrameMix.SMALL)
    arrivals = [i * 1000 + 500 + i for i in range(100)]
    spec = sending(100, opens=arrivals[20], closes=arrivals[70], in_window=50)
    result = tally(read(frames, arrivals), spec)
    window_s = (arrivals[70] - arrivals[20]) / 1e9
    assert result.egress_fps == pytest.approx(50 / window_s)
    assert result.offered_fps == pytest.approx(50 / window_s)
    assert result.latency is not None
    assert (result.latency.p50, result.latency.p99) == (544, 569)
    assert result.latency.worst == 569
    assert result.lost_count == 0
    by_guest = {guest.guest: guest for guest in result.guests}
    assert list(by_guest) == [0, 9]
    assert sum(g.egress_fps for g in result.guests) == pytest.approx(result.egress_fps)
    # Frames 20, 22, ... 68 are of guest 0 and of guest 9 those between them.
    assert by_guest[0].egress_fps == pytest.approx(25 / window_s)
    latencies = [guest.latency for guest in result.guests if guest.latency]
    assert [latency.worst for latency in latencies] == [568, 569]


def test_nothing_collected_has_no_latency_and_loses_everything():
    result = tally(join([]), sending(10))
    assert result.latency is None
    assert (result.lost_count, result.egress_fps) == (10, 0)
    assert [guest.latency for guest in result.guests] == [None, None]
