# SPDX-License-Identifier: Apache-2.0
"""The keeper leaves no process and no folder behind, however things end.

A real keeper with a real child; ``sleep`` stands where QEMU would.
"""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.waiting import expect_soon
from vhostaccel.lab.processes import ProcessId

LIMIT_S = 10.0
OWNER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-m", "vhostaccel.lab.keeper", sys.argv[1], "owned",
    "sleep", "600"], stdin=subprocess.PIPE)
time.sleep(600)
"""


def state_of(folder):
    path = folder / "state.json"
    expect_soon(path.exists, "the keeper writes its state")
    state = json.loads(path.read_text())
    return ProcessId(**state["keeper"]), ProcessId(**state["qemu"])


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "labs" / "lab"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def owner(folder):
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(folder)])
    yield process
    process.kill()
    process.wait()


def gone(folder, *processes):
    return not folder.exists() and not any(p.is_alive() for p in processes)


def test_an_owner_that_is_killed_leaves_nothing(folder, owner):
    keeper, qemu = state_of(folder)
    owner.kill()
    owner.wait()
    expect_soon(lambda: gone(folder, keeper, qemu), "keeper, child and folder are gone")


def test_a_keeper_that_is_told_to_end_leaves_nothing(folder, owner):
    keeper, qemu = state_of(folder)
    keeper.send(signal.SIGTERM)
    expect_soon(lambda: gone(folder, keeper, qemu), "keeper, child and folder are gone")


def test_qemu_ends_with_a_keeper_that_is_killed(folder, owner):
    keeper, qemu = state_of(folder)
    os.kill(keeper.pid, signal.SIGKILL)
    expect_soon(lambda: not qemu.is_alive(), "the child is gone")


def test_the_folder_stays_for_the_owner_when_qemu_is_killed(folder, owner):
    keeper, qemu = state_of(folder)
    qemu.send(signal.SIGKILL)
    expect_soon(lambda: not qemu.is_alive(), "the child is gone")
    assert folder.exists()
    assert keeper.is_alive()


def test_a_lab_without_owner_is_tidied_up_when_qemu_is_killed(folder):
    argv = [sys.executable, "-m", "vhostaccel.lab.keeper", str(folder), "detached"]
    keeping = subprocess.Popen([*argv, "sleep", "600"], stdin=subprocess.DEVNULL)
    keeper, qemu = state_of(folder)
    qemu.send(signal.SIGKILL)
    assert keeping.wait(LIMIT_S) == 1
    assert gone(folder, keeper, qemu)
