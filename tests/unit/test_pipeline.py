# SPDX-License-Identifier: Apache-2.0
"""A run whose lab loses a guest to the emulator goes on in a new one."""

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from tests.factories import make_point, make_scenario
from vhostaccel import pipeline as module
from vhostaccel.errors import LostGuestError
from vhostaccel.lab.console import ConsoleLog
from vhostaccel.pipeline import Execution
from vhostaccel.scenario.model import Claim
from vhostaccel.testbed import Provided
from vhostaccel.verify.verdict import Status

LOST = LostGuestError("the emulator below the lab has lost guest nfv0", hint="again")
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
        return None


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Execute a scenario of two sweeps; return the run, and how many labs it took."""
    labs = []

    def execute(*losses, splat="", lacks=None, modes=("tap", "copy"), claims=()):
        trials = FakeTrials(list(losses))

        @contextmanager
        def open_testbed(*_, **__):
            labs.append(1)
            log = tmp_path / f"lab-{len(labs)}"
            log.write_text(splat if len(labs) == 1 else "")
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
                    host=SimpleNamespace(finish=lambda: ()),
                )
            finally:
                (tmp_path / "run" / "console.log").write_text(f"lab {len(labs)}")

        @contextmanager
        def generator(*_):
            yield None

        monkeypatch.setattr(module, "open_testbed", open_testbed)
        monkeypatch.setattr(module, "Generator", generator)
        monkeypatch.setattr(module, "Trials", lambda *_: trials)
        scenario = make_scenario(*claims, rates=(600, 40_000), modes=modes)
        scenario = replace(scenario, traffic=replace(scenario.traffic, sweeps=2))
        execution = Execution(
            scenario, tmp_path / "run", command="none", report=lambda line: None
        )
        return execution.execute(cast(Provided, None)), len(labs)

    return execute


def trials_of(run, mode):
    points = next(m.points for m in run.modes if m.mode == mode)
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
