# SPDX-License-Identifier: Apache-2.0
"""One execution of one scenario in a lab: flood, observe, judge, record.

    for each mode of each sweep: attach ─► warm up ─► `trials` (─► recovery) ─► detach

The record is written after every point, so that a run cut short keeps what it measured.
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
from vhostaccel.testbed import Testbed
from vhostaccel.traffic.generator import TrafficGenerator
from vhostaccel.trials import Trials, now
from vhostaccel.verify.case import CONTROL
from vhostaccel.verify.judge import judge, overall, settle
from vhostaccel.verify.verdict import Evidence, Status, Verdict

_MOST_LOST = 3
"""Labs of one run; after that something else is wrong."""
_LOST = "labs lost to the emulator"
_SHARED = "lab shared with"
_NOT_HERE = "not in this version"


class Execution:
    """One execution of one scenario; `execute` gives it a lab.

    Args:
        scenario: what to run.
        folder: where the record goes; made if need be.
        command: the command line that repeats the run.
        report: is told what happens, a line at a time.

    Raises:
        SkipError: If this version has no mode of the scenario.
    """

    def __init__(
        self, scenario: Scenario, folder: Path, *, command: str, report: Report
    ) -> None:
        self.wanted = modes_to_run(scenario)
        self.report = report
        self.folder = folder
        self._modes = self.wanted
        self._started = time.monotonic()
        self._points: dict[str, list[Point]] = {mode: [] for mode in self.wanted}
        self._found: dict[str, list[str]] = {mode: [] for mode in self.wanted}
        self._idle: dict[str, list[int]] = {mode: [] for mode in self.wanted}
        self._sweep = 0
        self._lost = 0
        self.run = Run(
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

    def begin(self) -> None:
        """Write the first record: a folder that cannot be written is told early.

        Raises:
            StorageError: If it cannot.
        """
        self._record(complete=False, why="the run has not ended")

    def cut_short(self, error: BaseException) -> None:
        """Write into the record why there is no more."""
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        self._record(complete=False, why=f"cut short: {what}")

    def measure(
        self, bed: Testbed, generator: TrafficGenerator, problems: "Problems"
    ) -> None:
        """Run every sweep that has not been run yet.

        Raises:
            LostGuestError: If the emulator lost a guest; see `lost`.
            VhostAccelError: If a mode, a guest or the lab failed.
        """
        scenario = self.run.scenario
        self.run = replace(
            self.run,
            environment=self.run.environment | bed.facts,
            left_out=self.run.left_out | bed.lacks,
        )
        self._modes = tuple(mode for mode in self.wanted if mode not in bed.lacks)
        for mode, why in bed.lacks.items():
            self.report(f"{mode} is left out: {why}")
        trials = Trials(
            scenario, bed.host, generator, bed.machine.state.qemu.pid, self.report
        )
        try:
            self._sweep_all(trials, problems, recover=not bed.debugged)
        finally:
            self.found(problems.new())

    def found(self, problems: Sequence[str]) -> None:
        """Note what the lab's kernel complained of outside any mode's trials."""
        self._found[self._modes[-1]] += problems

    def judge(
        self, leftovers: Sequence[str], notes: Sequence[str], shared: Sequence[str]
    ) -> None:
        """Judge what was measured, and end the record.

        Args:
            leftovers: what could not be undone in the lab, or is left over there.
            notes: what its kernel said that does not count.
            shared: the other scenarios that were run in it.
        """
        if shared:
            facts = self.run.environment | {_SHARED: ", ".join(shared)}
            self.run = replace(self.run, environment=facts)
        for mode in self._modes:
            evidence = Evidence(
                console_warnings=tuple(self._found[mode]),
                console_notes=tuple(notes),
                leftovers=tuple(leftovers),
                idle_rtts_ns=tuple(self._idle[mode]),
                control_rtts_ns=tuple(self._idle.get(CONTROL, ())),
            )
            self._keep(mode, judge(mode, self._points, evidence, self.run.scenario))
        self._record(complete=True, why="")

    def lost(self, lost: LostGuestError, lab: Path) -> bool:
        """Leave the sweep's points in the record, as void, and keep the lab's console.

        Args:
            lost: the guest that was.
            lab: folder with the console.

        Returns:
            Whether the sweep is to begin again in a new lab.
        """
        self._lost += 1
        if self._lost > _MOST_LOST:
            return False
        self.report(f"{lost.what}: sweep {self._sweep + 1} begins again in a new lab")
        for mode in filter(self._points.get, self._modes):
            self._points[mode] = [
                replace(point, void=lost.what) if point.sweep == self._sweep else point
                for point in self._points[mode]
            ]
            self._keep(mode, ())
        said = f"{self._lost}, the last in sweep {self._sweep + 1}: {lost.what}"
        self.run = replace(self.run, environment=self.run.environment | {_LOST: said})
        for name in ("console.log", "splats.txt"):
            with suppress(OSError):
                kept = lab / name
                kept.rename(kept.with_stem(f"{kept.stem}-lost-{self._lost}"))
        return True

    def _sweep_all(
        self, trials: Trials, problems: "Problems", *, recover: bool
    ) -> None:
        """Let the modes take turns, sweep by sweep: a slow drift meets them alike."""
        sweeps = self.run.scenario.traffic.sweeps
        for sweep in range(self._sweep, sweeps):
            self._sweep = sweep
            for mode in self._modes:
                points = self._points[mode]
                trials.use(mode)
                self._idle[mode] += trials.idle_rtts_ns()
                for point in trials.sweep(sweep):
                    points.append(point)
                    self._keep(mode, ())
                if recover and sweep == sweeps - 1:
                    points += trials.recovery(points)
                self._found[mode] += problems.new()

    def _keep(self, mode: str, verdicts: Sequence[Verdict]) -> None:
        kept = {result.mode: result for result in self.run.modes}
        kept[mode] = ModeResult(
            mode=mode,
            points=tuple(self._points[mode]),
            verdicts=tuple(verdicts),
            idle_rtts_ns=tuple(self._idle[mode]),
        )
        self.run = replace(self.run, modes=tuple(kept.values()))
        self._record(complete=False, why="the run has not ended")

    def _record(self, *, complete: bool, why: str) -> None:
        judged = {m.mode: m.verdicts for m in self.run.modes if m.verdicts}
        claims = settle(self.run.scenario.claims, judged, self.run.left_out)
        self.run = replace(
            self.run,
            duration_s=time.monotonic() - self._started,
            claims=claims,
            status=overall(claims) if complete else Status.VOID,
            complete=complete,
            why=why,
        )
        write_record(self.run, self.folder)


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


class Problems:
    """What one lab's console complains of, each once."""

    def __init__(self, console: ConsoleLog) -> None:
        self._console = console
        self._seen = 0

    def new(self) -> list[str]:
        """Return what it complained of since it was last looked at."""
        found = self._console.problems()[self._seen :]
        self._seen += len(found)
        return list(found)
