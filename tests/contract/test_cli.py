# SPDX-License-Identifier: Apache-2.0
"""What a mistaken command line gets: one clear error, a hint, the documented status."""

import subprocess
import sys
from pathlib import Path

import pytest

CLI = Path(sys.executable).with_name("vhostaccel")
SCENARIO = """
about = "a scenario"
modes = ["tap"]
[traffic]
rates = ["600 furlongs"]
"""


def cli(*arguments, **environment):
    return subprocess.run(
        [CLI, *arguments], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip


def test_help_names_every_command():
    done = cli("--help")
    assert done.returncode == 0
    for command in ("doctor", "flood-test", "run", "report", "lab"):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("flood-test", "--mode", "warp"), "no mode warp"),
        (("flood-test", "--rates", "600,many"), "many"),
        (("flood-test", "--rates", "600,0"), "no list of numbers above 0"),
        (("flood-tst",), "Did you mean 'flood-test'?"),
        (("lab", "up", "--guests", "0"), "'--guests'"),
        (("flood-test", "--scenario", "nowhere.toml"), "nowhere.toml"),
        (("run", "nowhere"), "nowhere"),
        (("frobnicate",), "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_status_2_and_says_what_is_wrong(arguments, said):
    done = cli(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_unit_is_named_with_file_and_line(tmp_path):
    path = tmp_path / "claim.toml"
    path.write_text(SCENARIO)
    done = cli("flood-test", "--scenario", str(path))
    assert done.returncode == 2
    assert f"{path}:5" in done.stderr
    assert "frames/s" in done.stderr


def test_a_lab_that_does_not_run_is_status_3(tmp_path):
    done = cli("lab", "exec", "true", XDG_RUNTIME_DIR=str(tmp_path))
    assert done.returncode == 3
    assert "vhostaccel lab up" in done.stderr
