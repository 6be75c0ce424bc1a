# SPDX-License-Identifier: Apache-2.0
"""The control channel's outer end: calls to the lab's agent, one JSON object a line.

A call is ``{"id": 7, "call": "sample", "with": {...}}``; the agent answers with any
number of ``{"id": 7, "says": ...}`` and then ``{"id": 7, "result": ...}`` or
``{"id": 7, "error": {"kind", "what", "hint"}}``.
"""

import json
import os
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vhostaccel import errors
from vhostaccel.errors import LabError
from vhostaccel.patience import limit_s

_CHUNK = 1 << 16


class Channel:
    """A connection to the agent of one lab.

    Args:
        path: socket of the lab's control port.
        why_dead: returns why the lab no longer runs, or None while it does; asked
            whenever an answer is overdue, so that a dead lab is told from a slow one.
    """

    def __init__(self, path: Path, why_dead: Callable[[], str | None]) -> None:
        self._why_dead = why_dead
        self._buffer = b""
        # Of this connection alone: answers to an earlier caller are passed over.
        self._next_id = int.from_bytes(os.urandom(4)) << 20
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(os.fspath(path))
        except OSError as error:
            self._socket.close()
            raise LabError(
                f"cannot reach the lab's agent at {path}: {error.strerror}",
                hint="`vhostaccel lab down`, then start the lab again",
            ) from None

    def close(self) -> None:
        """Close the connection; the agent waits for the next one."""
        self._socket.close()

    def call(
        self,
        name: str,
        /,
        *,
        timeout_s: float = 60.0,
        says: Callable[[Any], None] = lambda _: None,
        **arguments: Any,
    ) -> Any:
        """Call the agent and return its result.

        Args:
            name: what to call.
            timeout_s: how long the answer of a usual kernel may take [s].
            says: is given what the agent says on the way.
            arguments: what to call it with; plain JSON values.

        Raises:
            LabError: If the lab died or did not answer in time.
            VhostAccelError: What the call itself raised in the lab, of its own kind.
        """
        self._next_id += 1
        call = {"id": self._next_id, "call": name, "with": arguments}
        timeout_s = limit_s(timeout_s)
        deadline = time.monotonic() + timeout_s
        self._send(json.dumps(call).encode() + b"\n", name)
        while True:
            answer = self._receive(name, deadline, timeout_s)
            if answer.get("id") != self._next_id:
                continue
            if "says" in answer:
                says(answer["says"])
            elif "error" in answer:
                raise _raised(answer["error"])
            else:
                return answer["result"]

    def _send(self, line: bytes, name: str) -> None:
        try:
            self._socket.sendall(line)
        except OSError:
            raise self._gone(name) from None

    def _receive(self, name: str, deadline: float, timeout_s: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._socket], [], [], 0.5)
            if ready:
                chunk = self._socket.recv(_CHUNK)
                if not chunk:
                    raise self._gone(name)
                self._buffer += chunk
            elif (why := self._why_dead()) is not None:
                raise LabError(
                    f"the lab died while it was asked to {name}: {why}",
                    hint="start it again; `vhostaccel doctor` tells what this host lacks",
                )
            elif time.monotonic() > deadline:
                raise LabError(
                    f"the lab did not answer `{name}` within {timeout_s:g} s",
                    hint="the machine may be overloaded: see `uptime`, then try again",
                )
        line, self._buffer = self._buffer.split(b"\n", 1)
        try:
            answer = json.loads(line)
        except ValueError:
            return {}
        return answer if isinstance(answer, dict) else {}

    def _gone(self, name: str) -> LabError:
        why = self._why_dead() or "its control port was closed"
        return LabError(
            f"the lab died while it was asked to {name}: {why}",
            hint="start it again; `vhostaccel doctor` tells what this host lacks",
        )


def _raised(error: dict[str, str]) -> errors.VhostAccelError:
    """Return the error that the agent describes, of the same class where it is ours."""
    kind = getattr(errors, error["kind"], None)
    if not (isinstance(kind, type) and issubclass(kind, errors.VhostAccelError)):
        kind = LabError
    raised: errors.VhostAccelError = kind(error["what"], hint=error["hint"])
    return raised
