# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import numpy as np
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from vhostaccel.errors import TrafficError
from vhostaccel.guests.plan import plan_guest
from vhostaccel.scenario.model import FrameMix
from vhostaccel.traffic.collector import cut
from vhostaccel.traffic.frames import (
    MARKED_BYTES,
    Deck,
    check_loads,
    craft,
    lane,
    marks_in,
    pairs,
    tag,
)
from vhostaccel.traffic.trial import DirectionLoad
from vhostaccel.units import FramesPerSecond


def load_of(guests=(0,), flows=4):
    return DirectionLoad(rate=FramesPerSecond(1), guests=guests, flows=flows)


def test_a_frame_goes_from_station_to_station_through_its_guest():
    near, far = plan_guest(3).interfaces
    frame = Ether(craft("b_to_a", 3, 7, 64))
    assert (frame.src, frame.dst) == (far.station_mac, far.mac)
    assert (frame[IP].src, frame[IP].dst) == (far.station_address, near.station_address)
    assert frame[IP].ttl == 64
    assert IP(bytes(frame[IP])[:20]).chksum == frame[IP].chksum != 0
    assert frame[UDP].chksum == 0
    assert frame[UDP].sport != Ether(craft("b_to_a", 3, 8, 64))[UDP].sport


def test_a_small_frame_ends_with_its_mark():
    assert len(craft("a_to_b", 0, 0, 64)) == MARKED_BYTES == 60


@pytest.mark.parametrize("mix", FrameMix, ids=str)
def test_a_stamped_batch_reads_back_as_what_was_asked(mix):
    load = load_of(guests=(2, 5), flows=3)
    deck = Deck("b_to_a", load, mix, trial=258, longest=50)
    seen = []
    for first in range(0, 1000, 50):
        data, bounds = deck.stamp(first, 50, 10**15 + first)
        raw = np.frombuffer(data, np.uint8)
        pieces = cut(raw)
        assert pieces.starts.tolist() == (bounds[:-1] - bounds[0]).tolist()
        assert pieces.used == len(raw)
        seen += marks_in(raw, pieces.starts).tolist()
    of = pairs(load)
    assert seen == [
        (tag(2), lane("b_to_a", of[i % 6][0]), of[i % 6][1], i // 6, 10**15 + i // 50 * 50)
        for i in range(1000)
    ]  # fmt: skip


def test_imix_gives_every_flow_seven_small_four_middle_one_large():
    load = load_of(flows=16)
    deck = Deck("a_to_b", load, FrameMix.IMIX, trial=1, longest=16 * 12)
    data, bounds = deck.stamp(0, 16 * 12, 1)
    raw = np.frombuffer(data, np.uint8)
    flow = marks_in(raw, bounds[:-1])["flow"]
    for number in range(16):
        sizes = Counter(np.diff(bounds)[flow == number].tolist())
        assert sizes == {64: 7, 594: 4, 1518: 1}


@pytest.mark.parametrize(
    "load",
    [load_of(guests=(1, 1)), load_of(guests=(100,)), load_of(guests=()), load_of(flows=257)],
    ids=["repeated guest", "guest too high", "no guest", "too many flows"],
)  # fmt: skip
def test_a_load_the_mark_cannot_tell_apart_is_refused(load):
    with pytest.raises(TrafficError, match="cannot"):
        check_loads((load,))
