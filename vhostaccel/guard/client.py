# SPDX-License-Identifier: Apache-2.0
"""The conversation with the keeper, which is started when it is needed first."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, BinaryIO

from vhostaccel.codec import from_plain, to_plain
from vhostaccel.errors import GuardError, SetupError
from vhostaccel.guard.model import Event, Guarded, Standing, Wish, taps_of
from vhostaccel.guard.service import ADDRESS, peer_uid
from vhostaccel.patience import limit_s

_ANSWER_S = 30.0
"""An attach can take a reset of the NIC."""
_START_S = 5.0
"""A keeper may end just when it is spoken to; its successor waits for its address."""


class NoKeeperError(GuardError):
    """Nothing is guarded: there is no keeper."""

    def __init__(self) -> None:
        super().__init__(
            "nothing is guarded here",
            hint="`vhostaccel attach GUEST --mode xdp` begins",
        )


class Guard:
    """The guard of this network name space."""

    def attach(self, wish: Wish) -> Guarded:
        """Guard a virtual NIC.

        Raises:
            SetupError: If this host cannot have the guard.
            GuardError: If it cannot be; nothing is changed then.
        """
        request = {"do": "attach", "wish": to_plain(wish)}
        deadline = time.monotonic() + limit_s(_START_S)
        while True:
            with suppress(NoKeeperError):
                return from_plain(Guarded, self._ask(request))
            if time.monotonic() > deadline:
                raise NoKeeperError
            start_keeper()

    def detach(self, tap: str) -> bool:
        """Guard a virtual NIC no longer; say whether it was guarded.

        Raises:
            GuardError: If the keeper does not answer.
        """
        try:
            return bool(self._ask({"do": "detach", "tap": tap}))
        except NoKeeperError:
            return False

    def standing(self) -> Standing | None:
        """Return how things stand; None where nothing is guarded.

        Raises:
            GuardError: If the keeper does not answer.
        """
        try:
            return from_plain(Standing, self._ask({"do": "standing"}))
        except NoKeeperError:
            return None

    @contextmanager
    def events(self) -> Iterator[Iterator[Event]]:
        """Listen to what happens from now on.

        Raises:
            NoKeeperError: If nothing is guarded.
        """
        with _connected() as connection, connection.makefile("rb") as lines:
            _ask(connection, lines, {"do": "events"})
            connection.settimeout(None)
            yield (from_plain(Event, json.loads(line)) for line in lines)

    def _ask(self, request: dict[str, Any]) -> Any:
        with _connected() as connection, connection.makefile("rb") as lines:
            return _ask(connection, lines, request)


def attach_whole(guard: Guard, wish: Wish) -> Guarded:
    """Guard a virtual NIC; interrupted before the answer, it is as it was.

    Raises:
        SetupError: If this host cannot have the guard.
        GuardError: If it cannot be; nothing is changed then.
    """
    with ExitStack() as undo:
        if wish.tap not in taps_of(guard.standing()):
            undo.callback(guard.detach, wish.tap)
        guarded = guard.attach(wish)
        undo.pop_all()
    return guarded


def dropped_by_tap() -> dict[str, int]:
    """Return how many frames were dropped at the NIC for each tap; see `Counts`.

    Raises:
        GuardError: If the keeper does not answer.
    """
    standing = Guard().standing()
    guests = () if standing is None else standing.guests
    return {guarded.wish.tap: guarded.counts.dropped for guarded in guests}


def start_keeper() -> None:
    """Start the keeper, and wait until it works.

    Raises:
        SetupError: If it does not; the sentence is its own.
    """
    process = subprocess.Popen(
        (sys.executable, "-m", "vhostaccel.guard.service"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    with process.stdout as said:
        line = said.readline()
    process.returncode = 0  # it is to outlive us; nobody waits for it
    answer = json.loads(line) if line else {}
    if "ok" not in answer:
        raise SetupError(
            answer.get("error", "the guard's keeper ended before it worked"),
            hint=answer.get("hint", f"{sys.executable} -m vhostaccel.guard.service"),
        )


@contextmanager
def _connected() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(limit_s(_ANSWER_S))
        try:
            connection.connect(ADDRESS)
        except ConnectionRefusedError:
            raise NoKeeperError from None
        if peer_uid(connection) != 0:
            raise GuardError(
                "a process of another user answers in the place of the guard's keeper",
                hint="`ss -xlp | grep vhostaccel-guard` tells which; end it",
            )
        yield connection


def _ask(connection: socket.socket, lines: BinaryIO, request: dict[str, Any]) -> Any:
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        line = lines.readline()
    except TimeoutError:
        raise GuardError(
            f"the guard's keeper does not answer within {_ANSWER_S:g} s",
            hint="it may be stopped; without it all frames pass",
        ) from None
    except (BrokenPipeError, ConnectionResetError):
        line = b""
    if not line:
        if os.geteuid() != 0:
            raise GuardError("the guard's keeper answers root alone", hint="use sudo")
        raise NoKeeperError
    answer = json.loads(line)
    if "error" in answer:
        raise GuardError(answer["error"], hint=answer["hint"], code=answer["code"])
    return answer["ok"]
