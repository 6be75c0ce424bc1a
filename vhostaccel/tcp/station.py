# SPDX-License-Identifier: Apache-2.0
"""A station's process: a host of its own behind one wire, which sends or receives TCP.

``python -m vhostaccel.tcp.station WIRE_NAME WIRE`` speaks JSON lines, one answer to
each question::

    out  {"ready": [pids]}                                 ours and the pump's
    in   {"call": "counts"}                                out  {"result": LinkCounts}
    in   {"call": "listen", "streams": n}                  out  {"result": port}
    in   {"call": "connect", "streams": n, "port": port}   out  {"result": null}
    in   {"call": "run", "moments": Moments}               out  {"result": Sending or Receiving}
    out  {"error": {"what": ..., "hint": ...}}             instead, when it failed

It ends when standard input does, or with the process that started it.
"""

import argparse
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from vhostaccel.codec import from_plain, to_plain
from vhostaccel.errors import TrafficError
from vhostaccel.guests.plan import Interface, plan_guest
from vhostaccel.lab.processes import die_with_parent
from vhostaccel.tcp import device, streams
from vhostaccel.tcp.model import Role
from vhostaccel.tcp.pump import Pump
from vhostaccel.traffic.trial import Moments
from vhostaccel.traffic.wire import Wire
from vhostaccel.units import Seconds

_CONNECT_WIRE = Seconds(10.0)
_CONNECT_STREAMS_S = 60.0
_INTERFACES = {"A": 0, "B": 1}


class Station:
    """Answers the calls.

    Args:
        ours: the guest's virtual NIC on our wire.
        far: its other one.
        pump: process that carries our frames.
    """

    def __init__(self, ours: Interface, far: Interface, pump: int) -> None:
        self._ours = ours
        self._far = far
        self._pump = pump
        self._role = Role.SENDER
        self._listening: socket.socket | None = None
        self._streams: list[socket.socket] = []
        self._expected = 0

    def answer(self, name: str, arguments: dict[str, Any]) -> Any:
        """Do what a call asks for and return its plain result.

        Raises:
            TrafficError: If it failed.
        """
        self._check_wire()
        if name == "counts":
            return to_plain(device.link_counts())
        if name == "listen":
            return self._listen(int(arguments["streams"]))
        if name == "connect":
            return self._connect(int(arguments["streams"]), int(arguments["port"]))
        if name == "run":
            return to_plain(self._run(from_plain(Moments, arguments["moments"])))
        raise RuntimeError(f"no call {name}")

    def _check_wire(self) -> None:
        if self._pump and os.waitpid(self._pump, os.WNOHANG)[0]:
            self._pump = 0
        if not self._pump:
            raise TrafficError(
                f"the station on {self._ours.station_address} lost its wire",
                hint="see whether the lab's QEMU still runs",
            )

    def _listen(self, count: int) -> int:
        self._role, self._expected = Role.RECEIVER, count
        self._listening = streams.listen(self._ours.station_address, count)
        return int(self._listening.getsockname()[1])

    def _connect(self, count: int, port: int) -> None:
        self._role = Role.SENDER
        self._streams = streams.connect(
            self._far.station_address, port, count, _CONNECT_STREAMS_S
        )

    def _run(self, moments: Moments) -> object:
        if self._role is Role.SENDER:
            return streams.send(self._streams, moments)
        assert self._listening is not None
        with self._listening:
            self._streams = streams.accept(
                self._listening, self._expected, moments.begins_ns
            )
        return streams.receive(self._streams, moments)


def main() -> int:
    """Entry point."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us
    parser = argparse.ArgumentParser(prog="station")
    parser.add_argument("name", choices=list(_INTERFACES))
    parser.add_argument("wire", type=Path)
    options = parser.parse_args()
    interfaces = plan_guest(0).interfaces
    number = _INTERFACES[options.name]
    ours, far = interfaces[number], interfaces[1 - number]
    try:
        wire = Wire.connect(options.name, options.wire, _CONNECT_WIRE)
        device.leave_network()
        die_with_parent()  # after that: the kernel forgets it with a change of user
        _run_on_time()
        pump = _fork_pump(device.open_tap(), wire)
        device.set_up(ours, far)
    except TrafficError as error:
        _say(error={"what": error.what, "hint": error.hint})
        return error.exit_code
    _say(ready=[os.getpid(), pump])
    station = Station(ours, far, pump)
    for line in sys.stdin:
        arguments = json.loads(line)
        try:
            _say(result=station.answer(arguments.pop("call"), arguments))
        except TrafficError as error:
            _say(error={"what": error.what, "hint": error.hint})
    return 0


def _fork_pump(tap: int, wire: Wire) -> int:
    """Return the process that carries the frames; it ends with us.

    A process, not a thread: Python would let it wait for the streams.
    """
    pump = os.fork()
    if not pump:
        _pump(tap, wire)
    os.close(tap)
    wire.close()
    return pump


def _pump(tap: int, wire: Wire) -> NoReturn:
    die_with_parent()
    status = 1
    try:
        Pump(tap, wire).run()
    except TrafficError as error:
        print(f"pump: {error.what}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _run_on_time() -> None:
    # The lab's QEMU can keep every CPU busy, and stations that wait for one would be
    # what is measured. Users without the right to it go without.
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _say(**message: object) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main())
