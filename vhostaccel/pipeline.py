# SPDX-License-Identifier: Apache-2.0
"""From a scenario to a run: boot, flood, observe, judge, record.

    for each mode: boot the lab ─► prepare the host ─► sweeps ─► recovery ─► finish
    for each trial: sample ─► flood (sample, watch, sample) ─► drain ─► sample

The record is written after every point, so that a run cut short keeps what it measured.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from vhostaccel.environment import describe_outside
from vhostaccel.errors import LabError, SkipError
from vhostaccel.guests.image import provide_image
from vhostaccel.guests.plan import NIC_MACS
from vhostaccel.host import Host, HostSpec, RemoteHost
from vhostaccel.lab.kernel import Kernel, build_module, provide_kernel
from vhostaccel.lab.machine import Machine, Report, boot
from vhostaccel.lab.processes import thread_wait_ns
from vhostaccel.lab.provision import PROJECT, provide_tools
from vhostaccel.modes.mode import MODES
from vhostaccel.observe.cpu import exits_per_s, interrupts_per_s, shares
from vhostaccel.observe.ledger import ledgers
from vhostaccel.observe.point import Point
from vhostaccel.observe.sample import Sample
from vhostaccel.report.record import write_record
from vhostaccel.report.run import ModeResult, Run
from vhostaccel.scenario.model import Directions, GuestSpec, LabSpec, Scenario
from vhostaccel.traffic.generator import Generator, TrafficGenerator
from vhostaccel.traffic.trial import DirectionLoad, TrialSpec
from vhostaccel.units import FramesPerSecond, Seconds, show_rate
from vhostaccel.verify.curve import peak_fps
from vhostaccel.verify.judge import judge, overall, settle
from vhostaccel.verify.verdict import Evidence, Status, Verdict
from vhostaccel.verify.void import void_reason

ANCHOR = PROJECT / "kmod" / "anchor"
_WARM_UP_RATE = FramesPerSecond(200)
_WARM_UP_LIMIT_S = 60.0
_SETTLE_LIMIT_S = 30.0
_DATAPATH_THREAD = "CPU 0/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """What a run needs besides its scenario."""

    kernel: Kernel
    guest_image: Path
    tools: dict[str, Path]
    anchor: Path


def provide(report: Report) -> Provided:
    """Return kernel, image, tools and module, made if they are not in the cache.

    Raises:
        ProvideError: If one cannot be had.
    """
    kernel = provide_kernel(report)
    return Provided(
        kernel=kernel,
        guest_image=provide_image(kernel),
        tools=provide_tools(report),
        anchor=build_module(kernel, ANCHOR, report) / "igb_anchor.ko",
    )


class Execution:
    """One execution of one scenario.

    Args:
        scenario: what to run.
        folder: where the record goes; made if need be.
        command: the command line that repeats the run.
        report: is told what happens, a line at a time.
    """

    def __init__(
        self, scenario: Scenario, folder: Path, *, command: str, report: Report
    ) -> None:
        self._report = report
        self._folder = folder
        self._started = time.monotonic()
        self._run = Run(
            scenario=scenario,
            environment=describe_outside(scenario),
            command=command,
            started=_now(),
            duration_s=0.0,
            modes=(),
            claims=(),
            status=Status.VOID,
            complete=False,
            why="the run has not ended",
        )

    def execute(self, provided: Provided) -> Run:
        """Run every mode and return what came of it.

        Raises:
            ProvideError: If the lab or a guest failed; the record keeps what there is.
            SkipError: If no mode of the scenario can be had.
        """
        scenario = self._run.scenario
        wanted = [mode for mode in scenario.modes if mode in MODES]
        if not wanted:
            raise SkipError(
                f"{scenario.name} needs the modes {', '.join(scenario.modes)}, "
                f"this version has {', '.join(MODES)}",
                hint="run a scenario of `scenarios/baseline`",
            )
        try:
            for mode in wanted:
                self._run_mode(mode, provided)
        except BaseException as error:
            what = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._record(complete=False, why=f"cut short: {what}")
            raise
        missing = [mode for mode in scenario.modes if mode not in MODES]
        why = f"modes not in this version: {', '.join(missing)}" if missing else ""
        self._record(complete=True, why=why)
        return self._run

    def _run_mode(self, mode: str, provided: Provided) -> None:
        scenario = self._run.scenario
        points: list[Point] = []
        with ExitStack() as stack:
            machine = boot(
                scenario.lab,
                provided.kernel,
                name=f"run-{mode}-{int(time.time())}",
                nic_macs=NIC_MACS,
                report=self._report,
            )
            stack.enter_context(machine)
            host = RemoteHost(machine.channel, self._report)
            facts = host.prepare(
                host_spec(mode, scenario.lab, scenario.guest, provided)
            )
            self._run = replace(self._run, environment=self._run.environment | facts)
            generator = Generator(machine.wire("a"), machine.wire("b"))
            stack.callback(generator.close)
            trials = Trials(mode, scenario, host, generator, machine, self._report)
            trials.warm_up()
            for point in trials.sweeps():
                points.append(point)
                self._keep(mode, points, ())
            if (point_after := trials.recovery(points)) is not None:
                points.append(point_after)
            leftovers = host.finish()
            problems = machine.console.problems()
        evidence = Evidence(console_warnings=problems, leftovers=leftovers)
        self._keep(mode, points, judge(mode, points, evidence, scenario))

    def _keep(
        self, mode: str, points: Sequence[Point], verdicts: Sequence[Verdict]
    ) -> None:
        result = ModeResult(mode=mode, points=tuple(points), verdicts=tuple(verdicts))
        others = tuple(m for m in self._run.modes if m.mode != mode)
        self._run = replace(self._run, modes=(*others, result))
        self._record(complete=False, why="the run has not ended")

    def _record(self, *, complete: bool, why: str) -> None:
        judged = {m.mode: m.verdicts for m in self._run.modes if m.verdicts}
        claims = settle(self._run.scenario.claims, judged)
        self._run = replace(
            self._run,
            duration_s=time.monotonic() - self._started,
            claims=claims,
            status=overall(claims) if complete else Status.VOID,
            complete=complete,
            why=why,
        )
        write_record(self._run, self._folder)


class Trials:
    """The trials of one mode on one prepared host."""

    def __init__(
        self,
        mode: str,
        scenario: Scenario,
        host: Host,
        generator: TrafficGenerator,
        machine: Machine,
        report: Report,
    ) -> None:
        self._mode = mode
        self._scenario = scenario
        self._host = host
        self._generator = generator
        self._machine = machine
        self._report = report

    def warm_up(self) -> None:
        """Send a little until it is forwarded: bridges learn, caches fill.

        Raises:
            LabError: If nothing is forwarded in time.
        """
        started = time.monotonic()
        short = replace(
            self._trial_spec(_WARM_UP_RATE), flood=Seconds(1.0), window=Seconds(0.5)
        )
        while True:
            result = self._generator.start(short).result(Seconds(60.0))
            driven = [d for d in (result.a_to_b, result.b_to_a) if d.intended_fps]
            if all(d.collected_count > d.sent_count / 2 for d in driven):
                took_s = time.monotonic() - started
                self._report(f"frames are forwarded, {took_s:.1f} s after the first")
                return
            if time.monotonic() - started > _WARM_UP_LIMIT_S:
                counts = ", ".join(
                    f"{d.collected_count} of {d.sent_count}" for d in driven
                )
                raise LabError(
                    f"the guest forwards nothing: collected {counts} frames",
                    hint="`vhostaccel lab up`, then look with `vhostaccel lab shell`",
                )

    def sweeps(self) -> Iterator[Point]:
        """Yield a point for each rate of each sweep."""
        rates = self._scenario.traffic.rates
        for sweep in range(self._scenario.traffic.sweeps):
            for rate in rates:
                yield self._point(rate, sweep, "sweep")

    def recovery(self, points: Sequence[Point]) -> Point | None:
        """Right after the last flood drained, try half of the peak."""
        peak = peak_fps(points)
        if peak is None or peak < 2:
            return None
        return self._point(
            FramesPerSecond(int(peak / 2)),
            self._scenario.traffic.sweeps - 1,
            "recovery",
        )

    def _point(self, rate: FramesPerSecond, sweep: int, purpose: str) -> Point:
        started = _now()
        spec = self._trial_spec(rate)
        before = self._settled(None)
        wait_before = thread_wait_ns(self._machine.state.qemu.pid, _DATAPATH_THREAD)
        running = self._generator.start(spec)
        _wait_until(running.window_opens_at())
        self._host.watch()
        opened = self._host.sample()
        _wait_until(running.window_closes_at())
        closed = self._host.sample()
        liveness = self._host.watched()
        trial = running.result(Seconds(spec.flood + spec.drain + 60.0))
        waited = thread_wait_ns(self._machine.state.qemu.pid, _DATAPATH_THREAD)
        after = self._settled(before)
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
            cpu=shares(opened, closed),
            interrupts_per_s=interrupts_per_s(opened, closed),
            kvm_exits_per_s=exits_per_s(opened, closed),
            liveness=liveness,
            generator_run_delay=(waited - wait_before) / 1e9 / trial.flood_s,
            void=None,
        )
        point = replace(point, void=void_reason(point, self._scenario.void))
        self._report(_line(point))
        return point

    def _settled(self, earlier: Sample | None) -> Sample:
        """Return a sample once the guests answer and nothing moves any more."""
        deadline = time.monotonic() + _SETTLE_LIMIT_S
        last = self._host.sample()
        while True:
            if earlier is None and None not in last.guests.values():
                return last
            now = self._host.sample()
            moving = now.netdevs != last.netdevs or None in now.guests.values()
            if not moving or time.monotonic() > deadline:
                return now
            last = now

    def _trial_spec(self, rate: FramesPerSecond) -> TrialSpec:
        traffic = self._scenario.traffic
        guests = tuple(range(self._scenario.guest.count))

        def load(driven: bool) -> DirectionLoad:
            wanted = rate if driven else FramesPerSecond(0)
            return DirectionLoad(rate=wanted, guests=guests, flows=traffic.flows)

        return TrialSpec(
            a_to_b=load(traffic.directions is not Directions.B_TO_A),
            b_to_a=load(traffic.directions is not Directions.A_TO_B),
            frames=traffic.frames,
            flood=traffic.flood,
            window=traffic.window,
            drain=traffic.drain,
        )


def host_spec(
    mode: str, lab: LabSpec, guest: GuestSpec, provided: Provided
) -> HostSpec:
    """Return what the host under test is made ready for."""
    return HostSpec(
        mode=mode,
        placement=lab.placement,
        threaded_napi=lab.threaded_napi,
        guest=guest,
        kernel_image=str(provided.kernel.image),
        guest_image=str(provided.guest_image),
        vfwd=str(provided.tools["vfwd"]),
        cpuprobe=str(provided.tools["cpuprobe"]),
        anchor=str(provided.anchor),
    )


def _line(point: Point) -> str:
    ways = (point.trial.a_to_b, point.trial.b_to_a)
    egress = " / ".join(show_rate(way.egress_fps) for way in ways)
    note = f"  void: {point.void}" if point.void else ""
    return (
        f"{point.mode} {point.purpose} {point.sweep + 1}: offered "
        f"{show_rate(point.offered_fps)}, egress {egress} frames/s{note}"
    )


def _wait_until(at_ns: int) -> None:
    time.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
