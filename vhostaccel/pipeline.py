# SPDX-License-Identifier: Apache-2.0
"""From a scenario to a run: boot, flood, observe, judge, record.

    boot the lab ─► prepare the host ─► sweeps, the modes taking turns ─► finish
    for each mode of each sweep: attach ─► warm up ─► `trials` (─► recovery) ─► detach

The record is written after every point, so that a run cut short keeps what it measured.
A sweep in which the lab's emulator lost a guest is void as a whole, and is run again in a
new lab.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vhostaccel.environment import describe_outside
from vhostaccel.errors import LostGuestError, SkipError
from vhostaccel.lab.console import ConsoleLog
from vhostaccel.lab.machine import Report
from vhostaccel.modes.table import MODES
from vhostaccel.observe.point import Point
from vhostaccel.report.record import write_record
from vhostaccel.report.run import ModeResult, Run
from vhostaccel.scenario.model import Scenario
from vhostaccel.testbed import Provided, open_testbed
from vhostaccel.traffic.generator import Generator
from vhostaccel.trials import Trials, now
from vhostaccel.verify.case import CONTROL
from vhostaccel.verify.judge import judge, overall, settle
from vhostaccel.verify.verdict import Evidence, Status, Verdict

_MOST_LOST = 3
"""Labs of one run; after that something else is wrong."""
_LOST = "labs lost to the emulator"
_NOT_HERE = "not in this version"


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
        self._points: dict[str, list[Point]] = {}
        self._found: dict[str, list[str]] = {}
        self._idle: dict[str, list[int]] = {}
        self._sweep = 0
        self._lost = 0
        self._run = Run(
            scenario=scenario,
            environment=describe_outside(scenario),
            command=command,
            started=now(),
            duration_s=0.0,
            modes=(),
            claims=(),
            status=Status.VOID,
            complete=False,
            why="the run has not ended",
            left_out={m: _NOT_HERE for m in scenario.modes if m not in MODES},
        )

    def execute(self, provided: Provided) -> Run:
        """Run every mode and return what came of it.

        Raises:
            ProvideError: If the folder cannot be written, or the lab or a guest failed;
                the record keeps what there is.
            SkipError: If no mode of the scenario can be had; those that cannot are left
                out of the run otherwise.
        """
        scenario = self._run.scenario
        wanted = modes_to_run(scenario)
        # A folder that cannot be written is told before the lab has booted.
        self._record(complete=False, why="the run has not ended")
        try:
            self._run_modes(wanted, provided)
        except BaseException as error:
            what = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._record(complete=False, why=f"cut short: {what}")
            raise
        self._record(complete=True, why="")
        return self._run

    def _run_modes(self, modes: Sequence[str], provided: Provided) -> None:
        self._points = {mode: [] for mode in modes}
        self._found = {mode: [] for mode in modes}
        self._idle = {mode: [] for mode in modes}
        while True:
            try:
                self._run_in_a_lab(modes, provided)
            except LostGuestError as lost:
                self._lost += 1
                if self._lost > _MOST_LOST:
                    raise
                self._void_sweep(modes, lost)
            else:
                return

    def _run_in_a_lab(self, wanted: Sequence[str], provided: Provided) -> None:
        scenario = self._run.scenario
        with open_testbed(
            "run",
            wanted,
            scenario.lab,
            scenario.guest,
            provided,
            folder=self._folder,
            report=self._report,
        ) as bed:
            self._run = replace(
                self._run,
                environment=self._run.environment | bed.facts,
                left_out=self._run.left_out | bed.lacks,
            )
            modes = tuple(mode for mode in wanted if mode not in bed.lacks)
            for mode, why in bed.lacks.items():
                self._report(f"{mode} is left out: {why}")
            machine = bed.machine
            with Generator(machine.wire("a"), machine.wire("b")) as generator:
                trials = Trials(
                    scenario,
                    bed.host,
                    generator,
                    machine.state.qemu.pid,
                    self._report,
                )
                problems = _Problems(machine.console)
                try:
                    self._sweep_all(modes, trials, problems)
                    leftovers = bed.host.finish()
                finally:
                    self._found[modes[-1]] += problems.new()
            notes = machine.console.notes()
        for mode in modes:
            evidence = Evidence(
                console_warnings=tuple(self._found[mode]),
                console_notes=notes,
                leftovers=leftovers,
                idle_rtts_ns=tuple(self._idle[mode]),
                control_rtts_ns=tuple(self._idle.get(CONTROL, ())),
            )
            self._keep(mode, judge(mode, self._points, evidence, scenario))

    def _sweep_all(
        self, modes: Sequence[str], trials: Trials, problems: "_Problems"
    ) -> None:
        """Let the modes take turns, sweep by sweep: a slow drift meets them alike."""
        sweeps = self._run.scenario.traffic.sweeps
        for sweep in range(self._sweep, sweeps):
            self._sweep = sweep
            for mode in modes:
                points = self._points[mode]
                trials.use(mode)
                self._idle[mode] += trials.idle_rtts_ns()
                for point in trials.sweep(sweep):
                    points.append(point)
                    self._keep(mode, ())
                if sweep == sweeps - 1 and (after := trials.recovery(points)):
                    points.append(after)
                self._found[mode] += problems.new()

    def _void_sweep(self, modes: Sequence[str], lost: LostGuestError) -> None:
        """Leave the sweep's points in the record, as void, and keep the lab's console."""
        self._report(f"{lost.what}: sweep {self._sweep + 1} begins again in a new lab")
        for mode in filter(self._points.get, modes):
            self._points[mode] = [
                replace(point, void=lost.what) if point.sweep == self._sweep else point
                for point in self._points[mode]
            ]
            self._keep(mode, ())
        said = f"{self._lost}, the last in sweep {self._sweep + 1}: {lost.what}"
        self._run = replace(
            self._run, environment=self._run.environment | {_LOST: said}
        )
        for name in ("console.log", "splats.txt"):
            with suppress(OSError):
                kept = self._folder / name
                kept.rename(kept.with_stem(f"{kept.stem}-lost-{self._lost}"))

    def _keep(self, mode: str, verdicts: Sequence[Verdict]) -> None:
        kept = {result.mode: result for result in self._run.modes}
        kept[mode] = ModeResult(
            mode=mode,
            points=tuple(self._points[mode]),
            verdicts=tuple(verdicts),
            idle_rtts_ns=tuple(self._idle[mode]),
        )
        self._run = replace(self._run, modes=tuple(kept.values()))
        self._record(complete=False, why="the run has not ended")

    def _record(self, *, complete: bool, why: str) -> None:
        judged = {m.mode: m.verdicts for m in self._run.modes if m.verdicts}
        claims = settle(self._run.scenario.claims, judged, self._run.left_out)
        self._run = replace(
            self._run,
            duration_s=time.monotonic() - self._started,
            claims=claims,
            status=overall(claims) if complete else Status.VOID,
            complete=complete,
            why=why,
        )
        write_record(self._run, self._folder)


def modes_to_run(scenario: Scenario) -> tuple[str, ...]:
    """Return the scenario's modes that this version has.

    Raises:
        SkipError: If there is none.
    """
    wanted = tuple(mode for mode in scenario.modes if mode in MODES)
    if not wanted:
        raise SkipError(
            f"{scenario.name} needs the modes {', '.join(scenario.modes)}, "
            f"this version has {', '.join(MODES)}",
            hint="run a scenario of `scenarios/baseline`",
        )
    return wanted


class _Problems:
    """What one lab's console complains of, each once."""

    def __init__(self, console: ConsoleLog) -> None:
        self._console = console
        self._seen = 0

    def new(self) -> list[str]:
        """Return what it complained of since it was last looked at."""
        found = self._console.problems()[self._seen :]
        self._seen += len(found)
        return list(found)
