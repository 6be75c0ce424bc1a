# SPDX-License-Identifier: Apache-2.0
"""Frames of a trial: crafted once, laid out as the wire carries them, stamped in batches.

A frame on the wire is preceded by its length, 4 bytes big-endian, as QEMU's
``-netdev stream`` wants it (net/stream.c); it has no FCS. Both are 4 bytes, so a frame
takes exactly as many bytes of the stream as its layer-2 size says.

Every frame carries a mark right after the UDP header::

    42      45      46       47     48     52            60
    | "VAC" | trial | lane   | flow | seq  | send time   |
      3 B     u8      u8       u8     u32    u64 [ns], CLOCK_MONOTONIC

The mark fills a 64-byte frame exactly. ``lane`` is the guest's number, with the top bit
set for ``b_to_a``, so that a frame that comes back on the wrong wire is not ours.
"""

import struct
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from vhostaccel.errors import TrafficError
from vhostaccel.guests.plan import MAX_GUESTS, plan_guest
from vhostaccel.scenario.fields import MOST_FLOWS, MOST_PAIRS
from vhostaccel.scenario.model import FrameMix
from vhostaccel.traffic.trial import DIRECTIONS, DirectionLoad

SIZES: dict[FrameMix, tuple[int, ...]] = {
    FrameMix.SMALL: (64,),
    FrameMix.LARGE: (1518,),
    FrameMix.IMIX: (64, 594, 64, 64, 594, 64, 64, 594, 64, 594, 64, 1518),
}
"""Layer-2 sizes including FCS, in the order they are sent [B]."""

PREFIX_BYTES = 4
FCS_BYTES = 4
MARK_OFFSET = 42
MARK = np.dtype(
    [
        ("tag", ">u4"),
        ("lane", "u1"),
        ("flow", "u1"),
        ("seq", ">u4"),
        ("time", ">u8"),
    ]
)
MARKED_BYTES = MARK_OFFSET + MARK.itemsize
"""Least length of a frame that can carry a mark, without FCS [B]."""

TRIAL_IDS = 256
MAX_FLOWS = MOST_FLOWS
MAX_PAIRS = MOST_PAIRS
"""Guests x flows of one direction; bounds the memory of a deck to some 20 MiB."""

_MAGIC = int.from_bytes(b"VAC", "big") << 8
_FLOW_PORT = 4096
_DISCARD_PORT = 9
_STAMP = np.dtype([("seq", ">u4"), ("time", ">u8")])
_STAMP_OFFSET = PREFIX_BYTES + MARK_OFFSET + 6
_WORDS = _STAMP.itemsize // 2


def tag(trial: int) -> int:
    """Return the first word of the mark of every frame of a trial."""
    return _MAGIC | trial % TRIAL_IDS


def lane(direction: str, guest: int) -> int:
    """Return the byte of the mark that says where a frame belongs."""
    return DIRECTIONS.index(direction) << 7 | guest


def pairs(load: DirectionLoad) -> tuple[tuple[int, int], ...]:
    """Return (guest, flow) of the frames of a direction, in the order they are sent.

    Frame number ``i`` of the direction belongs to pair ``i % len(pairs)`` and is
    number ``i // len(pairs)`` of its flow.
    """
    return tuple((guest, flow) for flow in range(load.flows) for guest in load.guests)


def check_loads(loads: Sequence[DirectionLoad]) -> None:
    """Refuse loads of one direction that the mark cannot tell apart.

    Raises:
        TrafficError: If guests or flows do not fit, or a guest has two loads.
    """
    for load in loads:
        _check_load(load)
    guests = [guest for load in loads for guest in load.guests]
    if len(set(guests)) != len(guests):
        raise TrafficError(
            f"cannot send two loads to one guest: the loads are for {sorted(guests)}",
            hint="give each guest in one load of a direction only",
        )


def _check_load(load: DirectionLoad) -> None:
    guests, flows = len(set(load.guests)), load.flows
    if guests != len(load.guests) or not all(0 <= g < MAX_GUESTS for g in load.guests):
        raise TrafficError(
            f"cannot address guests {load.guests}: a number is repeated or too high",
            hint=f"give each guest once, from 0 to {MAX_GUESTS - 1}",
        )
    if not (1 <= flows <= MAX_FLOWS and 1 <= guests * flows <= MAX_PAIRS):
        raise TrafficError(
            f"cannot send {flows} flows to each of {guests} guests",
            hint=f"use 1 to {MAX_FLOWS} flows, and at most {MAX_PAIRS} in a direction",
        )


@cache
def craft(direction: str, guest: int, flow: int, size: int) -> bytes:
    """Return one frame from a station to the station on the other wire, mark empty.

    Args:
        direction: ``a_to_b`` or ``b_to_a``.
        guest: number of the guest it is addressed to.
        flow: encoded in the UDP source port.
        size: layer-2 size including FCS [B]; the frame is 4 bytes shorter.
    """
    here, there = plan_guest(guest).interfaces
    if direction == DIRECTIONS[1]:
        here, there = there, here
    headers = (
        Ether(src=here.station_mac, dst=here.mac)
        / IP(src=here.station_address, dst=there.station_address, ttl=64)
        / UDP(sport=_FLOW_PORT + flow, dport=_DISCARD_PORT, chksum=0)
    )
    return bytes(headers / bytes(size - FCS_BYTES - MARK_OFFSET))


class Deck:
    """All frames of one direction in sending order, ready to be stamped and written.

    The order repeats after every flow has had every size. The first frames are stored
    once more behind the last, so that any batch is one contiguous piece of memory.
    """

    def __init__(
        self,
        direction: str,
        load: DirectionLoad,
        mix: FrameMix,
        *,
        trial: int,
        longest: int,
    ) -> None:
        """Lay out the frames.

        Args:
            direction: ``a_to_b`` or ``b_to_a``.
            load: whom the frames are for.
            mix: their sizes.
            trial: number of the trial; the mark carries it modulo 256.
            longest: most frames that one batch will have.
        """
        of, sizes = pairs(load), SIZES[mix]
        self._flows = len(of)
        self._period = len(of) * len(sizes)
        frames = [
            # The sizes move on by one each round, else a flow would get only some.
            craft(direction, *of[i % len(of)], sizes[(i + i // len(of)) % len(sizes)])
            for i in (n % self._period for n in range(self._period + longest))
        ]
        self._buffer = np.frombuffer(bytearray(b"".join(map(_prefixed, frames))), "u1")
        self._view = self._buffer.data
        lengths = np.array([len(f) + PREFIX_BYTES for f in frames])
        self._bounds = np.concatenate(([0], np.cumsum(lengths)))
        self._mark(direction, of, trial, len(frames))
        self._prepare_stamps(longest)

    def stamp(
        self, first: int, count: int, now_ns: int
    ) -> tuple[memoryview, NDArray[np.int64]]:
        """Put sequence numbers and the send time into a batch.

        Args:
            first: number of its first frame in the direction, from 0.
            count: frames, at most ``longest``.
            now_ns: CLOCK_MONOTONIC [ns].

        Returns:
            The bytes for the wire, valid until the next call, and the ``count + 1``
            places where its frames begin and end; they do not start at 0.
        """
        at = first % self._period
        stamps = self._stamps[:count]
        stamps["seq"] = (self._ramp[:count] + first) // self._flows
        stamps["time"] = now_ns
        self._words[self._places[at : at + count]] = self._stamp_words[:count]
        bounds = self._bounds[at : at + count + 1]
        return self._view[bounds[0] : bounds[count]], bounds

    def _mark(
        self, direction: str, of: tuple[tuple[int, int], ...], trial: int, count: int
    ) -> None:
        marks = marks_in(self._buffer, self._bounds[:-1]).copy()
        turn = np.arange(count) % len(of)
        marks["tag"] = tag(trial)
        marks["lane"] = np.array([lane(direction, guest) for guest, _ in of])[turn]
        marks["flow"] = np.array([flow for _, flow in of])[turn]
        places = self._bounds[:-1, None] + PREFIX_BYTES + MARK_OFFSET
        rows = marks.view("u1").reshape(count, MARK.itemsize)
        self._buffer[places + np.arange(MARK.itemsize)] = rows

    def _prepare_stamps(self, longest: int) -> None:
        # All sizes are even, so a stamp can be scattered as six 16-bit words.
        self._words = self._buffer.view("u2")
        first_word = (self._bounds[:-1, None] + _STAMP_OFFSET) // 2
        self._places = first_word + np.arange(_WORDS)
        self._ramp = np.arange(longest)
        self._stamps = np.zeros(longest, _STAMP)
        self._stamp_words = self._stamps.view("u2").reshape(longest, _WORDS)


def marks_in(raw: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.void]:
    """Return the marks of the frames whose length prefix is at ``starts``.

    The frames must have at least ``MARKED_BYTES``; the marks are copies.
    """
    if not len(starts):
        return np.empty(0, MARK)
    anywhere: NDArray[np.void] = np.ndarray(
        (raw.size - MARK.itemsize + 1,), MARK, raw, strides=(1,)
    )
    return anywhere[starts + PREFIX_BYTES + MARK_OFFSET]


def _prefixed(frame: bytes) -> bytes:
    return struct.pack(">I", len(frame)) + frame
