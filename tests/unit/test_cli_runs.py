# SPDX-License-Identifier: Apache-2.0
"""A place that cannot be written is told before anything long, and what was done is kept."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from tests.factories import make_run, make_scenario
from tests.kernel_part import make_kernel
from vhostaccel import pipeline
from vhostaccel.cli import runs
from vhostaccel.doctor import checks
from vhostaccel.errors import LabError, SkipError, StorageError
from vhostaccel.execution import Execution
from vhostaccel.modes.table import MODES, PLANNED
from vhostaccel.report.record import read_record
from vhostaccel.tcp import run as tcp
from vhostaccel.tcp.model import TcpSpec

SCENARIO = """
about = "a scenario"
modes = ["tap"]
[traffic]
rates = ["600 frames/s"]
[[claim]]
verdict = "livelock"
mode = "tap"
expect = "fail"
"""


@pytest.fixture
def scenarios(tmp_path):
    for name in ("first", "second"):
        (tmp_path / "area").mkdir(exist_ok=True)
        (tmp_path / "area" / f"{name}.toml").write_text(SCENARIO)
    return tmp_path / "area"


def no_lab(*_, **__):
    raise LabError("the lab was booted", hint="none")


def execute(folder):
    execution = Execution(
        make_scenario(), folder, command="test", report=lambda line: None
    )
    pipeline.execute(execution, make_kernel(folder.parent))  # type: ignore[arg-type]  # not used


def measure(folder):
    measurement = tcp.Measurement(
        TcpSpec(), folder, command="test", report=lambda line: None
    )
    measurement.execute(make_kernel(folder.parent))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "module"), [(execute, pipeline), (measure, tcp)], ids=["flood", "tcp"]
)
def test_a_folder_that_cannot_be_written_is_told_before_a_lab_boots(
    tmp_path, monkeypatch, start, module
):
    monkeypatch.setattr(module, "open_testbed", no_lab)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        start(tmp_path / "file")
    with pytest.raises(LabError):
        start(tmp_path / "folder")


def test_ways_that_are_compared_turn_by_turn_need_every_mode(tmp_path, monkeypatch):
    lacks = {"copy": "the module nai is not loaded"}
    bed = nullcontext(SimpleNamespace(lacks=lacks))
    monkeypatch.setattr(tcp, "open_testbed", lambda *_, **__: bed)
    with pytest.raises(SkipError, match="no mode copy: the module nai is not loaded"):
        measure(tmp_path / "run")


def test_a_run_without_a_lab_leaves_a_record_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "open_testbed", no_lab)
    with pytest.raises(LabError):
        execute(tmp_path / "run")
    run = read_record(tmp_path / "run")
    assert (run.complete, run.why) == (False, "cut short: the lab was booted")


def test_a_place_for_junit_that_cannot_be_written_is_told_first(
    scenarios, tmp_path, monkeypatch
):
    monkeypatch.setattr(runs, "_execute", no_lab)
    argv = [str(scenarios), "--junit", str(tmp_path), "--output", str(tmp_path)]
    done = CliRunner().invoke(runs.run, argv)
    assert isinstance(done.exception, StorageError)


def test_runs_that_are_cut_short_leave_the_junit_of_those_done(
    scenarios, tmp_path, monkeypatch
):
    left = [make_run()]

    def one_only(asked, *_):
        if not left:
            raise KeyboardInterrupt
        return [(asked[0], left.pop())]

    monkeypatch.setattr(runs, "_execute", one_only)
    junit = tmp_path / "junit.xml"
    CliRunner().invoke(runs.run, [str(scenarios), "--junit", str(junit)])
    assert 'tests="1"' in junit.read_text()


@pytest.mark.parametrize(
    ("option", "labs"),
    [
        ([], [["first"], ["other"], ["second"]]),
        (["--one-lab"], [["first", "second"], ["other"]]),
    ],
)
def test_scenarios_share_a_lab_on_request(
    scenarios, monkeypatch, tmp_path, option, labs
):
    asked = []

    def execute(together, *_):
        asked.append([scenario.name.split("/")[-1] for scenario in together])
        return [(scenario, make_run()) for scenario in together]

    monkeypatch.setattr(runs, "_execute", execute)
    other = SCENARIO.replace("[traffic]", '[lab]\nmemory = "4 GiB"\n[traffic]')
    (scenarios / "other.toml").write_text(other)
    paths = [str(scenarios / f"{name}.toml") for name in ("first", "other", "second")]
    CliRunner().invoke(runs.run, [*paths, "--output", str(tmp_path), *option])
    assert asked == labs


def test_a_page_that_cannot_be_written_does_not_end_the_other_runs(
    scenarios, monkeypatch, tmp_path
):
    def execute_together(executions, _):
        for execution in executions:
            execution.run = replace(execution.run, complete=True)
        return [execution.run for execution in executions]

    def no_page(*_):
        raise StorageError("cannot write page.html", hint="none")

    monkeypatch.setattr(runs, "execute_together", execute_together)
    monkeypatch.setattr(runs, "provide", lambda *_: None)
    monkeypatch.setattr(runs, "write_page", no_page)
    argv = [str(scenarios), "--output", str(tmp_path)]
    done = CliRunner().invoke(runs.run, argv)
    assert done.output.count("cannot write page.html") == 2


def test_all_modes_are_those_of_this_version_and_those_to_be_left_out(
    scenarios, monkeypatch, tmp_path
):
    asked = []

    def execute(execution, *_):
        asked.append(execution.run.scenario)
        return make_run()

    monkeypatch.setattr(runs, "execute", execute)
    monkeypatch.setattr(runs, "provide", lambda *_: None)
    argv = ["--scenario", str(scenarios / "first.toml"), "--mode"]
    for mode in ("all", "xdp,tap,xdp"):
        output = ["--output", str(tmp_path)]
        CliRunner().invoke(runs.flood_test, [*argv, mode, *output])
    assert asked[0].modes == (*MODES, *PLANNED)
    assert [claim.mode for claim in asked[0].claims] == ["tap"]
    assert asked[1].modes == ("xdp", "tap")


def test_every_mode_has_its_needs_in_doctor():
    assert set(checks.MODES) == set(MODES)
