# SPDX-License-Identifier: Apache-2.0
"""A guest that virsh starts is guarded, where its wish is auto and no lease can be had."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

CLI = Path(sys.executable).with_name("vhostaccel")
LIMIT_S = 120.0
FOLLOWERS_LOOK_S = 12.0
"""More than two looks of a follower."""


def vhostaccel(*argv, check=True):
    done = subprocess.run(
        [CLI, *argv], stdout=subprocess.PIPE, text=True, timeout=400, check=False
    )
    assert not check or done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def lab(tmp_path, monkeypatch):
    # A folder of its own: a lab of the user's may be up beside it.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    vhostaccel("lab", "up", "--mode", "xdp", "--libvirt-hook")
    yield lambda *argv, check=True: vhostaccel(
        "lab", "exec", "--timeout", "120", "--", *argv, check=check
    )
    vhostaccel("lab", "down")


def guarded(lab):
    """Return why each guarded tap has no better mode, by tap."""
    said = lab(CLI, "list", "--json", check=False)
    if not said.startswith("{"):
        return {}
    guests = (json.loads(said)["guard"] or {"guests": []})["guests"]
    return {guest["wish"]["tap"]: guest["wish"]["why"] for guest in guests}


def expect_guarded(lab, wanted):
    deadline = time.monotonic() + LIMIT_S
    while (seen := guarded(lab)) != wanted:
        assert time.monotonic() < deadline, f"within {LIMIT_S:g} s: {seen}"
        time.sleep(1)


def test_a_wish_alone_has_the_guard_put_up_and_a_detach_is_heeded(lab):
    expect_guarded(lab, {"nfv0-0": None, "nfv0-1": None})
    lab(CLI, "libvirt", "enable", "nfv0")
    lab("virsh", "destroy", "nfv0")
    expect_guarded(lab, {})
    lab("virsh", "start", "nfv0")
    why = "copy: the module nai is not loaded: the kernel has no netlink family nai"
    expect_guarded(lab, {"nfv0-0": why, "nfv0-1": why})
    lab(CLI, "detach", "nfv0-0")
    time.sleep(FOLLOWERS_LOOK_S)
    assert guarded(lab) == {"nfv0-1": why}
    assert "0 (nfv0-0) left" in lab(CLI, "libvirt", "status", "nfv0")
    lab(CLI, "libvirt", "disable", "nfv0", "--now")
    expect_guarded(lab, {})
