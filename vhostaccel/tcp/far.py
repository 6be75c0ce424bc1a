# SPDX-License-Identifier: Apache-2.0
"""A station as the measurement sees it: a process to be called."""

from pathlib import Path
from typing import Any

from vhostaccel.closing import Closing
from vhostaccel.codec import from_plain, to_plain
from vhostaccel.tcp.model import LinkCounts, Receiving, Sending
from vhostaccel.traffic.child import Child
from vhostaccel.traffic.trial import Moments

_BOOT_TIMEOUT_S = 40.0
_CALL_TIMEOUT_S = 90.0


class RemoteStation(Closing):
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
        self._child = Child(
            f"station {name}",
            ["vhostaccel.tcp.station", name, str(wire)],
            hint="start the measurement again; if it ends again, report its last lines",
            # A user namespace is only for a process with one thread.
            environment={"OPENBLAS_NUM_THREADS": "1"},
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
        self._child.close()

    def _call(self, name: str, **arguments: object) -> Any:
        self._ask(name, **arguments)
        return self._answer("result", _CALL_TIMEOUT_S)

    def _ask(self, name: str, **arguments: object) -> None:
        self._child.send({"call": name, **arguments})

    def _answer(self, key: str, timeout_s: float) -> Any:
        late = f"station {self._name} was waited for in vain"
        return self._child.receive(timeout_s, late)[key]
