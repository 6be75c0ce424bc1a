# SPDX-License-Identifier: Apache-2.0
"""A process of ours that is asked and answers in lines of JSON, and ends with us."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from vhostaccel.errors import TrafficError

_END_TIMEOUT_S = 2.0


class Child:
    """A module of ours in a process of its own.

    Args:
        name: for messages: ``the generator``.
        argv: the module to run, and its arguments.
        hint: what to do when it ends by itself.
        environment: what it needs besides ours.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        hint: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._hint = hint
        self._read = b""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed in close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                **(environment or {}),
            },
            bufsize=0,
        )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def send(self, message: object) -> None:
        """Ask something.

        Raises:
            TrafficError: If it is closed or has ended.
        """
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise self._closed()
        try:
            stdin.write(json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            raise self._ended() from None

    def receive(self, timeout_s: float, late: str) -> dict[str, Any]:
        """Return the next answer.

        Args:
            timeout_s: how long it may take [s].
            late: what to say when it took longer.

        Raises:
            TrafficError: If it came too late, is an error, or the process has ended.
        """
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._read:
            self._read += self._more(deadline, late)
        line, _, self._read = self._read.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise TrafficError(answer["error"]["what"], hint=answer["error"]["hint"])
        return answer

    def close(self) -> None:
        """End the process at once; twice does no harm."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_TIMEOUT_S)
        if process.poll() is None:
            process.kill()
        process.wait()
        self._log.close()

    def _more(self, deadline: float, late: str) -> bytes:
        stdout = self._process.stdout
        if stdout is None or stdout.closed:
            raise self._closed()
        left = max(0.0, deadline - time.monotonic())
        if not select.select([stdout], [], [], left)[0]:
            raise TrafficError(
                late, hint="see whether this machine has a free CPU for it"
            )
        data = os.read(stdout.fileno(), 1 << 20)
        if not data:
            raise self._ended()
        return data

    def _closed(self) -> TrafficError:
        return TrafficError(f"{self._name} is closed", hint="start a new one")

    def _ended(self) -> TrafficError:
        status = self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()[-3:]
        last = " / ".join(said) or "(nothing)"
        return TrafficError(
            f"{self._name} ended with status {status}; it said: {last}",
            hint=self._hint,
        )
