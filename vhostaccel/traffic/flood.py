# SPDX-License-Identifier: Apache-2.0
"""One trial on two wires: flood at a pace, collect, wait until the wires are silent."""

import select
import time
from collections.abc import Sequence
from dataclasses import dataclass

from vhostaccel.errors import TrafficError
from vhostaccel.traffic import frames
from vhostaccel.traffic.capture import Capture
from vhostaccel.traffic.collector import Sending, last_arrival, tally
from vhostaccel.traffic.pace import TICK_NS, Pacer, burst_of
from vhostaccel.traffic.trial import (
    DIRECTIONS,
    TrialResult,
    TrialSpec,
)
from vhostaccel.traffic.wire import Wire

_SECOND_NS = 1_000_000_000
_LOOK_AGAIN_NS = 10_000_000
"""How often the drain looks whether QEMU has read what we sent: nothing tells us."""
_LEAD_NS = 20_000_000
"""From the announcement to the first frame, so that whoever watches can be ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """When what happens in a trial, CLOCK_MONOTONIC [ns]."""

    begins_ns: int
    opens_ns: int
    """The window opens."""
    closes_ns: int
    """The window closes and the flood ends."""


class Port:
    """Our end of a wire with what is sent into it and what is collected from it."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.capture = Capture(wire)
        self.sent = 0
        self.last_sent_ns = 0

    def prepare(self, deck: frames.Deck, trial: int) -> None:
        """Make ready for a trial: nothing of the one before is left here.

        Raises:
            TrafficError: If the wire is closed.
        """
        self.wire.finish()
        self._torn_before = self.wire.is_torn
        self.capture.begin(frames.tag(trial))
        self.deck = deck
        self.sent = 0
        self.last_sent_ns = 0

    def schedule(self, pacer: Pacer, opens_ns: int) -> None:
        """Say when to send."""
        self.pacer = pacer
        self._opens_ns = opens_ns
        self._sent_before_window: int | None = None

    def pump(self) -> None:
        """Send what is due now, as far as the wire takes it.

        Raises:
            TrafficError: If the wire is closed.
        """
        now = time.monotonic_ns()
        if self._sent_before_window is None and now >= self._opens_ns:
            self._sent_before_window = self.sent
        if self.wire.is_torn and not self.finish(now):
            self.pacer.defer(now)
            return
        count = self.pacer.take(now, self.sent)
        if count:
            whole = self.wire.send(*self.deck.stamp(self.sent, count, now))
            self.sent += whole
            if whole:
                self.last_sent_ns = now

    def sent_in_window(self) -> int:
        """Return the frames sent since the window opened."""
        before = self._sent_before_window
        return 0 if before is None else self.sent - before

    def finish(self, now_ns: int) -> bool:
        """Send the rest of a torn frame; tell whether the wire is whole again.

        Raises:
            TrafficError: If the wire is closed.
        """
        if self.wire.finish():
            if not self._torn_before:
                self.sent += 1
                self.last_sent_ns = now_ns
            self._torn_before = False
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
        for direction, port, load in zip(DIRECTIONS, ports, self._loads, strict=True):
            longest = burst_of(load.rate)
            deck = frames.Deck(
                direction, load, spec.frames, trial=number, longest=longest
            )
            port.prepare(deck, number)

    def schedule(self) -> Moments:
        """Fix when the flood begins and the window opens and closes."""
        begins = time.monotonic_ns() + _LEAD_NS
        closes = begins + round(self._spec.flood * _SECOND_NS)
        opens = closes - round(self._spec.window * _SECOND_NS)
        for port, load in zip(self._ports, self._loads, strict=True):
            pacer = Pacer(load.rate, start_ns=begins, flood=self._spec.flood)
            port.schedule(pacer, opens)
        self._moments = Moments(begins_ns=begins, opens_ns=opens, closes_ns=closes)
        return self._moments

    def run(self) -> None:
        """Flood, then collect until the wires are silent.

        Raises:
            TrafficError: If a wire is closed, or the stream makes no sense.
        """
        self._in_window = self._flood(self._moments.closes_ns)
        self._ended_ns = time.monotonic_ns()
        self._drained = self._drain(self._ended_ns)

    def _flood(self, closes_ns: int) -> list[int]:
        """Send and collect until the window closes; return the frames sent in it."""
        ports = self._ports
        while time.monotonic_ns() < closes_ns:
            for port in ports:
                port.pump()
            for port in ports:
                port.capture.read()
            until = min(closes_ns, *(port.pacer.next_ns for port in ports))
            _wait(ports, until - time.monotonic_ns())
        in_window = [port.sent_in_window() for port in ports]
        for port in ports:
            port.pacer.next_ns = 0  # what fell due since the last tick still goes out
            port.pump()
        return in_window

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
                    load=self._loads[n],
                    intended=port.pacer.intended,
                    sent=port.sent,
                    sent_in_window=self._in_window[n],
                    opens_ns=moments.opens_ns,
                    closes_ns=moments.closes_ns,
                ),
            )
            for n, port in enumerate(self._ports)
        ]
        last_sent = max(port.last_sent_ns for port in self._ports)
        last_collected = max(map(last_arrival, collected))
        return TrialResult(
            a_to_b=results[0],
            b_to_a=results[1],
            flood_s=(self._ended_ns - moments.begins_ns) / 1e9,
            window_s=(moments.closes_ns - moments.opens_ns) / 1e9,
            drain_s=max(0, last_collected - last_sent) / 1e9,
            drained=self._drained,
        )


def _check(spec: TrialSpec) -> None:
    frames.check_load(spec.a_to_b)
    frames.check_load(spec.b_to_a)
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
