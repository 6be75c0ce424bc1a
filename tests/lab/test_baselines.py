# SPDX-License-Identifier: Apache-2.0
"""Every baseline is on in its turn, off in the next, and loses count of no frame."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

CLI = Path(sys.executable).with_name("vhostaccel")
SKIPPED = 4
LIMIT_S = 900.0

PLAIN = {
    "threaded": "0", "napi_defer_hard_irqs": "0", "gro_flush_timeout": "0",
    "is a": "tap", "poll-us": "0",
}  # fmt: skip
TURNED = {
    "tap-threaded": {"threaded": "1"},
    "tap-defer": {"napi_defer_hard_irqs": "2", "gro_flush_timeout": "200000"},
    "tap-busypoll": {"poll-us": "50, 50"},
    "macvtap": {"is a": "macvtap"},
    "tap": {},
}
"""What each mode turns, in the order of their turns."""


@pytest.fixture(scope="module")
def modes(tmp_path_factory):
    """Return the modes of a run's record, by name; no load is above saturation."""
    folder = tmp_path_factory.mktemp("run")
    argv = [CLI, "flood-test", "--mode", ",".join(TURNED), "--output", folder]
    argv += ["--sweeps", "1", "--rates", "300"]
    with pytest.MonkeyPatch.context() as patched:
        # A folder of its own: a lab of the user's may be up beside it.
        patched.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("lab")))
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    # The scenario claims nothing of these modes.
    assert done.returncode == SKIPPED, done.stdout + done.stderr
    record = json.loads((folder / "record.json").read_text())
    assert record["left_out"] == {}
    return {mode["mode"]: mode for mode in record["modes"]}


@pytest.mark.parametrize("name", TURNED)
def test_what_a_mode_turns_is_on_in_its_trials_and_nothing_else_is(modes, name):
    wanted = PLAIN | TURNED[name]
    assert modes[name]["points"]
    for point in modes[name]["points"]:
        whose = {setting.partition(" ")[0] for setting in point["settings"]}
        assert {"nfv0", "nfv0-0", "nfv0-1"} < whose
        for setting, value in point["settings"].items():
            assert value == wanted[setting.partition(" ")[2]], setting


@pytest.mark.parametrize("name", TURNED)
def test_every_frame_is_accounted_for_and_nothing_is_left(modes, name):
    verdicts = {verdict["name"]: verdict for verdict in modes[name]["verdicts"]}
    # The machine outside may be too busy for a trial to say anything.
    assert verdicts["conservation"]["status"] in ("pass", "void")
    assert verdicts["clean"]["status"] == "pass"
