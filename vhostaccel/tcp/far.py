# SPDX-License-Identifier: Apache-2.0
"""A station as the measurement sees it: a process to be called."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vhostaccel.codec import from_plain, to_plain
from vhostaccel.errors import TrafficError
from vhostaccel.tcp.model import LinkCounts, Moments, Receiving, Sending

_BOOT_TIMEOUT_S = 40.0
_CALL_TIMEOUT_S = 90.0
_END_TIMEOUT_S = 2.0


class RemoteStation:
    """Starts a station's process and calls it.

    The process ends with the thread that made it (PR_SET_PDEATHSIG), so make it in one
    that stays.
    """

    def __init__(self, name: str, wire: Path) -> None:
        """Start it and wait until it is set up.

        Args:
            name: of the wire, ``A`` or ``B``.
            wire: socket that QEMU listens on.

        Raises:
            TrafficError: If it does not come up.
        """
        self._name = name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed in close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vhostaccel.tcp.station", name, str(wire)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                # A user namespace is only for a process with one thread.
                "OPENBLAS_NUM_THREADS": "1",
            },
            bufsize=0,
        )
        try:
            self.pids: tuple[int, ...] = tuple(self._answer("ready", _BOOT_TIMEOUT_S))
        except BaseException:
            self.close()
            raise

    def counts(self) -> LinkCounts:
        """Return what the station's device has counted."""
        return from_plain(LinkCounts, self._call("counts"))

    def listen(self, streams: int) -> int:
        """Be the receiver of so many streams; return the port to connect them to."""
        return int(self._call("listen", streams=streams))

    def connect(self, streams: int, port: int) -> None:
        """Be the sender of so many streams to the other station.

        Raises:
            TrafficError: If the guest forwards nothing.
        """
        self._call("connect", streams=streams, port=port)

    def start(self, moments: Moments) -> None:
        """Let the streams run; `sent` or `received` wait for the end."""
        self._ask("run", moments=to_plain(moments))

    def sent(self) -> Sending:
        """Return what came of the streams that were sent."""
        return from_plain(Sending, self._answer("result", _CALL_TIMEOUT_S))

    def received(self) -> Receiving:
        """Return what came of the streams that were received."""
        return from_plain(Receiving, self._answer("result", _CALL_TIMEOUT_S))

    def close(self) -> None:
        """End the station at once; twice does no harm."""
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, name: str, **arguments: object) -> Any:
        self._ask(name, **arguments)
        return self._answer("result", _CALL_TIMEOUT_S)

    def _ask(self, name: str, **arguments: object) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(
                json.dumps({"call": name, **arguments}).encode() + b"\n"
            )
        except BrokenPipeError:
            raise self._ended() from None

    def _answer(self, key: str, timeout_s: float) -> Any:
        answer = json.loads(self._line(time.monotonic() + timeout_s))
        if "error" in answer:
            raise TrafficError(answer["error"]["what"], hint=answer["error"]["hint"])
        return answer[key]

    def _line(self, deadline: float) -> bytes:
        """Read one line: there is one answer to each question, and no more."""
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise TrafficError(
                    f"station {self._name} was waited for in vain",
                    hint="see whether this machine has a free CPU for it",
                )
            data = os.read(self._process.stdout.fileno(), 1 << 20)
            if not data:
                raise self._ended()
            line += data
        return line

    def _ended(self) -> TrafficError:
        status = self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()[-3:]
        return TrafficError(
            f"station {self._name} ended with status {status}; it said: "
            f"{' / '.join(said) or '(nothing)'}",
            hint="start the measurement again; if it ends again, report its last lines",
        )
