# SPDX-License-Identifier: Apache-2.0
"""From scenarios to runs: boot a lab, have each of them measured in it, judge them.

    boot the lab ─► prepare the host ─► `execution`, one after the other ─► finish

A sweep in which the lab's emulator lost a guest is void as a whole, and is run again in a
new lab. So is what comes after a run that failed: nobody knows in what state it left its lab.
"""

from collections.abc import Sequence

from vhostaccel.errors import LostGuestError, VhostAccelError
from vhostaccel.execution import Execution, Problems
from vhostaccel.report.run import Run
from vhostaccel.testbed import Provided, Testbed, open_testbed
from vhostaccel.traffic.generator import Generator


def execute(execution: Execution, provided: Provided) -> Run:
    """Run every mode of a scenario and return what came of it.

    Raises:
        ProvideError: If the folder cannot be written, or the lab or a guest failed;
            the record keeps what there is.
        SkipError: If no mode of the scenario can be had; those that cannot are left
            out of the run otherwise.
    """
    (came,) = execute_together((execution,), provided)
    if isinstance(came, VhostAccelError):
        raise came
    return came


def execute_together(
    executions: Sequence[Execution], provided: Provided
) -> list[Run | VhostAccelError]:
    """Run scenarios that ask for the same lab in one, and return what came of each.

    What is left over in the lab at the end, or what its kernel complains of then, counts
    against every one of them, since nobody can tell whose it is.

    Raises:
        StorageError: If a record cannot be written.
    """
    for execution in executions:
        execution.begin()
    waiting = list(executions)
    failed: dict[Execution, VhostAccelError] = {}
    try:
        while waiting:
            waiting = _use_a_lab(waiting, provided, failed)
    except BaseException as error:
        for execution in waiting:
            if not execution.run.complete:
                execution.cut_short(error)
        raise
    return [failed.get(execution, execution.run) for execution in executions]


def _use_a_lab(
    waiting: Sequence[Execution],
    provided: Provided,
    failed: dict[Execution, VhostAccelError],
) -> list[Execution]:
    """Measure and judge as many as one lab bears; return those that need another."""
    first, begun = waiting[0], list[Execution]()
    try:
        with open_testbed(
            "run",
            first.wanted,
            first.run.scenario.lab,
            first.run.scenario.guest,
            provided,
            folder=first.folder,
            report=first.report,
        ) as bed:
            error = _measure(waiting, bed, begun)
    except VhostAccelError as lab_error:
        # What those before left behind in it is not known, so that they cannot be judged.
        for execution in begun or waiting:
            execution.cut_short(lab_error)
            failed[execution] = lab_error
        return list(waiting[len(begun) or len(waiting) :])
    if error is not None:
        last = begun[-1]
        if isinstance(error, LostGuestError) and last.lost(error, first.folder):
            begun.pop()
        else:
            last.cut_short(error)
            failed[last] = error
    return list(waiting[len(begun) :])


def _measure(
    waiting: Sequence[Execution], bed: Testbed, begun: list[Execution]
) -> VhostAccelError | None:
    """Measure one after the other until one fails; judge the rest, and return why."""
    machine, error = bed.machine, None
    problems = Problems(machine.console)
    with Generator(machine.wire("a"), machine.wire("b")) as generator:
        for execution in waiting:
            begun.append(execution)
            try:
                execution.measure(bed, generator, problems)
            except VhostAccelError as caught:
                error = caught
                break
        measured = begun[:-1] if error else begun
        leftovers = bed.host.finish() if measured else ()
    late, notes = problems.new(), machine.console.notes()
    names = [execution.run.scenario.name for execution in begun]
    for execution in measured:
        execution.found(late)
        own = execution.run.scenario.name
        execution.judge(leftovers, notes, [name for name in names if name != own])
    return error
