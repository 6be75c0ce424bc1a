# SPDX-License-Identifier: Apache-2.0
"""``flood-test``, ``run`` and ``report``: scenarios to verdicts."""

import json
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from vhostaccel.cli.output import say
from vhostaccel.errors import (
    EXIT_BUG,
    EXIT_NOT_PROVIDED,
    EXIT_PASSED,
    EXIT_SKIPPED,
    EXIT_VERDICT_FAILED,
    SkipError,
    UsageError,
    VhostAccelError,
)
from vhostaccel.execution import Execution
from vhostaccel.lab.provision import PROJECT
from vhostaccel.modes.table import MODES, PLANNED
from vhostaccel.pipeline import execute, execute_together
from vhostaccel.report.junit import write_junit
from vhostaccel.report.page import FILE_NAME as PAGE
from vhostaccel.report.page import write_page
from vhostaccel.report.record import FILE_NAME as RECORD
from vhostaccel.report.record import read_record, to_record
from vhostaccel.report.run import Run
from vhostaccel.report.summary import one_line, summary
from vhostaccel.scenario.finder import find_scenarios
from vhostaccel.scenario.model import Scenario
from vhostaccel.scenario.reader import Vocabulary, read_scenario
from vhostaccel.testbed import provide
from vhostaccel.units import FramesPerSecond, UnitError, frames_per_second
from vhostaccel.verify.debugged import for_debug_kernel
from vhostaccel.verify.judge import VERDICTS
from vhostaccel.verify.verdict import Status

SCENARIOS = PROJECT / "scenarios"
_DEFAULT = SCENARIOS / "overload" / "flood-does-not-starve-the-guest.toml"
_ALL = "all"
_EXIT = {
    Status.PASS: EXIT_PASSED,
    Status.FAIL: EXIT_VERDICT_FAILED,
    Status.SKIP: EXIT_SKIPPED,
    Status.VOID: EXIT_NOT_PROVIDED,
}


_KERNEL = click.option(
    "--kernel",
    help="Debug kernel for the host under test (kasan, kcsan): what it does is judged, "
    "not how fast.",
)


@click.command("flood-test")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    default=_DEFAULT,
    help=f"Scenario file [{_DEFAULT.relative_to(PROJECT)}].",
)
@click.option(
    "--mode",
    help='Run these modes only, in turns: "tap,xdp"; "all": every one that can be had.',
)
@click.option("--sweeps", type=click.IntRange(1), help="Repetitions of the sweep.")
@click.option("--rates", help='Loads per direction: "600,2400,40000" [frames/s].')
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the run.")
@_KERNEL
@click.option("--json", "as_json", is_flag=True, help="Print the record.")
def flood_test(
    scenario: Path,
    mode: str | None,
    sweeps: int | None,
    rates: str | None,
    output: Path | None,
    kernel: str | None,
    as_json: bool,
) -> int:
    """Flood a forwarding guest in the lab, and judge what comes of it."""
    read = _changed(_fit(_read(scenario), kernel), mode, sweeps, rates)
    folder = output or _run_folder(read)
    execution = _execution(read, folder)
    run = execute(execution, provide(execution.wanted, say, kernel))
    write_page([run], folder / PAGE)
    if as_json:
        click.echo((folder / RECORD).read_text())
    else:
        Console().print(summary(run))
        click.echo(f"\nrecord: {folder / RECORD}\npage:   {folder / PAGE}")
    return _EXIT[run.status]


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the runs.")
@click.option("--junit", type=click.Path(path_type=Path), help="JUnit XML to write.")
@_KERNEL
@click.option(
    "--one-lab",
    is_flag=True,
    help="Run scenarios that ask for the same lab in one; a debug kernel boots slowly.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def run(
    paths: tuple[Path, ...],
    output: Path | None,
    junit: Path | None,
    kernel: str | None,
    one_lab: bool,
    as_json: bool,
) -> int:
    """Run scenario files or folders, one line each.

    Without PATHS all of the project's are run.
    """
    found = find_scenarios(paths or (SCENARIOS,))
    scenarios = [_fit(_read(path), kernel) for path in found]
    done: list[Run] = []
    not_run: dict[str, str] = {}
    statuses = []
    target = junit or (output or Path("runs")) / "junit.xml"
    for together in _by_lab(scenarios) if one_lab else [[one] for one in scenarios]:
        # A run cut short leaves what was done, and a place that cannot be written is
        # told before hours have passed.
        write_junit(done, target, not_run)
        for scenario, came in _execute(together, output, kernel):
            if isinstance(came, VhostAccelError):
                not_run[scenario.name] = came.what
                statuses.append(came.exit_code)
                word = "SKIP" if isinstance(came, SkipError) else "VOID"
                click.echo(f"{word}  {scenario.name}: {came.what}")
                continue
            done.append(came)
            statuses.append(_EXIT[came.status])
            if as_json:
                click.echo(json.dumps(to_record(came)))
            else:
                Console().print(one_line(came))
    write_junit(done, target, not_run)
    # Our bug outranks a failed verdict, that a lab not provided, and that a skip.
    ranked = (EXIT_BUG, EXIT_VERDICT_FAILED, EXIT_NOT_PROVIDED, EXIT_SKIPPED)
    return next((status for status in ranked if status in statuses), EXIT_PASSED)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--page", type=click.Path(path_type=Path), help="HTML page to write.")
def report(runs: tuple[Path, ...], page: Path | None) -> None:
    """Render saved runs again; several are compared on one page."""
    records = [read_record(path) for path in runs]
    for record in records:
        Console().print(summary(record))
    target = page or (runs[0] if runs[0].is_dir() else runs[0].parent) / (
        PAGE if len(runs) == 1 else "compare.html"
    )
    write_page(records, target)
    click.echo(f"page: {target}")


def _read(path: Path) -> Scenario:
    return read_scenario(
        path,
        Vocabulary(modes=set(MODES), verdicts=set(VERDICTS), planned_modes=PLANNED),
    )


def _fit(scenario: Scenario, kernel: str | None) -> Scenario:
    return scenario if kernel is None else for_debug_kernel(scenario)


def _changed(
    scenario: Scenario, mode: str | None, sweeps: int | None, rates: str | None
) -> Scenario:
    """Apply the command line to a scenario; claims on modes left out go with them."""
    traffic = scenario.traffic
    if sweeps is not None:
        traffic = replace(traffic, sweeps=sweeps)
    if rates is not None:
        traffic = replace(traffic, rates=_rates(rates))
    if mode is not None:
        scenario = _only(scenario, _modes(mode))
    return replace(scenario, traffic=traffic)


def _modes(text: str) -> tuple[str, ...]:
    if text == _ALL:
        # Those of the design too: the report then says of each why it was not run.
        return (*MODES, *PLANNED)
    modes = tuple(dict.fromkeys(text.split(",")))
    for mode in modes:
        if mode not in MODES:
            raise UsageError(
                f"this version has no mode {mode}",
                hint=f"it has: {', '.join(MODES)}, and {_ALL} for all of them; "
                f"planned: {', '.join(PLANNED)}",
            )
    return modes


def _only(scenario: Scenario, modes: tuple[str, ...]) -> Scenario:
    claims = tuple(claim for claim in scenario.claims if claim.mode in modes)
    return replace(scenario, modes=modes, claims=claims)


def _rates(text: str) -> tuple[FramesPerSecond, ...]:
    try:
        found = {frames_per_second(f"{rate} frames/s") for rate in text.split(",")}
    except UnitError:
        found = set()
    if not found or min(found) == 0:
        raise UsageError(
            f"--rates {text!r} is no list of numbers above 0",
            hint="--rates 600,2400,40000, in frames/s and per direction",
        )
    return tuple(sorted(found))


def _by_lab(scenarios: list[Scenario]) -> list[list[Scenario]]:
    """Put those that ask for the same modes, lab and guests together, in their order."""
    groups: dict[object, list[Scenario]] = {}
    for scenario in scenarios:
        asked = (scenario.modes, scenario.lab, scenario.guest)
        groups.setdefault(asked, []).append(scenario)
    return list(groups.values())


def _execute(
    scenarios: list[Scenario], base: Path | None, kernel: str | None
) -> list[tuple[Scenario, Run | VhostAccelError]]:
    """Run scenarios in one lab, each with a folder of its own."""
    try:
        executions = [
            _execution(scenario, _run_folder(scenario, base)) for scenario in scenarios
        ]
        provided = provide(executions[0].wanted, say, kernel)
        came = execute_together(executions, provided)
        for execution in executions:
            if execution.run.complete:
                write_page([execution.run], execution.folder / PAGE)
    except VhostAccelError as error:
        return [(scenario, error) for scenario in scenarios]
    return list(zip(scenarios, came, strict=True))


def _execution(scenario: Scenario, folder: Path) -> Execution:
    command = shlex.join(["vhostaccel", *sys.argv[1:]])
    return Execution(scenario, folder, command=command, report=say)


def _run_folder(scenario: Scenario, base: Path | None = None) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return (base or Path("runs")) / f"{stamp}-{scenario.name.replace('/', '-')}"
