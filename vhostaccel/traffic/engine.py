# SPDX-License-Identifier: Apache-2.0
"""The generator's process: floods when told to, so that nothing else delays a frame.

``python -m vhostaccel.traffic.engine WIRE_A WIRE_B`` speaks JSON lines::

    in   {"trial": TrialSpec}
    out  {"ready": true}        connected to both wires
         {"moments": Moments}   the flood begins in a moment
         {"result": TrialResult}
         {"error": {"what": ..., "hint": ...}}

Between trials it reads the wires and throws the frames away, or QEMU would stall. It
ends when standard input does, or with the process that started it.
"""

import argparse
import ctypes
import gc
import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vhostaccel.codec import from_plain, to_plain
from vhostaccel.errors import TrafficError
from vhostaccel.lab.processes import die_with_parent
from vhostaccel.traffic.flood import Port, Trial
from vhostaccel.traffic.trial import TrialSpec
from vhostaccel.traffic.wire import Wire
from vhostaccel.units import Seconds

_PR_SET_TIMERSLACK = 29


def serve(ports: tuple[Port, Port]) -> None:
    """Run the trials asked for on standard input, until it ends."""
    number = 0
    asked = _Requests(sys.stdin.fileno())
    watched = [sys.stdin.fileno(), *(port.wire.fileno() for port in ports)]
    while asked.is_open:
        ready, _, _ = select.select(watched, [], [])
        try:
            for port in ports:
                port.capture.discard()
        except TrafficError:
            watched = [sys.stdin.fileno()]  # the next trial will say what happened
        if sys.stdin.fileno() not in ready:
            continue
        for line in asked.read():
            number += 1
            _answer(ports, line, number)


class _Requests:
    """Lines of standard input, without blocking."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._partial = b""
        self.is_open = True

    def read(self) -> list[bytes]:
        data = os.read(self._descriptor, 1 << 20)
        self.is_open = bool(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        return lines


def _answer(ports: tuple[Port, Port], line: bytes, number: int) -> None:
    try:
        spec = from_plain(TrialSpec, json.loads(line)["trial"])
        trial = Trial(ports, spec, number)
        with _on_time():
            _say(moments=to_plain(trial.schedule()))
            trial.run()
        _say(result=to_plain(trial.result()))
    except TrafficError as error:
        _say(error={"what": error.what, "hint": error.hint})


def _say(**message: object) -> None:
    print(json.dumps(message), flush=True)


@contextmanager
def _on_time() -> Iterator[None]:
    """Let nothing delay the flood that can be kept from it."""
    # The default slack of 50 us would make every tick late by that much (prctl(2)).
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    gc.disable()
    # The lab's QEMU can keep every CPU busy; without precedence the generator then
    # offers less than half of the load. Users without the right to it go without:
    # what was offered is measured in any case.
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        gc.enable()


def main() -> int:
    """Entry point."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us
    parser = argparse.ArgumentParser(prog="engine")
    parser.add_argument("wires", nargs=2, type=Path)
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--connect-timeout", type=float, default=10.0)
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    try:
        a, b = (
            Port(Wire.connect(name, path, Seconds(options.connect_timeout)))
            for name, path in zip("AB", options.wires, strict=True)
        )
    except TrafficError as error:
        _say(error={"what": error.what, "hint": error.hint})
        return error.exit_code
    _say(ready=True)
    serve((a, b))
    return 0


if __name__ == "__main__":
    sys.exit(main())
