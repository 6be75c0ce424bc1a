# SPDX-License-Identifier: Apache-2.0
"""Who follows which guest: one process each, known by a locked file.

    /run/vhostaccel/libvirt/<uuid>.lock    locked while a follower lives; has its time
    /run/vhostaccel/libvirt/<uuid>.json    what it last had to say
    /run/vhostaccel/libvirt/<uuid>.left    taps whose guard an operator ended, by number

Only the standard library, the codec and our errors: a libvirt hook runs this.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import time
import uuid
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from vhostaccel.codec import from_plain, to_plain
from vhostaccel.errors import StorageError

_RUN = Path("/run/vhostaccel/libvirt")
_POLL_S = 0.02
_FLOCK = "hhqqi4x"
"""struct flock where off_t has 64 bits."""


class Followed(Enum):
    """How a wished virtual NIC stands."""

    WAITING = "waiting"
    """For the guest's driver, or for the module nai."""
    ATTACHED = "attached"
    REFUSED = "refused"
    """It stays on its tap, and is tried again now and then."""
    LEFT = "left"
    """An operator detached it; it is let alone until the guest starts anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedNic:
    """A wished virtual NIC and how it stands."""

    index: int
    tap: str
    state: Followed
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerState:
    """What a follower has to say."""

    guest: str
    pid: int
    nics: tuple[FollowedNic, ...]


class Seats:
    """The places of followers, one for each guest.

    Steps of a guest's life are handled in processes of their own, which can overtake
    one another; their times, taken while libvirt still waited, put them in order.

    Args:
        folder: where the files are.
    """

    def __init__(self, folder: Path = _RUN) -> None:
        self._folder = folder

    def take(
        self, guest_uuid: str, *, step_s: float, replace: bool, timeout_s: float
    ) -> "Seat | None":
        """Become the follower of a guest; None if another one is and is to stay.

        Args:
            guest_uuid: the guest's.
            step_s: when the step was that asks for it [s, boot time].
            replace: end an older one first.
            timeout_s: how long that may take [s].
        """
        path = self._path(guest_uuid, "lock")
        self._folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + timeout_s
        while True:
            file = _locked(path)
            if file is not None:
                os.pwrite(file, f"{step_s:.2f}\n".encode(), 0)
                left = self._path(guest_uuid, "left")
                if replace:
                    left.unlink(missing_ok=True)
                return Seat(file, path, self._path(guest_uuid, "json"), left)
            left_s = deadline - time.monotonic()
            if not replace or left_s <= 0:
                return None
            if not self.end(guest_uuid, step_s=step_s, timeout_s=left_s):
                return None
            time.sleep(_POLL_S)

    def pid(self, guest_uuid: str) -> int | None:
        """Return the process that follows a guest, or None."""
        try:
            with self._path(guest_uuid, "lock").open("rb") as file:
                return _locker(file.fileno())
        except OSError:
            return None

    def state(self, guest_uuid: str) -> FollowerState | None:
        """Return what the follower of a guest last said; None if there is none."""
        if self.pid(guest_uuid) is None:
            return None
        try:
            plain = json.loads(self._path(guest_uuid, "json").read_text())
            return from_plain(FollowerState, plain)
        except (OSError, ValueError):
            return None

    def states(self) -> tuple[FollowerState, ...]:
        """Return what all followers last said."""
        return tuple(state for _, state in self._said())

    def leave_alone(self, tap: str, ifindex: int) -> None:
        """Tell the follower of a tap, if it has one, that an operator ends its guard.

        Raises:
            StorageError: If it cannot be written down.
        """
        for guest_uuid, state in self._said():
            if tap not in {nic.tap for nic in state.nics}:
                continue
            path = self._path(guest_uuid, "left")
            try:
                with path.open("a") as file:
                    file.write(f"{ifindex}\n")
            except OSError as error:
                raise StorageError(
                    f"cannot tell the follower of {state.guest}: {path}: "
                    f"{error.strerror}",
                    hint="run it as root, with sudo",
                ) from None

    def _said(self) -> list[tuple[str, FollowerState]]:
        followed = sorted(path.stem for path in self._folder.glob("*.lock"))
        states = ((guest_uuid, self.state(guest_uuid)) for guest_uuid in followed)
        return [(guest_uuid, state) for guest_uuid, state in states if state]

    def end(self, guest_uuid: str, *, step_s: float, timeout_s: float) -> bool:
        """End the follower of a guest unless it came after this step.

        Returns:
            Whether none is left.
        """
        deadline = time.monotonic() + timeout_s
        while (pid := self.pid(guest_uuid)) is not None:
            began_s = self._began(guest_uuid)
            if began_s is not None and began_s > step_s:
                return False
            if time.monotonic() > deadline:
                return False
            if began_s is None:  # it has the lock, and writes this next
                time.sleep(_POLL_S)
                continue
            self._end_process(guest_uuid, pid, deadline - time.monotonic())
        return True

    def _end_process(self, guest_uuid: str, pid: int, timeout_s: float) -> None:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            # Asked again with the process in hand: its number cannot change hands now.
            if self.pid(guest_uuid) != pid:
                return
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGTERM)
            select.select([handle], [], [], max(0.0, timeout_s))
        finally:
            os.close(handle)

    def _began(self, guest_uuid: str) -> float | None:
        try:
            text = self._path(guest_uuid, "lock").read_text()
        except OSError:
            return None
        return float(text) if text.endswith("\n") else None

    def _path(self, guest_uuid: str, kind: str) -> Path:
        # What comes from a domain's XML must not lead out of the folder.
        return self._folder / f"{uuid.UUID(guest_uuid)}.{kind}"


class Seat:
    """The place that this process has taken."""

    def __init__(self, file: int, lock: Path, state: Path, left: Path) -> None:
        self._file = file
        self._lock = lock
        self._state = state
        self._left = left

    def say(self, state: FollowerState) -> None:
        """Let others know how things stand."""
        beside = self._state.with_suffix(".new")
        # For want of space nobody hears it, but the guest is followed all the same.
        with contextlib.suppress(OSError):
            beside.write_text(json.dumps(to_plain(state)))
            beside.rename(self._state)

    def was_left(self, tap_ifindex: int) -> bool:
        """Say whether an operator ended the guard of a tap; see `Seats.leave_alone`."""
        try:
            return str(tap_ifindex) in self._left.read_text().split()
        except OSError:
            return False

    def leave(self) -> None:
        """Give the place up; nothing of it stays."""
        self._state.unlink(missing_ok=True)
        self._left.unlink(missing_ok=True)
        self._lock.unlink(missing_ok=True)
        os.close(self._file)


def _locked(path: Path) -> int | None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it before may have removed it between our two calls.
        if path.stat().st_ino == os.fstat(file).st_ino:
            os.ftruncate(file, 0)
            return file
    except OSError:
        pass
    os.close(file)
    return None


def _locker(file: int) -> int | None:
    """Return the process that holds a lock of the file, by F_GETLK (fcntl(2))."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else int(pid)
