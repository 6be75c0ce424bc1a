# SPDX-License-Identifier: Apache-2.0
"""The traffic generator as the other stages see it: start a trial, get its result.

The generator is a process of its own (``engine``); this module starts it, talks to it
and ends it.
"""

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
from typing import Any, Protocol, Self

from vhostaccel.codec import from_plain, to_plain
from vhostaccel.errors import TrafficError
from vhostaccel.traffic.flood import Moments
from vhostaccel.traffic.trial import TrialResult, TrialSpec
from vhostaccel.units import Seconds

_BOOT_TIMEOUT = Seconds(30.0)
_CONNECT_TIMEOUT = Seconds(10.0)
_START_TIMEOUT = Seconds(20.0)
_END_TIMEOUT_S = 2.0
_HINT = "start the generator again; if it ends again, report its last lines"


class RunningTrial(Protocol):
    """A trial on its way."""

    def begins_at(self) -> int:
        """Return when the first frame is due, CLOCK_MONOTONIC [ns]."""
        ...

    def window_opens_at(self) -> int:
        """Return when rates begin to be measured, CLOCK_MONOTONIC [ns]."""
        ...

    def window_closes_at(self) -> int:
        """Return when the window and the flood end, CLOCK_MONOTONIC [ns]."""
        ...

    def result(self, timeout: Seconds) -> TrialResult:
        """Wait for the end of the trial, drain included.

        Raises:
            TrafficError: If a wire or the generator failed, or it took too long.
        """
        ...


class TrafficGenerator(Protocol):
    """Sends trials, one after the other."""

    def start(self, spec: TrialSpec) -> RunningTrial:
        """Begin a trial; the one before must have ended.

        Raises:
            TrafficError: If the load cannot be sent, or the generator failed.
        """
        ...

    def close(self) -> None:
        """End at once, also within a trial."""
        ...


class Generator:
    """The real generator, on the two wires of a lab.

    It ends with the thread that made it (PR_SET_PDEATHSIG), so make it in one that
    stays.
    """

    def __init__(
        self,
        wire_a: Path,
        wire_b: Path,
        *,
        cpu: int | None = None,
        connect_timeout: Seconds = _CONNECT_TIMEOUT,
    ) -> None:
        """Start the generator and connect it to both wires.

        Args:
            wire_a: socket that QEMU listens on for wire A.
            wire_b: the same for wire B.
            cpu: the only CPU it may use, or None for any.
            connect_timeout: how long to wait for somebody to listen on the wires.

        Raises:
            TrafficError: If it does not start, or nobody listens on a wire.
        """
        argv = [sys.executable, "-m", "vhostaccel.traffic.engine"]
        argv += [str(wire_a), str(wire_b), f"--connect-timeout={connect_timeout}"]
        argv += [] if cpu is None else [f"--cpu={cpu}"]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed in close()
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            bufsize=0,
        )
        self._answers = b""
        try:
            self._receive("ready", Seconds(_BOOT_TIMEOUT + connect_timeout))
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Process that floods, to watch its CPU time."""
        return self._process.pid

    def start(self, spec: TrialSpec) -> RunningTrial:
        """Begin a trial; the one before must have ended.

        Returns once the time of the first frame is fixed, a few ms ahead.

        Raises:
            TrafficError: If the load cannot be sent, or the generator failed.
        """
        self._send({"trial": to_plain(spec)})
        moments = self._receive("moments", _START_TIMEOUT)
        return _EngineTrial(self, from_plain(Moments, moments))

    def close(self) -> None:
        """End the generator at once, also within a trial; twice does no harm."""
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

    def _send(self, message: object) -> None:
        if self._process.stdin is None or self._process.stdin.closed:
            raise TrafficError("the generator is closed", hint="start a new one")
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            raise self._ended() from None

    def _receive(self, key: str, timeout: Seconds) -> Any:
        deadline = time.monotonic() + timeout
        while True:
            line, newline, rest = self._answers.partition(b"\n")
            if newline:
                self._answers = rest
                return _value(json.loads(line), key)
            self._read_more(deadline, f"its {key}, {timeout:g} s long")

    def _read_more(self, deadline: float, waited_for: str) -> None:
        stdout = self._process.stdout
        if stdout is None or stdout.closed:
            raise TrafficError("the generator is closed", hint="start a new one")
        left = max(0.0, deadline - time.monotonic())
        if not select.select([stdout], [], [], left)[0]:
            raise TrafficError(
                f"the generator (pid {self.pid}) was waited for in vain: {waited_for}",
                hint="see whether this machine has a free CPU for it",
            )
        data = os.read(stdout.fileno(), 1 << 20)
        if not data:
            raise self._ended()
        self._answers += data

    def _ended(self) -> TrafficError:
        status = self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()[-3:]
        last = " / ".join(said) or "(nothing)"
        return TrafficError(
            f"the generator ended with status {status}; it said: {last}", hint=_HINT
        )


class _EngineTrial:
    """A trial that the engine runs."""

    def __init__(self, generator: Generator, moments: Moments) -> None:
        self._generator = generator
        self._moments = moments

    def begins_at(self) -> int:
        return self._moments.begins_ns

    def window_opens_at(self) -> int:
        return self._moments.opens_ns

    def window_closes_at(self) -> int:
        return self._moments.closes_ns

    def result(self, timeout: Seconds) -> TrialResult:
        plain = self._generator._receive("result", timeout)
        return from_plain(TrialResult, plain)


def _value(answer: dict[str, Any], key: str) -> Any:
    if "error" in answer:
        raise TrafficError(answer["error"]["what"], hint=answer["error"]["hint"])
    if key not in answer:
        raise TrafficError(
            f"the generator answered {next(iter(answer))!r} where {key!r} belongs",
            hint="end a trial with result() before the next begins",
        )
    return answer[key]
