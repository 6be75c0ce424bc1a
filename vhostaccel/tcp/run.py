# SPDX-License-Identifier: Apache-2.0
"""TCP through the guest: boot the lab, let the ways take turns, record.

    boot ─► prepare the host ─► stations ─► turns: each way, each number of streams ─► finish

The record is written after every trial, so that a run cut short keeps what it measured.
"""

import time
from dataclasses import replace
from pathlib import Path

from vhostaccel.environment import describe_outside
from vhostaccel.errors import SkipError
from vhostaccel.host import RemoteHost
from vhostaccel.lab.machine import Machine, Report
from vhostaccel.scenario import model as scenario_model
from vhostaccel.tcp.far import RemoteStation
from vhostaccel.tcp.model import CONGESTION_CONTROL, TcpRun, TcpSpec, TcpTrial, Way
from vhostaccel.tcp.report import write_files
from vhostaccel.tcp.trial import Bench
from vhostaccel.testbed import Provided, open_testbed
from vhostaccel.trials import now


class Measurement:
    """One measurement.

    Args:
        spec: what to measure.
        folder: where record and markdown go; made if need be.
        command: the command line that repeats it.
        report: is told what happens, a line at a time.
    """

    def __init__(
        self, spec: TcpSpec, folder: Path, *, command: str, report: Report
    ) -> None:
        self._folder = folder
        self._report = report
        self._began = time.monotonic()
        self._run = TcpRun(
            spec=spec,
            environment=describe_outside(_as_scenario(spec))
            | {"congestion control": CONGESTION_CONTROL},
            command=command,
            started=now(),
            duration_s=0.0,
            trials=(),
            left_over=(),
            warnings=(),
            complete=False,
        )

    def execute(self, provided: Provided) -> TcpRun:
        """Run every turn and return what came of it.

        Raises:
            ProvideError: If the folder cannot be written, or lab, guest or stations
                failed; the record keeps what there is.
            SkipError: If a mode cannot be had.
        """
        spec = self._run.spec
        # A folder that cannot be written is told before the lab has booted.
        self._keep()
        with open_testbed(
            "tcp",
            spec.modes,
            spec.lab,
            spec.guest,
            provided,
            folder=self._folder,
            report=self._report,
        ) as bed:
            if bed.lacks:
                # Its ways are compared turn by turn: it needs them all.
                raise SkipError(
                    "; ".join(
                        f"no mode {mode}: {why}" for mode, why in bed.lacks.items()
                    ),
                    hint="`vhostaccel doctor` tells what is missing",
                )
            self._keep(environment=self._run.environment | bed.facts)
            machine = bed.machine
            with (
                RemoteStation("A", machine.wire("a")) as a,
                RemoteStation("B", machine.wire("b")) as b,
            ):
                bench = Bench(bed.host, a, b, machine.state.qemu.pid, spec)
                self._turns(bed.host, bench)
                self._end(machine, bed.host.finish())
        return self._run

    def _turns(self, host: RemoteHost, bench: Bench) -> None:
        """Let the ways take turns, so that a slow drift meets them alike."""
        spec = self._run.spec
        for turn in range(spec.repeats):
            # Who begins moves on, so that nobody always follows the same one.
            first = turn % len(spec.ways)
            for way in spec.ways[first:] + spec.ways[:first]:
                host.use(way.mode)
                host.set_gro(on=way.gro)
                for streams in spec.streams:
                    self._tried(bench, way, streams, turn)

    def _tried(self, bench: Bench, way: Way, streams: int, turn: int) -> None:
        for attempt in range(self._run.spec.rule.attempts):
            trial = bench.trial(way, streams, turn, attempt)
            self._report(_line(trial))
            self._keep(trials=(*self._run.trials, trial))
            if trial.void is None:
                return

    def _end(self, machine: Machine, left_over: tuple[str, ...]) -> None:
        self._keep(
            left_over=left_over,
            warnings=tuple(machine.console.problems()),
            complete=True,
        )

    def _keep(self, **changes: object) -> None:
        self._run = replace(
            self._run,
            duration_s=time.monotonic() - self._began,
            **changes,  # type: ignore[arg-type]  # checked where it is called
        )
        write_files(self._run, self._folder)


def _as_scenario(spec: TcpSpec) -> scenario_model.Scenario:
    return scenario_model.Scenario(
        name="tcp",
        about="",
        modes=spec.modes,
        lab=spec.lab,
        guest=spec.guest,
        traffic=scenario_model.TrafficSpec(rates=()),
        void=scenario_model.VoidRule(),
        claims=(),
    )


def _line(trial: TcpTrial) -> str:
    count = len(trial.streams)
    note = f"  void: {trial.void}" if trial.void else ""
    return (
        f"turn {trial.turn + 1}, {trial.way.name}, {count} "
        f"stream{'s' if count > 1 else ''}: {trial.goodput_mbps:.1f} Mbit/s, "
        f"{trial.retransmits} of {trial.segments} segments sent again{note}"
    )
