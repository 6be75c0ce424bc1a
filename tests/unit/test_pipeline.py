# SPDX-License-Identifier: Apache-2.0
"""A run whose lab loses a guest to the emulator goes on in a new one."""

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from tests.factories import make_point, make_scenario
from vhostaccel import execution as execution_module
from vhostaccel import pipeline as module
from vhostaccel.errors import GuestError, LabError, LostGuestError
from vhostaccel.execution import Execution
from vhostaccel.lab.console import ConsoleLog
from vhostaccel.pipeline import execute_together
from vhostaccel.report.run import Run
from vhostaccel.scenario.model import Claim
from vhostaccel.testbed import Provided
from vhostaccel.verify.verdict import Status

LOST = LostGuestError("the emulator below the lab has lost guest nfv0", hint="again")
NOTHING = cast(Provided, None)
SPLAT = "[  7.0] WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 netif_rx+0x1/0x2\n"


class FakeTrials:
    """Trials that measure, but for those in which a guest is lost."""

    def __init__(self, losses):
        self.losses = losses
        self.mode = ""

    def use(self, mode):
        self.mode = mode

    def idle_rtts_ns(self):
        return [2_000_000]

    def sweep(self, sweep):
        yield make_point(600, 600.0, mode=self.mode, sweep=sweep)
        if (self.mode, sweep) in self.losses:
            self.losses.remove((self.mode, sweep))
            raise LOST
        yield make_point(40_000, 500.0, mode=self.mode, sweep=sweep)

    def recovery(self, points):
        return [make_point(250, 250.0, mode=self.mode, purpose="recovery")]


@pytest.fixture
def labs(tmp_path, monkeypatch):
    """Labs that boot at once; returns a function that says what is wrong with them."""
    booted = []

    def labs(trials, *, splat="", lacks=None, leftovers=(), debugged=False):
        @contextmanager
        def open_testbed(*_, folder, **__):
            booted.append(folder.name)
            log = tmp_path / f"lab-{len(booted)}"
            log.write_text(splat if len(booted) == 1 else "")
            machine = SimpleNamespace(
                console=ConsoleLog(log),
                wire=lambda name: None,
                state=SimpleNamespace(qemu=SimpleNamespace(pid=1)),
            )
            try:
                yield SimpleNamespace(
                    machine=machine,
                    facts={},
                    lacks=lacks or {},
                    debugged=debugged,
                    host=SimpleNamespace(finish=lambda: leftovers),
                )
            finally:
                (folder / "console.log").write_text(f"lab {len(booted)}")

        @contextmanager
        def generator(*_):
            yield None

        monkeypatch.setattr(module, "open_testbed", open_testbed)
        monkeypatch.setattr(module, "Generator", generator)
        monkeypatch.setattr(execution_module, "Trials", lambda *_: trials)
        return booted

    return labs


@pytest.fixture
def execute(tmp_path, labs):
    """Execute a scenario of two sweeps; return the run, and how many labs it took."""

    def execute(*losses, splat="", lacks=None, modes=("tap", "copy"), claims=()):
        booted = labs(FakeTrials(list(losses)), splat=splat, lacks=lacks)
        execution = make_execution(
            tmp_path / "run", *claims, modes=modes, traffic={"sweeps": 2}
        )
        return module.execute(execution, NOTHING), len(booted)

    return execute


def make_execution(folder, *claims, modes=("copy",), name=None, traffic=None):
    scenario = make_scenario(*claims, rates=(600, 40_000), modes=modes)
    scenario = replace(
        scenario,
        name=name or scenario.name,
        traffic=replace(scenario.traffic, **traffic or {"sweeps": 1}),
    )
    return Execution(scenario, folder, command="none", report=lambda line: None)


def points_of(run, mode):
    return next(m.points for m in run.modes if m.mode == mode)


def trials_of(run, mode):
    points = [p for p in points_of(run, mode) if p.purpose == "sweep"]
    return [(p.sweep, int(p.rate), p.void is None) for p in points]


def test_a_lab_that_loses_nobody_is_the_only_one(execute):
    run, labs = execute()

    assert labs == 1
    assert trials_of(run, "tap") == trials_of(run, "copy")
    assert all(sound for _, _, sound in trials_of(run, "tap"))


def test_a_sweep_in_which_a_guest_was_lost_is_void_in_every_mode_and_run_again(
    execute, tmp_path
):
    run, labs = execute(("copy", 1))

    assert labs == 2
    assert run.complete
    first = [(0, 600, True), (0, 40_000, True)]
    again = [(1, 600, True), (1, 40_000, True)]
    assert trials_of(run, "tap") == [
        *first,
        (1, 600, False),
        (1, 40_000, False),
        *again,
    ]
    assert trials_of(run, "copy") == [*first, (1, 600, False), *again]
    assert "1, the last in sweep 2" in run.environment["labs lost to the emulator"]
    assert (tmp_path / "run" / "console-lost-1.log").read_text() == "lab 1"
    assert (tmp_path / "run" / "console.log").read_text() == "lab 2"


def test_what_the_lost_labs_console_complained_of_counts(execute):
    run, _ = execute(("tap", 0), splat=SPLAT)

    verdicts = {v.name: v for m in run.modes for v in m.verdicts if m.mode == "copy"}
    assert verdicts["clean"].status is Status.FAIL


def test_a_run_that_loses_every_lab_ends(execute, tmp_path):
    with pytest.raises(LostGuestError):
        execute(*[("tap", 0)] * 4)

    assert "cut short" in (tmp_path / "run" / "record.json").read_text()


def test_a_mode_that_the_host_cannot_have_is_left_out_with_the_reason(execute):
    claim = Claim(verdict="livelock", mode="copy")
    why = "the module nai is not loaded"
    run, _ = execute(
        modes=("tap", "copy", "poll"), lacks={"copy": why}, claims=(claim,)
    )

    assert run.complete
    assert [result.mode for result in run.modes] == ["tap"]
    assert run.left_out == {"poll": "not in this version", "copy": why}
    assert run.status is Status.SKIP
    assert why in run.claims[0].why


def test_a_mode_that_was_left_out_stays_out_of_the_lab_that_follows_a_lost_one(execute):
    run, labs = execute(("tap", 1), lacks={"copy": "the module nai is not loaded"})

    assert labs == 2
    assert [result.mode for result in run.modes] == ["tap"]


CLEAN = Claim(verdict="clean", mode="copy")


class Failing(FakeTrials):
    """Trials of which the second use of the host fails, in one way or another."""

    def __init__(self, error):
        super().__init__(())
        self.error = error
        self.uses = 0

    def use(self, mode):
        self.uses += 1
        if self.uses == 2 and self.error:
            raise self.error
        super().use(mode)


@pytest.fixture
def three(tmp_path):
    """Executions of three scenarios that ask for the same lab."""
    return [
        make_execution(tmp_path / name, CLEAN, name=name) for name in ("a", "b", "c")
    ]


def runs_of(came):
    assert all(isinstance(run, Run) for run in came), came
    return [run for run in came if isinstance(run, Run)]


def test_scenarios_that_ask_for_the_same_lab_share_one(labs, three):
    booted = labs(FakeTrials(()))

    runs = runs_of(execute_together(three, NOTHING))

    assert booted == ["a"]
    assert [run.status for run in runs] == [Status.PASS] * 3
    assert runs[1].environment["lab shared with"] == "a, c"


def test_what_is_left_over_in_a_shared_lab_counts_against_all_of_them(labs, three):
    labs(FakeTrials(()), leftovers=("tap nfv0n0 is still there",))

    runs = runs_of(execute_together(three, NOTHING))

    assert [run.status for run in runs] == [Status.FAIL] * 3


def test_a_scenario_that_fails_ends_the_lab_and_not_the_others(labs, three):
    error = GuestError("guest nfv0 does not answer", hint="none")
    booted = labs(Failing(error))

    first, second, third = execute_together(three, NOTHING)

    assert booted == ["a", "c"]
    assert second is error
    assert [run.status for run in runs_of([first, third])] == [Status.PASS] * 2
    assert three[1].run.why == "cut short: guest nfv0 does not answer"
    assert "lab shared with" not in three[2].run.environment


def test_a_guest_that_was_lost_in_a_shared_lab_costs_that_scenario_a_sweep(labs, three):
    booted = labs(Failing(LOST))

    runs = runs_of(execute_together(three, NOTHING))

    assert booted == ["a", "b"]
    assert [run.status for run in runs] == [Status.PASS] * 3


def test_a_lab_that_does_not_boot_fails_all_of_them(labs, three, monkeypatch):
    def no_lab(*_, **__):
        raise LabError("the lab does not boot", hint="none")

    monkeypatch.setattr(module, "open_testbed", no_lab)

    errors = execute_together(three, NOTHING)

    assert [getattr(error, "what", None) for error in errors] == [
        "the lab does not boot"
    ] * 3
    assert not any(one.run.complete for one in three)


@pytest.mark.parametrize("debugged", [False, True])
def test_recovery_is_tried_where_speed_is_judged(labs, three, debugged):
    labs(FakeTrials(()), debugged=debugged)

    (run,) = runs_of(execute_together(three[:1], NOTHING))

    purposes = [point.purpose for point in points_of(run, "copy")]
    assert purposes == ["sweep", "sweep", *([] if debugged else ["recovery"])]
