# SPDX-License-Identifier: Apache-2.0
"""The terminal summary says all of a run in less than 100 columns."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.factories import (
    CLEAN,
    PLATEAU,
    make_disturbance,
    make_point,
    make_run,
    make_sweeps,
)
from vhostaccel.modes.table import MODES
from vhostaccel.report.run import ModeResult, Run
from vhostaccel.report.summary import one_line, show_duration, summary_text
from vhostaccel.scenario.model import Claim
from vhostaccel.verify.judge import judge, overall, settle
from vhostaccel.verify.verdict import Status

GOLDEN = Path(__file__).parents[1] / "golden" / "summary.txt"


def judged_run() -> Run:
    """A run of two modes with a void trial, judged as the pipeline does."""
    points = {
        "tap": (*make_sweeps(lost_in={"nic": 0.1}), make_point(600, 9, sweep=3, void="starved")),
        "copy": make_sweeps(PLATEAU, mode="copy", lost_in={"nic": 1.0}),
    }  # fmt: skip
    scenario = make_run().scenario
    claims = (
        Claim(verdict="livelock", mode="tap", expect="< 0.25"),
        Claim(verdict="livelock", mode="copy"),
        Claim(verdict="where-dropped", mode="tap", expect="pass"),
        Claim(verdict="recovery", mode="copy"),
    )
    modes = tuple(
        ModeResult(mode=mode, points=p, verdicts=judge(mode, points, CLEAN, scenario))
        for mode, p in points.items()
    )
    results = settle(claims, {result.mode: result.verdicts for result in modes})
    run = make_run(modes, claims=results, status=overall(results))
    return replace(run, left_out={"poll": "not in this version"})


def test_summary_is_as_it_was_looked_at():
    """`UPDATE_GOLDEN=1 pytest` writes it anew; look at the difference then."""
    text = summary_text(judged_run())
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
    assert max(map(len, text.splitlines())) < 100


def test_every_mode_can_be_told_in_a_narrow_terminal():
    run = judged_run()
    (tap, _) = run.modes
    named = tuple(replace(tap, mode=mode) for mode in MODES)
    text = summary_text(replace(run, modes=named), width=80)
    side_by_side = text[text.index("modes side by side") : text.index("was left out")]
    for mode in MODES:
        assert f"\n {mode} " in side_by_side
    assert "fail 0.00" in side_by_side
    assert "\N{HORIZONTAL ELLIPSIS}" not in side_by_side


def test_a_run_cut_short_says_so():
    run = replace(make_run(), complete=False, why="interrupted in sweep 2")
    assert summary_text(run).endswith("cut short: interrupted in sweep 2\n")


def test_a_disturbance_is_told_in_a_line():
    points = (make_point(600), make_point(40_000, disturbance=make_disturbance()))
    failed = replace(points[1], disturbance=make_disturbance("no [answer]", done=0))
    run = make_run((ModeResult(mode="tap", points=(*points, failed), verdicts=()),))
    lines = summary_text(run).splitlines()
    assert "disturbed at 40 k: kill 1 of 1 times in 20.5 s" in lines
    assert (
        "disturbed at 40 k: kill 0 of 1 times in 20.5 s, 1 failures: no [answer]"
        in lines
    )


def test_names_from_a_record_are_no_markup():
    run = make_run()
    claim = replace(run.claims[0], why="[red]kernel[/red] BUG", status=Status.FAIL)
    assert "[red]kernel[/red] BUG" in summary_text(replace(run, claims=(claim,)))
    named = replace(run, scenario=replace(run.scenario, name="a/[bold]b"))
    assert "\\[bold]b" in one_line(named)


@pytest.mark.parametrize(
    ("ns", "shown"),
    [(None, "-"), (850_000, "850 us"), (2_400_000, "2.4 ms"), (1.5e12, "1500 s")],
)
def test_duration_is_shown_with_its_unit(ns, shown):
    assert show_duration(ns) == shown
