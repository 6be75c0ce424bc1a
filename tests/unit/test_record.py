# SPDX-License-Identifier: Apache-2.0
"""A record holds the whole run, where readers look for it."""

import errno
import json
import os
from pathlib import Path

import pytest

from tests.factories import make_disturbance, make_point, make_run, make_sweeps
from vhostaccel.errors import StorageError, UsageError
from vhostaccel.report.record import (
    FILE_NAME,
    SCHEMA,
    read_record,
    to_record,
    write_record,
)
from vhostaccel.report.run import ModeResult


def test_a_record_reads_back_as_the_same_run(tmp_path):
    points = (
        *make_sweeps(),
        make_point(40_000, 9, disturbance=make_disturbance("it stayed silent", done=0)),
        make_point(550, 0, purpose="recovery", void="starved"),
    )
    run = make_run((ModeResult(mode="tap", points=points, verdicts=()),))
    assert read_record(write_record(run, tmp_path)) == run
    assert read_record(tmp_path) == run


def test_a_record_of_before_disturbances_and_neighbours_is_read(tmp_path):
    run = make_run()
    record = to_record(run)
    del record["scenario"]["disturbance"], record["scenario"]["traffic"]["neighbour"]
    for point in record["modes"][0]["points"]:
        del point["disturbance"]
        for way in ("a_to_b", "b_to_a"):
            del point["trial"][way]["guests"]
    (tmp_path / FILE_NAME).write_text(json.dumps(record))
    read = read_record(tmp_path)
    assert read.scenario == run.scenario
    point = read.modes[0].points[0]
    assert (point.disturbance, point.trial.a_to_b.guests) == (None, ())


def test_headline_figures_stand_where_the_format_says():
    record = to_record(make_run())
    (mode,) = record["modes"]
    point = mode["points"][-1]
    assert record["schema"] == SCHEMA
    assert mode["mode"] == "tap"
    assert mode["peak_fps"] == pytest.approx(1132.8)
    assert point["offered_fps"] == 40_000
    assert point["egress_fps"]["a_to_b"] == pytest.approx(1.84)
    assert point["hops"]["b_to_a"][0]["name"] == "wire sent"
    assert point["latency_ns"]["a_to_b"] == {
        "p50": 2_000_000,
        "p99": 9_000_000,
        "worst": 12_000_000,
    }
    assert point["cpu"]["owners"]["vhost"] == pytest.approx(0.1)
    assert mode["verdicts"][0]["status"] == "fail"


def test_each_figure_is_written_once():
    point = to_record(make_run())["modes"][0]["points"][0]
    assert "latency" not in point["trial"]["a_to_b"]
    assert "egress_fps" not in point["trial"]["a_to_b"]
    assert "hops" not in point["a_to_b"]


def test_a_full_disk_leaves_the_record_before_and_nothing_else(tmp_path, monkeypatch):
    before = write_record(make_run(), tmp_path).read_text()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        write_record(make_run(claims=()), tmp_path)
    assert "--output" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).read_text() == before


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("{", "is no record of a run"),
        ("[]", "it is no JSON object"),
        ('{"schema": "vhostaccel-record/9"}', "its schema is 'vhostaccel-record/9'"),
        (f'{{"schema": "{SCHEMA}"}}', "modes are damaged at 'modes'"),
        (f'{{"schema": "{SCHEMA}", "modes": [{{}}]}}', "modes are damaged at 'mode'"),
        (f'{{"schema": "{SCHEMA}", "modes": []}}', "Run: no key 'scenario'"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, written, says):
    path = tmp_path / FILE_NAME
    path.write_text(written)
    with pytest.raises(UsageError, match=says):
        read_record(path)


def test_a_changed_type_deep_in_a_record_is_refused_by_its_place(tmp_path):
    record = to_record(make_run())
    record["modes"][0]["points"][2]["trial"]["flood_s"] = "8"
    path = tmp_path / FILE_NAME
    path.write_text(json.dumps(record))
    with pytest.raises(UsageError, match=r"modes\[0\].points\[2\].trial.flood_s"):
        read_record(path)


def test_a_run_that_does_not_exist_names_the_nearest(tmp_path, monkeypatch):
    (tmp_path / "20250102-livelock").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        read_record(Path("20250102-livelok"))
    assert caught.value.hint == "did you mean 20250102-livelock?"
