# SPDX-License-Identifier: Apache-2.0
"""A generator without wires: computes what a host of a given capacity would forward."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from vhostaccel.errors import TrafficError
from vhostaccel.traffic.frames import check_loads, pairs
from vhostaccel.traffic.trial import (
    DirectionLoad,
    DirectionResult,
    FlowCount,
    GuestResult,
    Latency,
    TrialResult,
    TrialSpec,
)
from vhostaccel.units import FramesPerSecond, Seconds

_LATENCY_NS = 100_000
_LATENCY = Latency(p50=_LATENCY_NS, p99=2 * _LATENCY_NS, worst=3 * _LATENCY_NS)
_AMPLE = FramesPerSecond(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the wires lead to."""

    capacity: FramesPerSecond = _AMPLE
    """Forwarded per direction at most; what is beyond is lost [frames/s]."""
    loss: float = 0.0
    """Share of the rest that is lost at any load."""


class FakeGenerator:
    """Sends nothing; its trials end at once."""

    def __init__(self, host: Host | None = None) -> None:
        self.host = host or Host()
        """May be exchanged between trials."""
        self._closed = False

    def start(self, spec: TrialSpec) -> "FakeTrial":
        """Begin a trial that is already over.

        Raises:
            TrafficError: If the load cannot be sent, or it was closed.
        """
        if self._closed:
            raise TrafficError("the generator is closed", hint="start a new one")
        check_loads(spec.a_to_b)
        check_loads(spec.b_to_a)
        return FakeTrial(self.host, spec)

    def close(self) -> None:
        """Refuse further trials."""
        self._closed = True


class FakeTrial:
    """A trial in the past."""

    def __init__(self, host: Host, spec: TrialSpec) -> None:
        self._host = host
        self._spec = spec
        self._ends_ns = time.monotonic_ns()

    def begins_at(self) -> int:
        """Return when the flood would have begun, CLOCK_MONOTONIC [ns]."""
        return self._ends_ns - round(self._spec.flood * 1e9)

    def window_opens_at(self) -> int:
        """Return when the window would have opened, CLOCK_MONOTONIC [ns]."""
        return self._ends_ns - round(self._spec.window * 1e9)

    def window_closes_at(self) -> int:
        """Return now, as of the start, CLOCK_MONOTONIC [ns]."""
        return self._ends_ns

    def result(self, timeout: Seconds) -> TrialResult:
        """Return what the host would have forwarded."""
        spec = self._spec
        return TrialResult(
            a_to_b=_forwarded(self._host, spec.a_to_b, spec.flood),
            b_to_a=_forwarded(self._host, spec.b_to_a, spec.flood),
            flood_s=spec.flood,
            window_s=spec.window,
            drain_s=_LATENCY_NS / 1e9,
            drained=True,
        )


def _forwarded(
    host: Host, loads: Sequence[DirectionLoad], flood: Seconds
) -> DirectionResult:
    rate = sum(load.rate for load in loads)
    passed = min(rate, host.capacity) / rate if rate else 0.0
    share = passed * (1 - host.loss)
    flows = tuple(
        flow
        for load in loads
        if load.rate
        for flow in _flows(load, round(load.rate * flood), share)
    )
    sent = sum(flow.sent for flow in flows)
    collected = sum(flow.collected for flow in flows)
    return DirectionResult(
        intended_fps=rate,
        offered_fps=float(rate),
        egress_fps=rate * share,
        intended_count=sent,
        sent_count=sent,
        shed_count=0,
        collected_count=collected,
        lost_count=sent - collected,
        duplicated_count=0,
        reordered_count=0,
        other_count=0,
        latency=_LATENCY if collected else None,
        flows=flows,
        guests=_guests(loads, share),
    )


def _guests(loads: Sequence[DirectionLoad], share: float) -> tuple[GuestResult, ...]:
    offered = {
        guest: load.rate / len(load.guests) for load in loads for guest in load.guests
    }
    return tuple(
        GuestResult(
            guest=guest,
            offered_fps=offered[guest],
            egress_fps=offered[guest] * share,
            latency=_LATENCY if offered[guest] * share else None,
        )
        for guest in sorted(offered)
    )


def _flows(load: DirectionLoad, sent: int, share: float) -> tuple[FlowCount, ...]:
    of = pairs(load)
    counts = []
    for number, (guest, flow) in enumerate(of):
        own = sent // len(of) + (number < sent % len(of))
        collected = round(own * share)
        counts.append(
            FlowCount(
                guest=guest,
                flow=flow,
                sent=own,
                collected=collected,
                lost=own - collected,
                duplicated=0,
                reordered=0,
            )
        )
    return tuple(counts)
