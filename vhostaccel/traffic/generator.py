# SPDX-License-Identifier: Apache-2.0
"""The traffic generator as the other stages see it: start a trial, get its result.

The generator is a process of its own (``engine``); this module starts it, talks to it
and ends it.
"""

from pathlib import Path
from typing import Any, Protocol

from vhostaccel.closing import Closing
from vhostaccel.codec import from_plain, to_plain
from vhostaccel.errors import TrafficError
from vhostaccel.traffic.child import Child
from vhostaccel.traffic.trial import Moments, TrialResult, TrialSpec
from vhostaccel.units import Seconds

_BOOT_TIMEOUT = Seconds(30.0)
_CONNECT_TIMEOUT = Seconds(10.0)
_START_TIMEOUT = Seconds(20.0)
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


class Generator(Closing):
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
        argv = ["vhostaccel.traffic.engine", str(wire_a), str(wire_b)]
        argv += [f"--connect-timeout={connect_timeout}"]
        argv += [] if cpu is None else [f"--cpu={cpu}"]
        self._child = Child("the generator", argv, hint=_HINT)
        try:
            self._receive("ready", Seconds(_BOOT_TIMEOUT + connect_timeout))
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Process that floods, to watch its CPU time."""
        return self._child.pid

    def start(self, spec: TrialSpec) -> RunningTrial:
        """Begin a trial; the one before must have ended.

        Returns once the time of the first frame is fixed, a few ms ahead.

        Raises:
            TrafficError: If the load cannot be sent, or the generator failed.
        """
        self._child.send({"trial": to_plain(spec)})
        moments = self._receive("moments", _START_TIMEOUT)
        return _EngineTrial(self, from_plain(Moments, moments))

    def close(self) -> None:
        """End the generator at once, also within a trial; twice does no harm."""
        self._child.close()

    def _receive(self, key: str, timeout: Seconds) -> Any:
        late = (
            f"the generator (pid {self.pid}) was waited for in vain: "
            f"its {key}, {timeout:g} s long"
        )
        answer = self._child.receive(timeout, late)
        if key not in answer:
            raise TrafficError(
                f"the generator answered {next(iter(answer))!r} where {key!r} belongs",
                hint="end a trial with result() before the next begins",
            )
        return answer[key]


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
