# SPDX-License-Identifier: Apache-2.0
"""A guest's control port: its heartbeat and its own counters."""

import os
import select
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from vhostaccel.errors import GuestError

_COUNTERS = 17


class GuestControl:
    """The outer end of a guest's control port.

    Asked by one thread at a time; a late answer to an earlier question is passed over.

    Args:
        name: the guest's, for messages.
        path: unix socket that libvirt made for the port.
    """

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._buffer = b""
        self._owed = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(os.fspath(path))
        except OSError as error:
            self._socket.close()
            raise GuestError(
                f"cannot reach guest {name} on {path}: {error.strerror}",
                hint=f"`virsh domstate {name}` tells whether it runs",
            ) from None

    def close(self) -> None:
        """Close the connection; the guest goes on."""
        self._socket.close()

    def beat(self, timeout_s: float) -> int | None:
        """Ask for a heartbeat; return how long the answer took [ns], or None."""
        started = time.monotonic_ns()
        answered = self._ask("b", timeout_s) is not None
        return time.monotonic_ns() - started if answered else None

    def counters(self, timeout_s: float) -> Sequence[int] | None:
        """Ask for the guest's counters, in the order of ``guest/init``, or None."""
        answer = self._ask("c", timeout_s)
        if answer is None:
            return None
        try:
            values = [int(word, 0) for word in answer.split()[1:]]
        except ValueError:
            return None
        return values if len(values) == _COUNTERS else None

    def _ask(self, question: str, timeout_s: float) -> str | None:
        with self._lock:
            deadline = time.monotonic() + timeout_s
            # An answer comes for every question, in order: pass over those to
            # questions whose asker gave up.
            self._socket.sendall(question.encode() + b"\n")
            self._owed += 1
            while (line := self._line(deadline)) is not None:
                self._owed -= 1
                if self._owed == 0:
                    return line if line.startswith(question) else None
            return None

    def _line(self, deadline: float) -> str | None:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                return None
            chunk = self._socket.recv(4096)
            if not chunk:
                raise GuestError(
                    f"guest {self._name} closed its control port",
                    hint=f"`virsh domstate {self._name} --reason` tells why it ended",
                )
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode(errors="replace").strip()
