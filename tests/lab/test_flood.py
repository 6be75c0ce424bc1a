# SPDX-License-Identifier: Apache-2.0
"""The main job and its interruptions, in the real lab.

Each test boots the lab: KVM or TCG, libvirt, a guest, two wires. Nothing here is timed;
what is asserted is what was counted, and that nothing stays behind.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import expect_soon
from vhostaccel.lab.machine import labs_folder
from vhostaccel.lab.processes import ProcessId

pytestmark = pytest.mark.lab

CLI = Path(sys.executable).with_name("vhostaccel")
LIMIT_S = 400.0


@pytest.fixture(autouse=True)
def nothing_stays_behind(tmp_path_factory, monkeypatch):
    # A folder of its own: another lab of this user's may come and go meanwhile.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    before = labs()
    yield
    expect_soon(lambda: labs() <= before, "the lab's folder is gone", limit_s=20.0)


def labs():
    return set(labs_folder().iterdir()) if labs_folder().is_dir() else set()


def new_lab(before):
    """Wait for a lab that runs, and return keeper and QEMU."""

    def running():
        for folder in labs() - before:
            if (folder / "state.json").exists():
                return json.loads((folder / "state.json").read_text())
        return None

    state = expect_soon(running, "a lab runs", LIMIT_S)
    return ProcessId(**state["keeper"]), ProcessId(**state["qemu"])


@pytest.fixture
def flood(tmp_path):
    """Start flood-test with a short sweep; end it whatever happens."""
    started = []

    def start(*options):
        argv = [CLI, "flood-test", "--output", tmp_path / "run", *options]
        log = (tmp_path / "log").open("w")
        process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=tmp_path)
        log.close()
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait()


def said(tmp_path):
    return (tmp_path / "log").read_text()


def judged(flood, tmp_path, *options):
    """Return status and record of a run that was judged, of three at most.

    A run that the machine outside starved is void: it says nothing, for or against.
    """
    for _ in range(3):
        status = flood(*options).wait(LIMIT_S)
        assert status in (0, 1, 3), said(tmp_path)
        record = json.loads((tmp_path / "run" / "record.json").read_text())
        if record["status"] != "void":
            break
        shutil.rmtree(tmp_path / "run")
    return status, record


def test_tap_collapses_copy_does_not_and_every_frame_is_accounted_for(flood, tmp_path):
    options = ("--sweeps", "1", "--rates", "600,2400,40000")
    status, record = judged(flood, tmp_path, *options)
    # How deep tap falls and how high copy rises depends on how busy the machine outside
    # is. That they part, and where what is lost is lost, does not.
    assert status in (0, 1), said(tmp_path)
    tap, copy = (
        {verdict["name"]: verdict for verdict in mode["verdicts"]}
        for mode in record["modes"]
    )
    assert [mode["mode"] for mode in record["modes"]] == ["tap", "copy"]
    assert tap["livelock"]["status"] == "fail"
    assert tap["where-dropped"]["value"] < 0.5
    assert copy["where-dropped"]["status"] == "pass"
    assert copy["over-tap"]["value"] > 2
    assert copy["tap-share"]["status"] == "pass"
    for verdicts in (tap, copy):
        assert verdicts["conservation"]["status"] == "pass"
        assert verdicts["clean"]["status"] == "pass"
    page = (tmp_path / "run" / "page.html").read_text()
    assert "<svg" in page
    assert "http-equiv" not in page


def test_a_killed_qemu_is_one_clear_error_and_status_3(flood, tmp_path):
    before = labs()
    process = flood("--sweeps", "1", "--rates", "600")
    _, qemu = new_lab(before)
    expect_soon(
        lambda: "frames are forwarded" in said(tmp_path), "the flood begins", LIMIT_S
    )
    qemu.send(signal.SIGKILL)
    assert process.wait(60.0) == 3
    assert "the lab died" in said(tmp_path) or "wire" in said(tmp_path)
    assert "hint:" in said(tmp_path)
    assert "Traceback" not in said(tmp_path)
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert not record["complete"]
    assert (tmp_path / "run" / "console.log").read_text().strip()


def test_a_killed_command_line_leaves_nothing(flood):
    before = labs()
    process = flood("--sweeps", "1", "--rates", "600")
    keeper, qemu = new_lab(before)
    process.kill()
    process.wait()
    expect_soon(lambda: not (keeper.is_alive() or qemu.is_alive()), "both end", 20.0)


def test_ctrl_c_is_status_130_and_leaves_nothing(flood, tmp_path):
    before = labs()
    process = flood("--sweeps", "1", "--rates", "600")
    keeper, qemu = new_lab(before)
    process.send_signal(signal.SIGINT)
    assert process.wait(60.0) == 130
    assert "interrupted" in said(tmp_path)
    assert not keeper.is_alive()
    assert not qemu.is_alive()


def test_a_lab_of_ones_own_has_the_guest_that_virsh_lists():
    environment = dict(os.environ)

    def cli(*arguments):
        return subprocess.run(
            [CLI, "lab", *arguments],
            env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip

    try:
        up = cli("up")
        assert up.returncode == 0, up.stderr
        listed = cli("exec", "virsh", "list", "--name")
        assert listed.stdout.split() == ["nfv0"]
        assert cli("exec", "sh", "-c", "exit 7").returncode == 7
        second = cli("up")
        assert second.returncode == 3
        assert "already running" in second.stderr
    finally:
        down = cli("down")
    assert down.returncode == 0, down.stderr
    assert cli("exec", "true").returncode == 3
