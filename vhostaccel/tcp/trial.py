# SPDX-License-Identifier: Apache-2.0
"""One trial: streams through the guest, and what host and machine did meanwhile."""

import os
import time
from collections.abc import Collection
from dataclasses import dataclass

from vhostaccel.guests.plan import plan_guest
from vhostaccel.host import RemoteHost
from vhostaccel.lab.processes import thread_wait_ns
from vhostaccel.observe.sample import Sample
from vhostaccel.tcp.far import RemoteStation
from vhostaccel.tcp.model import (
    LinkCounts,
    Receiving,
    Sending,
    Stream,
    TcpSpec,
    TcpTrial,
    VoidRule,
    Way,
)
from vhostaccel.tcp.share import cpu_times, foreign_share, ticks_per_s
from vhostaccel.traffic.trial import Moments

_AHEAD_NS = 300_000_000
_QUIET_S = 0.5
_SETTLE_LIMIT_S = 30.0
_DATAPATH_THREAD = "CPU 0/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Counters at one moment with silent wires."""

    sample: Sample
    a: LinkCounts
    b: LinkCounts


class Bench:
    """Both stations and the host between them.

    Args:
        host: the host under test, on which the guest runs.
        a: the station on wire A; it sends.
        b: the station on wire B; it receives.
        lab_pid: the lab's QEMU.
        spec: of the measurement.
    """

    def __init__(
        self,
        host: RemoteHost,
        a: RemoteStation,
        b: RemoteStation,
        lab_pid: int,
        spec: TcpSpec,
    ) -> None:
        self._host = host
        self._a = a
        self._b = b
        self._lab_pid = lab_pid
        self._spec = spec

    def trial(self, way: Way, streams: int, turn: int, attempt: int) -> TcpTrial:
        """Run one trial; the host is in the right mode.

        Raises:
            TrafficError: If a station or a stream fails.
        """
        self._a.connect(streams, self._b.listen(streams))
        before = self._settled()
        moments = self._moments()
        self._b.start(moments)
        self._a.start(moments)
        foreign, delay = self._machine(moments)
        received, sent = self._b.received(), self._a.sent()
        return made(
            way, turn, attempt, received, sent, before, self._settled(),
            foreign=foreign, delay=delay, rule=self._spec.rule,
        )  # fmt: skip

    def _moments(self) -> Moments:
        begins_ns = time.monotonic_ns() + _AHEAD_NS
        return Moments(
            begins_ns=begins_ns,
            opens_ns=begins_ns + round(self._spec.warm_up * 1e9),
            closes_ns=begins_ns + round(self._spec.seconds * 1e9),
        )

    def _machine(self, moments: Moments) -> tuple[float, float]:
        """Return what others had of the machine in the trial, and the lab's wait."""
        ours: Collection[int] = (
            os.getpid(), self._lab_pid, *self._a.pids, *self._b.pids
        )  # fmt: skip
        _wait_until(moments.begins_ns)
        first = cpu_times(ours)
        waited = thread_wait_ns(self._lab_pid, _DATAPATH_THREAD)
        _wait_until(moments.closes_ns)
        last = cpu_times(ours)
        waited = thread_wait_ns(self._lab_pid, _DATAPATH_THREAD) - waited
        share = foreign_share(
            first, last, cpus=os.cpu_count() or 1, ticks_per_s=ticks_per_s()
        )
        return share, waited / (last.at_ns - first.at_ns)

    def _settled(self) -> Seen:
        """Return the counters once nothing moves on the wires."""
        deadline = time.monotonic() + _SETTLE_LIMIT_S
        a, b = self._a.counts(), self._b.counts()
        while time.monotonic() < deadline:
            time.sleep(_QUIET_S)
            last, (a, b) = (a, b), (self._a.counts(), self._b.counts())
            if (a, b) == last:
                break
        return Seen(sample=self._host.sample(), a=a, b=b)


def made(
    way: Way,
    turn: int,
    attempt: int,
    received: Receiving,
    sent: Sending,
    before: Seen,
    after: Seen,
    *,
    foreign: float,
    delay: float,
    rule: VoidRule,
) -> TcpTrial:
    """Put together what stations, host and machine say of one trial."""
    window_s = received.window_ns / 1e9
    octets = {stream.port: stream.octets for stream in received.streams}
    streams = tuple(
        Stream(
            goodput_mbps=octets[one.port] * 8 / 1e6 / window_s,
            retransmits=one.retransmits,
            segments=one.segments,
            rtt_us=one.rtt_us,
            cwnd=one.cwnd,
        )
        for one in sorted(sent.streams, key=lambda one: one.port)
    )
    came, went = _guest_frames(before.sample, after.sample)
    segments = after.b.received - before.b.received
    frames = _moved(before.a, after.a).sent + _moved(before.b, after.b).sent
    shed = _moved(before.a, after.a).shed + _moved(before.b, after.b).shed
    return TcpTrial(
        way=way,
        streams=streams,
        turn=turn,
        attempt=attempt,
        window_s=window_s,
        goodput_mbps=sum(stream.goodput_mbps for stream in streams),
        retransmits=sum(stream.retransmits for stream in streams),
        segments=sum(stream.segments for stream in streams),
        segments_per_frame_in=segments / max(1, came),
        segments_per_frame_out=segments / max(1, went),
        lost_in_nic=max(0, _moved(before.a, after.a).sent - _nic_frames(before, after)),
        lost_in_tap=_tap_drops(before.sample, after.sample),
        sent_frames=frames,
        shed_frames=shed,
        foreign_share=foreign,
        lab_run_delay=delay,
        void=void_reason(rule, frames=frames, shed=shed, foreign=foreign),
    )


def void_reason(
    rule: VoidRule, *, frames: int, shed: int, foreign: float
) -> str | None:
    """Say why a trial says nothing about the host, or None when it does."""
    if shed > rule.shed_share * frames:
        return f"the stations' devices dropped {shed} of {frames} frames"
    if foreign > rule.foreign_share:
        return f"others had {foreign:.0%} of the machine's CPU time"
    return None


def _moved(before: LinkCounts, after: LinkCounts) -> LinkCounts:
    return LinkCounts(
        sent=after.sent - before.sent,
        received=after.received - before.received,
        shed=after.shed - before.shed,
    )


def _guest_frames(before: Sample, after: Sample) -> tuple[int, int]:
    """Return the frames that came in at the guest's side A, and went out at B."""
    name = plan_guest(0).name
    then, now = before.guests.get(name), after.guests.get(name)
    if then is None or now is None:
        return 0, 0
    return (
        now.interfaces[0].rx_packets - then.interfaces[0].rx_packets,
        now.interfaces[1].tx_packets - then.interfaces[1].tx_packets,
    )


def _nic_frames(before: Seen, after: Seen) -> int:
    """Return the frames that left the NIC on wire A, for the host or a frame queue."""
    nic, tap = next(iter(before.sample.netdevs)), plan_guest(0).interfaces[0].tap
    frames = (
        after.sample.netdevs[nic].rx_packets - before.sample.netdevs[nic].rx_packets
    )
    then, now = before.sample.leases.get(tap), after.sample.leases.get(tap)
    if then is not None and now is not None:
        frames += now.rx_packets + now.rx_drops - then.rx_packets - then.rx_drops
    return frames


def _tap_drops(before: Sample, after: Sample) -> int:
    tap = plan_guest(0).interfaces[0].tap
    return after.netdevs[tap].tx_dropped - before.netdevs[tap].tx_dropped


def _wait_until(at_ns: int) -> None:
    time.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)
