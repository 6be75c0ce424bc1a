# SPDX-License-Identifier: Apache-2.0
"""One trial on two wires: flood at a pace, collect, wait until the wires are silent."""

import select
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from vhostaccel.errors import TrafficError
from vhostaccel.traffic import frames
from vhostaccel.traffic.capture import Capture
from vhostaccel.traffic.collector import Part, Sending, last_arrival, tally
from vhostaccel.traffic.pace import TICK_NS, Pacer, burst_of
from vhostaccel.traffic.trial import (
    DIRECTIONS,
    DirectionLoad,
    Moments,
    TrialResult,
    TrialSpec,
)
from vhostaccel.traffic.wire import Wire

_SECOND_NS = 1_000_000_000
_LOOK_AGAIN_NS = 10_000_000
"""How often the drain looks whether QEMU has read what we sent: nothing tells us."""
_LEAD_NS = 20_000_000
"""From the announcement to the first frame, so that whoever watches can be ready."""


class Stream:
    """One load on its way into a wire: its frames, their schedule, and what was sent."""

    def __init__(self, load: DirectionLoad, deck: frames.Deck) -> None:
        self.load = load
        self.sent = 0
        self.last_sent_ns = 0
        self._deck = deck

    def schedule(self, pacer: Pacer, opens_ns: int) -> None:
        """Say when to send."""
        self.pacer = pacer
        self._opens_ns = opens_ns
        self._sent_before_window: int | None = None

    def pump(self, wire: Wire, now_ns: int) -> None:
        """Send what is due now, as far as a whole wire takes it.

        Raises:
            TrafficError: If the wire is closed.
        """
        count = self.pacer.take(now_ns, self.sent)
        if count:
            self.note(wire.send(*self._deck.stamp(self.sent, count, now_ns)), now_ns)

    def note(self, frames_sent: int, now_ns: int) -> None:
        """Count frames whose last byte the wire took."""
        self.sent += frames_sent
        if frames_sent:
            self.last_sent_ns = now_ns

    def look(self, now_ns: int) -> None:
        """Remember what was sent before the window opened."""
        if self._sent_before_window is None and now_ns >= self._opens_ns:
            self._sent_before_window = self.sent

    def sent_in_window(self) -> int:
        """Return the frames sent since the window opened."""
        before = self._sent_before_window
        return 0 if before is None else self.sent - before


class Port:
    """Our end of a wire with what is sent into it and what is collected from it."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.capture = Capture(wire)
        self.streams: tuple[Stream, ...] = ()
        self._torn: Stream | None = None

    def prepare(self, streams: Iterable[Stream], trial: int) -> None:
        """Make ready for a trial: nothing of the one before is left here.

        Raises:
            TrafficError: If the wire is closed.
        """
        self.wire.finish()
        self._torn = None
        self.capture.begin(frames.tag(trial))
        # The slower first, so that a faster one beside it does not keep it from the wire.
        self.streams = tuple(sorted(streams, key=lambda stream: stream.load.rate))

    @property
    def next_ns(self) -> int:
        """Nothing is to be written before this time."""
        return min(stream.pacer.next_ns for stream in self.streams)

    def pump(self) -> None:
        """Send what is due now, as far as the wire takes it.

        Raises:
            TrafficError: If the wire is closed.
        """
        now = time.monotonic_ns()
        for stream in self.streams:
            stream.look(now)
        for stream in self.streams:
            if self.wire.is_torn and not self.finish(now):
                stream.pacer.defer(now)
                continue
            stream.pump(self.wire, now)
            if self.wire.is_torn:
                self._torn = stream

    def finish(self, now_ns: int) -> bool:
        """Send the rest of a torn frame; tell whether the wire is whole again.

        Raises:
            TrafficError: If the wire is closed.
        """
        if self.wire.finish():
            # Without a stream it is a frame of the trial before.
            if self._torn is not None:
                self._torn.note(1, now_ns)
            self._torn = None
        return not self.wire.is_torn


class Trial:
    """One trial, from the first frame to the last one collected."""

    def __init__(self, ports: tuple[Port, Port], spec: TrialSpec, number: int) -> None:
        """Build the frames and make the wires ready.

        Raises:
            TrafficError: If the load cannot be sent, or a wire is closed.
        """
        self._ports = ports
        self._spec = spec
        self._loads = (spec.a_to_b, spec.b_to_a)
        _check(spec)
        self._streams = tuple(
            tuple(_stream(direction, load, spec, number) for load in loads)
            for direction, loads in zip(DIRECTIONS, self._loads, strict=True)
        )
        for port, streams in zip(ports, self._streams, strict=True):
            port.prepare(streams, number)

    def schedule(self) -> Moments:
        """Fix when the flood begins and the window opens and closes."""
        begins = time.monotonic_ns() + _LEAD_NS
        closes = begins + round(self._spec.flood * _SECOND_NS)
        opens = closes - round(self._spec.window * _SECOND_NS)
        for stream in self._all_streams():
            pacer = Pacer(stream.load.rate, start_ns=begins, flood=self._spec.flood)
            stream.schedule(pacer, opens)
        self._moments = Moments(begins_ns=begins, opens_ns=opens, closes_ns=closes)
        return self._moments

    def run(self) -> None:
        """Flood, then collect until the wires are silent.

        Raises:
            TrafficError: If a wire is closed, or the stream makes no sense.
        """
        self._flood(self._moments.closes_ns)
        self._ended_ns = time.monotonic_ns()
        self._drained = self._drain(self._ended_ns)

    def _all_streams(self) -> Iterator[Stream]:
        return chain.from_iterable(self._streams)

    def _flood(self, closes_ns: int) -> None:
        """Send and collect until the window closes; note the frames sent in it."""
        ports = self._ports
        while time.monotonic_ns() < closes_ns:
            for port in ports:
                port.pump()
            for port in ports:
                port.capture.read()
            until = min(closes_ns, *(port.next_ns for port in ports))
            _wait(ports, until - time.monotonic_ns())
        self._in_window = {
            stream: stream.sent_in_window() for stream in self._all_streams()
        }
        for stream in self._all_streams():
            # What fell due since the last tick still goes out.
            stream.pacer.next_ns = 0
        for port in ports:
            port.pump()

    def _drain(self, ended_ns: int) -> bool:
        """Collect until both wires are read empty and silent; tell whether they are."""
        silent_since = ended_ns
        quiet_ns = round(self._spec.quiet * _SECOND_NS)
        give_up_ns = ended_ns + round(self._spec.drain * _SECOND_NS)
        while (now := time.monotonic_ns()) < give_up_ns:
            for port in self._ports:
                if port.wire.is_torn:
                    port.finish(now)
                if port.capture.read() or port.wire.unread_bytes():
                    silent_since = now
            if now - silent_since >= quiet_ns:
                return True
            until = min(silent_since + quiet_ns, give_up_ns, now + _LOOK_AGAIN_NS)
            _wait(self._ports, until - now)
        return False

    def result(self) -> TrialResult:
        """Compare what was collected with what was sent.

        Raises:
            TrafficError: If the stream makes no sense.
        """
        moments = self._moments
        collected = [port.capture.frames() for port in reversed(self._ports)]
        results = [
            tally(
                collected[n],
                Sending(
                    direction=DIRECTIONS[n],
                    parts=tuple(
                        Part(
                            load=stream.load,
                            intended=stream.pacer.intended,
                            sent=stream.sent,
                            sent_in_window=self._in_window[stream],
                        )
                        for stream in streams
                    ),
                    opens_ns=moments.opens_ns,
                    closes_ns=moments.closes_ns,
                ),
            )
            for n, streams in enumerate(self._streams)
        ]
        last_sent = max(stream.last_sent_ns for stream in self._all_streams())
        last_collected = max(map(last_arrival, collected))
        return TrialResult(
            a_to_b=results[0],
            b_to_a=results[1],
            flood_s=(self._ended_ns - moments.begins_ns) / 1e9,
            window_s=(moments.closes_ns - moments.opens_ns) / 1e9,
            drain_s=max(0, last_collected - last_sent) / 1e9,
            drained=self._drained,
        )


def _stream(direction: str, load: DirectionLoad, spec: TrialSpec, trial: int) -> Stream:
    longest = burst_of(load.rate)
    deck = frames.Deck(direction, load, spec.frames, trial=trial, longest=longest)
    return Stream(load, deck)


def _check(spec: TrialSpec) -> None:
    for loads in (spec.a_to_b, spec.b_to_a):
        frames.check_loads(loads)
    if not 0 < spec.window <= spec.flood:
        raise TrafficError(
            f"cannot measure a window of {spec.window:g} s in a flood of "
            f"{spec.flood:g} s",
            hint="let the window be the last part of the flood",
        )


def _wait(ports: Sequence[Port], ns: int) -> None:
    """Wait, but not longer than given; a frame that arrives ends the wait.

    Not so when the wait is no longer than a tick: waking up for each frame would cost
    the host under test more than the exactness of its arrival is worth.
    """
    if ns <= 0:
        return
    watched = [port.wire for port in ports] if ns > TICK_NS else []
    select.select(watched, [], [], ns / _SECOND_NS)
