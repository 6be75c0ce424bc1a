# SPDX-License-Identifier: Apache-2.0
"""A guest that virsh starts comes up attached, by the wish in its metadata alone."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

CLI = Path(sys.executable).with_name("vhostaccel")
LIMIT_S = 180.0


def vhostaccel(*argv):
    done = subprocess.run(
        [CLI, *argv], stdout=subprocess.PIPE, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def lab(tmp_path, monkeypatch):
    # A folder of its own: a lab of the user's may be up beside it.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    vhostaccel("lab", "up", "--mode", "copy", "--libvirt-hook")
    yield lambda *argv: vhostaccel("lab", "exec", "--timeout", "120", "--", *argv)
    vhostaccel("lab", "down")


def modes(lab):
    guests = json.loads(lab(CLI, "list", "--json"))["guests"]
    return {guest["tap"]: guest["mode"] for guest in guests}


def expect_modes(lab, wanted):
    deadline = time.monotonic() + LIMIT_S
    while (seen := modes(lab)) != wanted:
        assert time.monotonic() < deadline, f"within {LIMIT_S:g} s: {seen}"
        time.sleep(1)


def test_a_guest_started_by_virsh_is_attached_by_its_wish_alone(lab):
    both = {"nfv0-0": "copy", "nfv0-1": "copy"}
    expect_modes(lab, both)
    lab(CLI, "libvirt", "enable", "nfv0")
    lab("virsh", "destroy", "nfv0")
    expect_modes(lab, {})
    lab("virsh", "start", "nfv0")
    expect_modes(lab, both)
    # The guest's driver lets go and comes back: so does the lease.
    lab("virsh", "reset", "nfv0")
    expect_modes(lab, {})
    expect_modes(lab, both)
    lab(CLI, "libvirt", "disable", "nfv0", "--now")
    expect_modes(lab, {"nfv0-0": "tap", "nfv0-1": "tap"})
