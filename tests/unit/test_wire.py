# SPDX-License-Identifier: Apache-2.0
import random
import socket

import numpy as np
import pytest

from vhostaccel.errors import TrafficError
from vhostaccel.scenario.model import FrameMix
from vhostaccel.traffic.capture import Capture
from vhostaccel.traffic.collector import cut
from vhostaccel.traffic.frames import Deck, marks_in, tag
from vhostaccel.traffic.trial import DirectionLoad
from vhostaccel.traffic.wire import Wire
from vhostaccel.units import FramesPerSecond, Seconds

LOAD = DirectionLoad(rate=FramesPerSecond(1), flows=1)


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        yield Wire("A", ours), theirs


def read_some(peer, most):
    try:
        return peer.recv(most)
    except BlockingIOError:
        return b""


def test_a_reader_that_dawdles_tears_frames_but_never_the_stream(ends):
    chance = random.Random(1)
    wire, peer = ends
    deck = Deck("a_to_b", LOAD, FrameMix.LARGE, trial=1, longest=80)
    sent, tears, stream = 0, 0, b""
    for _ in range(400):
        sent += wire.finish()
        if not wire.is_torn:
            sent += wire.send(*deck.stamp(sent, chance.randrange(1, 81), 1))
            tears += wire.is_torn
        stream += read_some(peer, chance.randrange(1, 60_000))
    while wire.is_torn or wire.unread_bytes():
        stream += read_some(peer, 1 << 20)
        sent += wire.finish()
    raw = np.frombuffer(stream, np.uint8)
    pieces = cut(raw)
    assert tears > 10
    assert pieces.used == len(stream)
    assert marks_in(raw, pieces.starts)["seq"].tolist() == list(range(sent))


def test_unread_bytes_is_zero_only_when_the_peer_has_read_all(ends):
    wire, peer = ends
    assert wire.unread_bytes() == 0
    wire.send(memoryview(b"12345678"), np.array([0, 8]))
    assert wire.unread_bytes() > 0
    peer.recv(7)
    assert wire.unread_bytes() > 0
    peer.recv(1)
    assert wire.unread_bytes() == 0


def test_a_closed_peer_is_an_error_that_names_the_wire(ends):
    wire, peer = ends
    peer.close()
    with pytest.raises(TrafficError, match="wire A was closed"):
        wire.receive(memoryview(bytearray(10)))
    with pytest.raises(TrafficError, match="wire A was closed"):
        wire.send(memoryview(b"12345678"), np.array([0, 8]))


def test_nobody_listening_is_an_error_within_the_timeout(tmp_path):
    with pytest.raises(TrafficError, match="wire B: cannot connect"):
        Wire.connect("B", tmp_path / "nobody", Seconds(0.05))


def test_a_capture_loses_no_frame_between_segments_and_trials(ends, monkeypatch):
    monkeypatch.setattr("vhostaccel.traffic.capture._SEGMENT_BYTES", 10_000)
    wire, peer = ends
    capture = Capture(wire)
    deck = Deck("a_to_b", LOAD, FrameMix.IMIX, trial=5, longest=20)
    early, _ = deck.stamp(0, 20, 1)
    peer.send(early[:-5])
    capture.begin(tag(5))  # the last frame is still on its way
    stream = bytes(early[-5:])
    for first in range(20, 2020, 20):
        stream += bytes(deck.stamp(first, 20, 1)[0])
    for at in range(0, len(stream), 3333):
        peer.send(stream[at : at + 3333])
        capture.read()
    while capture.read():
        pass
    frames = capture.frames()
    assert frames.seq.tolist() == list(range(19, 2020))
    assert (np.diff(frames.arrival) >= 0).all()
    assert frames.other == 0
