# SPDX-License-Identifier: Apache-2.0
"""What a wire delivered: from the raw stream to loss, duplicates, reorder and latency.

Pure functions over numpy arrays; they run when the flood is over.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from vhostaccel.traffic.frames import MARKED_BYTES, PREFIX_BYTES, lane, marks_in, pairs
from vhostaccel.traffic.trial import (
    DirectionLoad,
    DirectionResult,
    FlowCount,
    GuestResult,
    Latency,
)

_LONGEST_FRAME = 65_536 + 4_096
"""NET_BUFSIZE of QEMU (include/net/net.h); a longer one means a lost frame boundary."""
_RUN = 1_024
_WORTHWHILE_RUN = 16


class TornStreamError(ValueError):
    """The stream has no frame boundary where one must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A piece of stream, cut at the frame boundaries."""

    starts: NDArray[np.int64]
    """Where the length prefixes of the whole frames are."""
    lengths: NDArray[np.int64]
    """Lengths of the frames, prefix not included [B]."""
    used: int
    """Bytes up to the end of the last whole frame; the rest is part of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Frames with our mark, in the order they arrived; columns of equal length."""

    lane: NDArray[np.uint8]
    flow: NDArray[np.uint8]
    seq: NDArray[np.uint32]
    time: NDArray[np.int64]
    """When it was sent, CLOCK_MONOTONIC [ns]."""
    arrival: NDArray[np.int64]
    """When its last byte was read, CLOCK_MONOTONIC [ns]."""
    other: int
    """Frames that arrived with them and are not of this trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What was sent of one load."""

    load: DirectionLoad
    intended: int
    """Frames due over the whole flood."""
    sent: int
    """Frames the wire took over the whole flood."""
    sent_in_window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What one direction sent; only the engine knows it."""

    direction: str
    parts: tuple[Part, ...]
    opens_ns: int
    closes_ns: int


def cut(raw: NDArray[np.uint8]) -> Cut:
    """Find the frames in a piece of stream that begins at a frame boundary.

    Raises:
        TornStreamError: If a length prefix cannot be one.
    """
    data = raw.data
    starts: list[NDArray[np.int64]] = []
    lengths: list[NDArray[np.int64]] = []
    at, end = 0, len(data)
    while at + PREFIX_BYTES <= end:
        length = _length(data, at)
        run = min((end - at) // (PREFIX_BYTES + length), _RUN)
        if not run:
            break
        # Neighbours are mostly of one length: look at a thousand prefixes in one go.
        if run >= _WORTHWHILE_RUN:
            run = _equal_prefixes(raw, at, PREFIX_BYTES + length, run)
        if run >= _WORTHWHILE_RUN:
            starts.append(at + np.arange(run) * (PREFIX_BYTES + length))
        else:
            starts.append(_few_starts(data, at))
            run = len(starts[-1])
        at = _end_of(data, int(starts[-1][-1]))
        lengths.append(np.diff(starts[-1], append=at) - PREFIX_BYTES)
    nothing = np.empty(0, np.int64)
    return Cut(
        starts=np.concatenate([nothing, *starts]),
        lengths=np.concatenate([nothing, *lengths]),
        used=at,
    )


def read_frames(
    raw: NDArray[np.uint8],
    pieces: Cut,
    tag: int,
    chunk_ends: NDArray[np.int64],
    chunk_times: NDArray[np.int64],
) -> Frames:
    """Read the marks of the frames of one trial.

    Args:
        raw: a piece of stream.
        pieces: where its frames are.
        tag: the first word of the trial's marks.
        chunk_ends: where each read from the wire ended, as positions in ``raw``.
        chunk_times: when each read was done [ns].
    """
    long_enough = pieces.lengths >= MARKED_BYTES
    starts = pieces.starts[long_enough]
    marks = marks_in(raw, starts)
    ours = marks["tag"] == tag
    marks, starts = marks[ours], starts[ours]
    ends = starts + pieces.lengths[long_enough][ours] + PREFIX_BYTES
    return Frames(
        lane=marks["lane"].copy(),
        flow=marks["flow"].copy(),
        seq=marks["seq"].astype(np.uint32),
        time=marks["time"].astype(np.int64),
        arrival=chunk_times[np.searchsorted(chunk_ends, ends)],
        other=len(pieces.starts) - len(starts),
    )


def join(parts: Sequence[Frames]) -> Frames:
    """Put pieces that arrived one after the other together."""
    return Frames(
        lane=np.concatenate([np.empty(0, np.uint8), *(p.lane for p in parts)]),
        flow=np.concatenate([np.empty(0, np.uint8), *(p.flow for p in parts)]),
        seq=np.concatenate([np.empty(0, np.uint32), *(p.seq for p in parts)]),
        time=np.concatenate([np.empty(0, np.int64), *(p.time for p in parts)]),
        arrival=np.concatenate([np.empty(0, np.int64), *(p.arrival for p in parts)]),
        other=sum(p.other for p in parts),
    )


def tally(frames: Frames, sending: Sending) -> DirectionResult:
    """Compare what was collected with what was sent.

    A frame whose mark was never sent (wrong direction, flow or number) is not ours.
    """
    of = tuple(chain.from_iterable(pairs(part.load) for part in sending.parts))
    sent = np.concatenate(
        [_sent_per_pair(part.sent, len(pairs(part.load))) for part in sending.parts]
    )
    total = sum(part.sent for part in sending.parts)
    intended = sum(part.intended for part in sending.parts)
    pair, ours = _pair_of(frames, sending.direction, of, sent)
    pair, seq = pair[ours], frames.seq[ours].astype(np.int64)
    arrival, time = frames.arrival[ours], frames.time[ours]
    first = _is_first(pair, seq)
    collected = np.bincount(pair[first], minlength=len(of))
    duplicated = np.bincount(pair[~first], minlength=len(of))
    reordered = np.bincount(_reordered(pair[first], seq[first]), minlength=len(of))
    in_window = (arrival >= sending.opens_ns) & (arrival < sending.closes_ns)
    window_s = (sending.closes_ns - sending.opens_ns) / 1e9
    in_window_sent = sum(part.sent_in_window for part in sending.parts)
    return DirectionResult(
        intended_fps=sum(part.load.rate for part in sending.parts),
        offered_fps=in_window_sent / window_s,
        egress_fps=int(in_window.sum()) / window_s,
        intended_count=intended,
        sent_count=total,
        shed_count=intended - total,
        collected_count=len(pair),
        lost_count=total - int(collected.sum()),
        duplicated_count=int(duplicated.sum()),
        reordered_count=int(reordered.sum()),
        other_count=frames.other + int((~ours).sum()),
        latency=_latency((arrival - time)[in_window & first]),
        flows=_flows(of, sent, collected, duplicated, reordered) if total else (),
        guests=_guests(
            sending.parts,
            np.array([guest for guest, _ in of])[pair],
            arrival - time,
            in_window,
            first,
            window_s,
        ),
    )


def last_arrival(frames: Frames) -> int:
    """Return when the last frame of the trial was collected, or 0 [ns]."""
    return int(frames.arrival[-1]) if len(frames.arrival) else 0


def _length(data: memoryview, at: int) -> int:
    length: int = struct.unpack_from(">I", data, at)[0]
    if length > _LONGEST_FRAME:
        raise TornStreamError(f"no frame begins here: its length would be {length} B")
    return length


def _end_of(data: memoryview, at: int) -> int:
    return at + PREFIX_BYTES + _length(data, at)


def _equal_prefixes(raw: NDArray[np.uint8], at: int, step: int, most: int) -> int:
    prefixes: NDArray[np.uint32] = np.ndarray(
        (most,), np.uint32, raw, offset=at, strides=(step,)
    )
    differs = prefixes != prefixes[0]
    return int(differs.argmax()) if differs.any() else most


def _few_starts(data: memoryview, at: int) -> NDArray[np.int64]:
    starts: list[int] = []
    while len(starts) < _RUN and at + PREFIX_BYTES <= len(data):
        end = _end_of(data, at)
        if end > len(data):
            break
        starts.append(at)
        at = end
    return np.array(starts, np.int64)


def _sent_per_pair(sent: int, count: int) -> NDArray[np.int64]:
    return sent // count + (np.arange(count) < sent % count)


def _pair_of(
    frames: Frames,
    direction: str,
    of: tuple[tuple[int, int], ...],
    sent: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    index = np.full((256, 256), -1)
    for number, (guest, flow) in enumerate(of):
        index[lane(direction, guest), flow] = number
    pair = index[frames.lane, frames.flow]
    return pair, (pair >= 0) & (frames.seq < sent[pair])


def _is_first(pair: NDArray[np.int64], seq: NDArray[np.int64]) -> NDArray[np.bool_]:
    first = np.zeros(len(pair), np.bool_)
    first[np.unique(pair << 32 | seq, return_index=True)[1]] = True
    return first


def _reordered(pair: NDArray[np.int64], seq: NDArray[np.int64]) -> NDArray[np.int64]:
    by_pair = np.argsort(pair, kind="stable")
    key = (pair << 32 | seq)[by_pair]
    # Any key of a pair exceeds all of the pairs before it, so one running maximum
    # serves all flows: a key below it was overtaken within its own flow.
    overtaken = key < np.maximum.accumulate(key) if len(key) else np.empty(0, np.bool_)
    return pair[by_pair][overtaken]


def _latency(delays_ns: NDArray[np.int64]) -> Latency | None:
    if not len(delays_ns):
        return None
    # An observed delay, not one interpolated between two.
    p50, p99 = np.percentile(delays_ns, (50, 99), method="inverted_cdf")
    return Latency(p50=int(p50), p99=int(p99), worst=int(delays_ns.max()))


def _guests(
    parts: Sequence[Part],
    guest: NDArray[np.int64],
    delays_ns: NDArray[np.int64],
    in_window: NDArray[np.bool_],
    first: NDArray[np.bool_],
    window_s: float,
) -> tuple[GuestResult, ...]:
    """Split the window by guest; `guest` says of each frame whose it is."""
    # The frames of a load go to its guests in turn.
    offered = {
        number: part.sent_in_window / len(part.load.guests) / window_s
        for part in parts
        for number in part.load.guests
    }
    return tuple(
        GuestResult(
            guest=number,
            offered_fps=offered[number],
            egress_fps=int((in_window & (guest == number)).sum()) / window_s,
            latency=_latency(delays_ns[in_window & first & (guest == number)]),
        )
        for number in sorted(offered)
    )


def _flows(
    of: tuple[tuple[int, int], ...],
    sent: NDArray[np.int64],
    collected: NDArray[np.int64],
    duplicated: NDArray[np.int64],
    reordered: NDArray[np.int64],
) -> tuple[FlowCount, ...]:
    return tuple(
        FlowCount(
            guest=guest,
            flow=flow,
            sent=int(sent[n]),
            collected=int(collected[n]),
            lost=int(sent[n] - collected[n]),
            duplicated=int(duplicated[n]),
            reordered=int(reordered[n]),
        )
        for n, (guest, flow) in enumerate(of)
    )
