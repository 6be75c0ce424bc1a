# SPDX-License-Identifier: Apache-2.0
"""The guard on the lab's kernel and NIC: the same object, the same scenes as elsewhere."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

PROJECT = Path(__file__).resolve().parents[2]
CLI = Path(sys.executable).with_name("vhostaccel")
SCENES = (
    f"modprobe veth && cd {PROJECT} && exec {sys.executable} -m pytest -q "
    "-p no:cacheprovider tests/contract/test_guard_kernel.py"
)


def vhostaccel(*argv):
    done = subprocess.run(
        [CLI, *argv], stdout=subprocess.PIPE, text=True, timeout=1300, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    # A folder of its own: a lab of the user's may be up beside it.
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("lab")))
        vhostaccel("lab", "up", "--mode", "xdp")
        yield lambda *argv: vhostaccel("lab", "exec", "--timeout", "1200", "--", *argv)
        vhostaccel("lab", "down")


def test_the_nics_driver_runs_it_for_both_interfaces_of_a_guest(lab):
    guard = json.loads(lab(CLI, "list", "--json"))["guard"]
    assert [port["native"] for port in guard["ports"]] == [True, True]
    taps = sorted(guarded["wish"]["tap"] for guarded in guard["guests"])
    assert taps == ["nfv0-0", "nfv0-1"]


def test_scenes_hold_on_the_labs_kernel(lab):
    said = lab("/bin/sh", "-c", SCENES)
    assert "passed" in said
    assert "skipped" not in said, said


def test_the_last_detach_ends_the_keeper(lab):
    for tap in ("nfv0-0", "nfv0-1"):
        lab(CLI, "detach", tap)
    argv = (CLI, "lab", "exec", "--", CLI, "list")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "nai is not loaded" in done.stdout + done.stderr
