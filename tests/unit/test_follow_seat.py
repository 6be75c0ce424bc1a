# SPDX-License-Identifier: Apache-2.0
"""One follower per guest, whatever order the steps of the guest's life arrive in."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.nai_factories import UUID
from vhostaccel.follow.seat import Followed, FollowedNic, FollowerState, Seat, Seats

HOLD = """
import select, signal, sys
from pathlib import Path
from vhostaccel.follow.seat import Seats
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
seat = Seats(Path(sys.argv[1])).take(
    sys.argv[2], step_s=float(sys.argv[3]), replace=True, timeout_s=5.0
)
try:
    print("none" if seat is None else "taken", flush=True)
    # Not for long at a time: a signal just before a read would wait for its end.
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        pass
finally:
    if seat is not None and sys.argv[4] == "tidy":
        seat.leave()
"""


@contextmanager
def holder(folder, step_s, how="tidy"):
    """Let another process take the seat; yield it with its answer."""
    argv = [sys.executable, "-c", HOLD, str(folder), UUID, str(step_s), how]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        answer = process.stdout.readline().strip()
        yield process, answer
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


def test_a_seat_is_for_one(tmp_path):
    seats = Seats(tmp_path)
    with holder(tmp_path, 10.0) as (process, _):
        assert seats.pid(UUID) == process.pid
        again = seats.take(UUID, step_s=11.0, replace=False, timeout_s=0.0)
        assert again is None


def test_a_later_step_takes_it_from_the_earlier_follower(tmp_path):
    with (
        holder(tmp_path, 10.0) as (old, _),
        holder(tmp_path, 11.0) as (new, answer),
    ):
        assert answer == "taken"
        assert old.wait(10) == 0
        assert Seats(tmp_path).pid(UUID) == new.pid


def test_an_earlier_step_that_comes_late_changes_nothing(tmp_path):
    seats = Seats(tmp_path)
    with holder(tmp_path, 10.0) as (process, _):
        assert not seats.end(UUID, step_s=9.9, timeout_s=1.0)
        assert seats.take(UUID, step_s=9.9, replace=True, timeout_s=1.0) is None
        assert seats.pid(UUID) == process.pid


def test_the_end_of_a_guest_ends_its_follower_and_leaves_no_file(tmp_path):
    with holder(tmp_path, 10.0) as (process, _):
        assert Seats(tmp_path).end(UUID, step_s=12.0, timeout_s=5.0)
        assert process.wait(10) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_seat_of_a_follower_that_was_killed_is_free(tmp_path):
    seats = Seats(tmp_path)
    with holder(tmp_path, 10.0, "untidy") as (process, _):
        process.kill()
        process.wait()
        assert seats.pid(UUID) is None
        seat = seats.take(UUID, step_s=9.0, replace=False, timeout_s=0.0)
    assert seat is not None
    seat.leave()


def test_what_a_follower_says_is_heard_while_it_lives(tmp_path):
    nic = FollowedNic(index=0, tap="vnet0", state=Followed.ATTACHED, detail="queue 1")
    state = FollowerState(guest="nfv0", pid=7, nics=(nic,))
    seats = Seats(tmp_path)
    with holder(tmp_path, 10.0):
        unused = tmp_path / "unused"
        Seat(-1, unused, tmp_path / f"{UUID}.json", unused).say(state)
        assert seats.state(UUID) == state
    (tmp_path / f"{UUID}.json").write_text("{}")
    assert seats.state(UUID) is None


def test_what_is_no_uuid_cannot_lead_out_of_the_folder(tmp_path):
    with pytest.raises(ValueError, match="badly formed"):
        Seats(tmp_path).pid("../../etc/passwd")


def test_what_an_operator_ended_is_kept_until_the_guest_starts_anew(
    tmp_path, monkeypatch
):
    seats = Seats(tmp_path)
    seat = seats.take(UUID, step_s=1.0, replace=True, timeout_s=0.0)
    assert seat is not None
    nic = FollowedNic(index=0, tap="vnet0", state=Followed.ATTACHED, detail="")
    seat.say(FollowerState(guest="nfv0", pid=1, nics=(nic,)))
    teller = Seats(tmp_path)
    # A process does not see locks of its own.
    monkeypatch.setattr(teller, "pid", lambda guest_uuid: 1)
    teller.leave_alone("vnet9", 99)
    assert not seat.was_left(99)
    teller.leave_alone("vnet0", 9)
    assert seat.was_left(9)
    os.close(seat._file)  # it is killed, and leaves its files
    for replace, kept in ((False, True), (True, False)):
        again = seats.take(UUID, step_s=2.0, replace=replace, timeout_s=0.0)
        assert again is not None
        assert again.was_left(9) is kept
        if replace:
            again.leave()
        else:
            os.close(again._file)
    assert list(tmp_path.iterdir()) == []
