# SPDX-License-Identifier: Apache-2.0
"""Parallel TCP streams in one direction: sockets, and what they say of themselves."""

import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from vhostaccel.errors import TrafficError
from vhostaccel.tcp.model import (
    CONGESTION_CONTROL,
    Received,
    Receiving,
    Sending,
    Sent,
)
from vhostaccel.traffic.trial import Moments

_CHUNK = bytes(1 << 16)
_SPACE_BYTES = 1 << 20
_INFO_BYTES = 256
_GRACE_S = 0.2
"""From the close of the window to the abort, so that neither end finds its streams
broken by the other."""
_RTT, _CWND, _TOTAL_RETRANS, _DATA_SEGS_OUT = 68, 80, 100, 156
"""Where they stand in struct tcp_info (include/uapi/linux/tcp.h)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpInfo:
    """What of TCP_INFO is of interest."""

    rtt_us: int
    cwnd: int
    retransmits: int
    segments: int


def tcp_info(data: bytes) -> TcpInfo:
    """Read struct tcp_info."""

    def at(offset: int) -> int:
        return int(struct.unpack_from("=I", data, offset)[0])

    return TcpInfo(
        rtt_us=at(_RTT),
        cwnd=at(_CWND),
        retransmits=at(_TOTAL_RETRANS),
        segments=at(_DATA_SEGS_OUT),
    )


def listen(address: str, streams: int) -> socket.socket:
    """Return a socket that so many streams can be connected to, on any port.

    Raises:
        TrafficError: If the kernel refuses.
    """
    try:
        made = socket.create_server((address, 0), backlog=streams)
    except OSError as error:
        raise TrafficError(
            f"cannot listen on {address}: {error.strerror}", hint="is it set up?"
        ) from None
    made.setblocking(False)
    return made


def connect(
    address: str, port: int, streams: int, timeout_s: float
) -> list[socket.socket]:
    """Return connected streams.

    Raises:
        TrafficError: If one is not connected within the timeout.
    """
    made = []
    deadline = time.monotonic() + timeout_s
    try:
        for _ in range(streams):
            end = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            made.append(end)
            end.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION_CONTROL.encode()
            )
            end.settimeout(max(0.1, deadline - time.monotonic()))
            end.connect((address, port))
            end.setblocking(False)
    except OSError as error:
        abort(made)
        raise TrafficError(
            f"cannot connect stream {len(made)} of {streams} to {address} within "
            f"{timeout_s:g} s: {error.strerror or error}",
            hint="does the guest forward? `vhostaccel flood-test --rates 600`",
        ) from None
    return made


def accept(
    listening: socket.socket, streams: int, until_ns: int
) -> list[socket.socket]:
    """Return the streams that were connected.

    Args:
        listening: from `listen`.
        streams: how many there are.
        until_ns: how long to wait for the last step of a connection, which is still
            under way when the sender has its end, CLOCK_MONOTONIC [ns].

    Raises:
        TrafficError: If there are not so many.
    """
    made: list[socket.socket] = []
    while len(made) < streams:
        left_s = (until_ns - time.monotonic_ns()) / 1e9
        if not select.select([listening], [], [], max(0.0, left_s))[0]:
            abort(made)
            raise TrafficError(
                f"{len(made)} of {streams} streams are connected",
                hint="repeat the measurement",
            )
        made.append(listening.accept()[0])
        made[-1].setblocking(False)
    return made


def send(streams: Sequence[socket.socket], moments: Moments) -> Sending:
    """Send as much as the streams take, until the window closes; then abort them.

    Raises:
        TrafficError: If a stream breaks.
    """
    poll, by_descriptor = _watched(streams, select.POLLOUT)
    _wait_until(moments.begins_ns)
    opened: list[TcpInfo] = []
    try:
        while (now := time.monotonic_ns()) < moments.closes_ns:
            if now >= moments.opens_ns and not opened:
                opened = list(map(_info, streams))
            for descriptor, _ in poll.poll(_until_next(now, moments)):
                with suppress(BlockingIOError):
                    by_descriptor[descriptor].send(_CHUNK)
        closed = list(map(_info, streams))
        ports = [stream.getsockname()[1] for stream in streams]
        _check_window(bool(opened))
        time.sleep(_GRACE_S)
    except OSError as error:
        raise _broken(error) from None
    finally:
        abort(streams)
    return Sending(
        streams=tuple(
            Sent(
                port=port,
                retransmits=last.retransmits - first.retransmits,
                segments=last.segments - first.segments,
                rtt_us=last.rtt_us,
                cwnd=last.cwnd,
            )
            for port, first, last in zip(ports, opened, closed, strict=True)
        )
    )


def receive(streams: Sequence[socket.socket], moments: Moments) -> Receiving:
    """Receive until the window closes, and count what comes in it; then abort.

    Raises:
        TrafficError: If a stream breaks.
    """
    poll, by_descriptor = _watched(streams, select.POLLIN)
    space = bytearray(_SPACE_BYTES)
    octets = dict.fromkeys(by_descriptor, 0)
    opened_ns = 0
    try:
        ports = {key: end.getpeername()[1] for key, end in by_descriptor.items()}
        while (now := time.monotonic_ns()) < moments.closes_ns:
            if now >= moments.opens_ns and not opened_ns:
                opened_ns = now
                octets = dict.fromkeys(by_descriptor, 0)
            for descriptor, _ in poll.poll(_until_next(now, moments)):
                with suppress(BlockingIOError):
                    count = by_descriptor[descriptor].recv_into(space)
                    if not count:
                        raise ConnectionResetError("end of stream")
                    octets[descriptor] += count
        _check_window(bool(opened_ns))
        time.sleep(_GRACE_S)
    except OSError as error:
        raise _broken(error) from None
    finally:
        abort(streams)
    return Receiving(
        window_ns=now - opened_ns,
        streams=tuple(
            Received(port=ports[key], octets=count) for key, count in octets.items()
        ),
    )


def abort(streams: Sequence[socket.socket]) -> None:
    """Close streams at once; what they still hold is not sent."""
    for stream in streams:
        with suppress(OSError):
            stream.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        stream.close()


def _watched(
    streams: Sequence[socket.socket], event: int
) -> tuple[select.poll, dict[int, socket.socket]]:
    poll = select.poll()
    for stream in streams:
        poll.register(stream, event)
    return poll, {stream.fileno(): stream for stream in streams}


def _info(stream: socket.socket) -> TcpInfo:
    return tcp_info(stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES))


def _until_next(now: int, moments: Moments) -> int:
    """Return how long to wait at most [ms]."""
    ahead = moments.opens_ns if now < moments.opens_ns else moments.closes_ns
    return (ahead - now) // 1_000_000 + 1


def _wait_until(at_ns: int) -> None:
    time.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)


def _check_window(was_opened: bool) -> None:
    if not was_opened:
        raise TrafficError(
            "a station got no CPU before the window closed",
            hint="see whether this machine has a free CPU for it",
        )


def _broken(error: OSError) -> TrafficError:
    return TrafficError(
        f"a stream broke: {error.strerror or error}",
        hint="see the lab's console; repeat the measurement",
    )
