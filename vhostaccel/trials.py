# SPDX-License-Identifier: Apache-2.0
"""The trials of a scenario on a host that is ready, one after the other.

sample ─► flood (watch, sample, disturb, sample) ─► drain ─► sample
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from vhostaccel.disturb import SILENCING
from vhostaccel.errors import LabError
from vhostaccel.guests.plan import plan_guest
from vhostaccel.host import Host
from vhostaccel.lab.kvm import look_at_kvm
from vhostaccel.lab.machine import Report
from vhostaccel.lab.processes import thread_wait_ns
from vhostaccel.lost import require_no_restart, require_registers
from vhostaccel.observe.cpu import (
    exits_per_s,
    instructions,
    interrupts_per_s,
    shares,
)
from vhostaccel.observe.ledger import ledgers
from vhostaccel.observe.point import DisturbanceResult, Point
from vhostaccel.observe.sample import Liveness, Sample
from vhostaccel.observe.seeded import zero_copy_share
from vhostaccel.observe.settings import settings_between
from vhostaccel.patience import limit_s
from vhostaccel.report.rows import told
from vhostaccel.scenario.model import DisturbanceSpec, Scenario
from vhostaccel.traffic.generator import RunningTrial, TrafficGenerator
from vhostaccel.traffic.plan import trial_spec
from vhostaccel.traffic.trial import DirectionResult
from vhostaccel.units import FramesPerSecond, Seconds, show_rate
from vhostaccel.verify.curve import peak_fps
from vhostaccel.verify.void import void_reason

_WARM_UP_RATE = FramesPerSecond(200)
_WARM_UP_LIMIT_S = 60.0
_SETTLE_LIMIT_S = 30.0
_DATAPATH_THREAD = "CPU 0/"
_IDLE_PINGS = 40
_UNWATCHED = Liveness(heartbeats={}, timer_late_worst_ns=0)


class _Seen(NamedTuple):
    """What was seen of the host in the window."""

    opened: Sample
    closed: Sample
    liveness: Liveness
    disturbed: DisturbanceResult | None


class Trials:
    """The trials of a scenario on one prepared host, a mode at a time.

    Args:
        scenario: what to run.
        host: the host under test.
        generator: what floods it.
        lab_pid: the lab's QEMU, whose waits for a CPU are measured.
        report: is told what happens, a line at a time.
    """

    def __init__(
        self,
        scenario: Scenario,
        host: Host,
        generator: TrafficGenerator,
        lab_pid: int,
        report: Report,
    ) -> None:
        self._mode = ""
        self._scenario = scenario
        self._host = host
        self._generator = generator
        self._lab_pid = lab_pid
        self._report = report

    def use(self, mode: str) -> None:
        """Go on in this mode, once frames are forwarded in it.

        Raises:
            GuestError: If a guest cannot have it.
            LabError: If nothing is forwarded in time.
        """
        if mode != self._mode:
            self._host.use(mode)
            self._mode = mode
            self._warm_up()

    def idle_rtts_ns(self) -> list[int]:
        """Return the round trips of some pings through the taps with nothing else on."""
        answers = self._host.ping(_IDLE_PINGS)
        return [rtt for pings in answers.values() for rtt in pings.rtts_ns]

    def _warm_up(self) -> None:
        """Send a little until it is forwarded: bridges learn, caches fill.

        Raises:
            LabError: If nothing is forwarded in time.
        """
        started = time.monotonic()
        short = replace(
            trial_spec(self._scenario, _WARM_UP_RATE),
            flood=Seconds(1.0),
            window=Seconds(0.5),
        )
        while True:
            result = self._generator.start(short).result(Seconds(60.0))
            driven = [d for d in (result.a_to_b, result.b_to_a) if d.intended_fps]
            if all(map(_is_forwarded, driven)):
                took_s = time.monotonic() - started
                self._report(
                    f"{self._mode}: frames are forwarded, {took_s:.1f} s after the first"
                )
                return
            if time.monotonic() - started > limit_s(_WARM_UP_LIMIT_S):
                require_registers(self._host)
                counts = ", ".join(
                    f"{d.collected_count} of {d.sent_count}" for d in driven
                )
                raise LabError(
                    f"the guest forwards nothing: collected {counts} frames",
                    hint="`vhostaccel lab up`, then look with `vhostaccel lab shell`",
                )

    def sweep(self, sweep: int) -> Iterator[Point]:
        """Yield a point for each rate; before them one of the neighbours alone.

        Where instructions are counted, one without any load tells what is not work.
        """
        if self._scenario.lab.icount:
            yield self._point(FramesPerSecond(0), sweep, "idle")
        if self._scenario.traffic.neighbour is not None:
            yield self._point(FramesPerSecond(0), sweep, "solo")
        for rate in self._scenario.traffic.rates:
            yield self._point(rate, sweep, "sweep")

    def recovery(self, points: Sequence[Point]) -> list[Point]:
        """Right after the last flood drained, try half of the peak, if there is one.

        Not with neighbours, whose load is in the peak and goes on beside the trial.
        """
        peak = peak_fps(points)
        if peak is None or peak < 2 or self._scenario.traffic.neighbour is not None:
            return []
        rate = FramesPerSecond(int(peak / 2))
        return [self._point(rate, self._scenario.traffic.sweeps - 1, "recovery")]

    def _point(self, rate: FramesPerSecond, sweep: int, purpose: str) -> Point:
        started = now()
        spec = trial_spec(self._scenario, rate)
        before = self._settled(None)
        wait_before = thread_wait_ns(self._lab_pid, _DATAPATH_THREAD)
        counts = self._scenario.lab.icount
        begun = (self._host.tally(), self._host.tally()) if counts else None
        running = self._generator.start(spec)
        # Whoever looks on executes instructions too, so nobody does while they count.
        seen = None if counts else self._look_on(running, rate, purpose)
        trial = running.result(Seconds(spec.flood + spec.drain + 60.0))
        executed = instructions(*begun, self._host.tally()) if begun else None
        waited = thread_wait_ns(self._lab_pid, _DATAPATH_THREAD)
        after = self._settled(before)
        if None in after.guests.values():
            require_registers(self._host)
        require_no_restart(
            self._host,
            before,
            after,
            disturbed=_silenced(self._disturbance(rate, purpose)),
            emulated=not look_at_kvm().works_nested,
        )
        seen = seen or _Seen(before, after, _UNWATCHED, None)
        nic_a, nic_b = list(before.netdevs)[:2]
        nics = (nic_a, nic_b)
        a_to_b, b_to_a = ledgers(before, after, trial, nics, self._scenario.guest)
        point = Point(
            mode=self._mode,
            sweep=sweep,
            purpose=purpose,
            rate=rate,
            started=started,
            trial=trial,
            a_to_b=a_to_b,
            b_to_a=b_to_a,
            cpu=shares(seen.opened, seen.closed),
            interrupts_per_s=interrupts_per_s(seen.opened, seen.closed),
            kvm_exits_per_s=exits_per_s(seen.opened, seen.closed),
            liveness=seen.liveness,
            generator_run_delay=(waited - wait_before) / 1e9 / trial.flood_s,
            void=None,
            disturbance=seen.disturbed,
            instructions=executed,
            settings=settings_between(seen.opened.settings, seen.closed.settings),
            zero_copy=zero_copy_share(before, after),
        )
        point = replace(point, void=void_reason(point, self._scenario.void))
        self._report(_line(point))
        return point

    def _look_on(
        self, running: RunningTrial, rate: FramesPerSecond, purpose: str
    ) -> _Seen:
        disturbance = self._disturbance(rate, purpose)
        _wait_until(running.window_opens_at())
        self._host.watch(_silenced(disturbance))
        opened = self._host.sample()
        disturbed = self._host.disturb(disturbance) if disturbance else None
        _wait_until(running.window_closes_at())
        closed = self._host.sample()
        return _Seen(opened, closed, self._host.watched(), disturbed)

    def _settled(self, earlier: Sample | None) -> Sample:
        """Return a sample once the guests answer and nothing moves any more."""
        deadline = time.monotonic() + limit_s(_SETTLE_LIMIT_S)
        last = self._host.sample()
        while True:
            if earlier is None and None not in last.guests.values():
                return last
            now = self._host.sample()
            moving = now.netdevs != last.netdevs or None in now.guests.values()
            if not moving or time.monotonic() > deadline:
                return now
            last = now

    def _disturbance(
        self, rate: FramesPerSecond, purpose: str
    ) -> DisturbanceSpec | None:
        at_the_top = rate == max(self._scenario.traffic.rates)
        is_due = at_the_top and purpose == "sweep"
        return self._scenario.disturbance if is_due else None


def _is_forwarded(way: DirectionResult) -> bool:
    """Tell whether most of what was sent to each guest came back."""
    guests = {flow.guest for flow in way.flows}
    return all(
        sum(flow.collected - flow.sent / 2 for flow in way.flows if flow.guest == guest)
        > 0
        for guest in guests
    )


def _silenced(disturbance: DisturbanceSpec | None) -> tuple[str, ...]:
    """Return the guests that cannot answer while they are disturbed."""
    if disturbance is None or disturbance.action not in SILENCING:
        return ()
    return (plan_guest(disturbance.guest).name,)


def _line(point: Point) -> str:
    ways = (point.trial.a_to_b, point.trial.b_to_a)
    egress = " / ".join(show_rate(way.egress_fps) for way in ways)
    note = f"  void: {point.void}" if point.void else ""
    if point.zero_copy is not None:
        note += f"  {point.zero_copy:.1%} without a copy"
    if point.disturbance is not None:
        note += f"  {told(point.disturbance)}"
    return (
        f"{point.mode} {point.purpose} {point.sweep + 1}: offered "
        f"{show_rate(point.offered_fps)}, egress {egress} frames/s{note}"
    )


def _wait_until(at_ns: int) -> None:
    time.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)


def now() -> str:
    """Return the wall clock, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
