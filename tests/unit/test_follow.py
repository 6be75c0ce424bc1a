# SPDX-License-Identifier: Apache-2.0
"""A program that takes long: its lines as they come, and no process left behind."""

import time
from pathlib import Path

import pytest

from vhostaccel.command import follow
from vhostaccel.errors import SetupError


def test_each_line_is_told_and_all_are_returned():
    told: list[str] = []

    done = follow(("sh", "-c", "echo a; echo b >&2; exit 3"), hint="", says=told.append)

    assert sorted(told) == ["a", "b"]
    assert (done.status, sorted(done.output.split())) == (3, ["a", "b"])


def test_a_program_that_is_not_there_is_told():
    with pytest.raises(SetupError, match="no-such-program"):
        follow(("no-such-program",), hint="", says=print)


def test_what_it_started_ends_with_it_when_interrupted():
    children: list[int] = []

    def interrupt(line: str) -> None:
        children.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(("sh", "-c", "sleep 60 & echo $!; wait"), hint="", says=interrupt)

    deadline = time.monotonic() + 10
    while is_running(children[0]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(children[0])


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
