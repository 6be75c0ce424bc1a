# SPDX-License-Identifier: Apache-2.0
"""The keeper's process, and how it is spoken to.

``python -m vhostaccel.guard.service`` is started by the first attach and ends with the
last guest. It says on standard output whether it works, and answers root on an abstract
Unix socket, of which each network name space has its own::

    {"do": "attach", "wish": {...}}     {"ok": {...}}
    {"do": "detach", "tap": "vnet0"}    {"ok": true}
    {"do": "standing"}                  {"error": "...", "hint": "...", "code": 0}
    {"do": "events"}                    a line for each event, without end
"""

import contextlib
import errno
import json
import os
import queue
import signal
import socket
import socketserver
import struct
import sys
import syslog
import threading
import time
from collections.abc import Callable
from typing import Any

from vhostaccel.codec import CodecError, from_plain, to_plain
from vhostaccel.errors import VhostAccelError
from vhostaccel.guard.build import find_object
from vhostaccel.guard.datapath import KernelDatapath
from vhostaccel.guard.keeper import PERIOD_S, Keeper
from vhostaccel.guard.model import Event, Wish
from vhostaccel.guard.saturation import CpuClock
from vhostaccel.nai.netdevs import Netdevs

ADDRESS = "\0vhostaccel-guard"
PATIENCE_S = 10.0
"""A keeper waits so long for its first guest."""
_CREDENTIALS = struct.Struct("=3i")
_PRIORITY = 1
_BACKLOG = 1000
"""Events that wait for a slow listener."""


def peer_uid(connection: socket.socket) -> int:
    """Return the user at the other end; an abstract socket has no permissions."""
    raw = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
    )
    _, uid, _ = _CREDENTIALS.unpack(raw)
    return int(uid)


class Service(socketserver.ThreadingUnixStreamServer):
    """Answers requests, each connection in a thread of its own.

    Args:
        make: makes the keeper, given who gets its events.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, make: Callable[[Callable[[Event], None]], Keeper]) -> None:
        super().__init__(ADDRESS, _Conversation)
        self.lock = threading.Lock()
        self.keeper = make(self.publish)
        self._listeners: set[queue.Queue[Event]] = set()
        self._ends = threading.Event()
        self.is_over = False

    def keep(self) -> None:
        """Look and answer until nothing is left to guard."""
        _raise_priority()
        threading.Thread(target=self.serve_forever, daemon=True).start()
        patience_ends = time.monotonic() + PATIENCE_S
        while not self._ends.wait(PERIOD_S):
            with self.lock:
                self.keeper.look()
                late = time.monotonic() > patience_ends
                if not self.keeper.is_empty:
                    patience_ends = 0.0
                elif late:
                    self.is_over = True
                    break
        with self.lock:
            self.is_over = True
            self.keeper.detach_all()
        self.shutdown()
        self.server_close()

    def end(self) -> None:
        """Let `keep` return; called by a signal."""
        self._ends.set()

    def publish(self, event: Event) -> None:
        """Tell everybody who listens."""
        for listener in tuple(self._listeners):
            # Who reads too slowly misses events; counters miss nothing.
            with contextlib.suppress(queue.Full):
                listener.put_nowait(event)
        what = {k: v for k, v in to_plain(event).items() if v is not None}
        syslog.syslog(" ".join(f"{key}={value}" for key, value in what.items()))

    def listen(self) -> "queue.Queue[Event]":
        """Return where events arrive from now on."""
        made: queue.Queue[Event] = queue.Queue(_BACKLOG)
        self._listeners.add(made)
        return made

    def leave(self, listener: "queue.Queue[Event]") -> None:
        """Do not listen any more."""
        self._listeners.discard(listener)


class _Conversation(socketserver.StreamRequestHandler):
    server: Service

    def handle(self) -> None:
        if peer_uid(self.connection) != 0:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for line in self.rfile:
                self._answer(line)
                if self.server.is_over:
                    break

    def _answer(self, line: bytes) -> None:
        try:
            request = json.loads(line)
            if request["do"] == "events":
                self._tell_events()
                return
            with self.server.lock:
                if self.server.is_over:
                    return  # without an answer: there may be another keeper soon
                answer: dict[str, Any] = {"ok": self._do(request)}
        except VhostAccelError as error:
            code = getattr(error, "code", 0)
            answer = {"error": error.what, "hint": error.hint, "code": code}
        except (ValueError, KeyError, CodecError) as error:
            what = f"the guard's keeper does not understand this request: {error}"
            hint = "it is of another version; detach its guests to end it"
            answer = {"error": what, "hint": hint, "code": errno.EINVAL}
        self._write(answer)

    def _do(self, request: dict[str, Any]) -> Any:
        keeper, what = self.server.keeper, request["do"]
        if what == "attach":
            return to_plain(keeper.attach(from_plain(Wish, request["wish"])))
        if what == "detach":
            return keeper.detach(request["tap"])
        if what == "standing":
            return to_plain(keeper.standing())
        raise ValueError(what)

    def _tell_events(self) -> None:
        listener = self.server.listen()
        try:
            self._write({"ok": True})
            while True:
                self._write(to_plain(listener.get()))
        finally:
            self.server.leave(listener)

    def _write(self, plain: Any) -> None:
        self.wfile.write(json.dumps(plain).encode() + b"\n")


def _raise_priority() -> None:
    # A flood that leaves us no CPU would keep the guard from being engaged. The threads
    # that answer get it too, for the look waits for them.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))


def _start() -> tuple[Service, KernelDatapath] | None:
    datapath = KernelDatapath(find_object())
    try:
        service = Service(
            lambda tell: Keeper(
                datapath, netdevs=Netdevs(), clock=CpuClock(), tell=tell
            )
        )
    except OSError as error:
        datapath.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None  # another one was faster
    return service, datapath


def main() -> int:
    """Entry point: say on standard output whether it works, then keep."""
    syslog.openlog("vhostaccel-guard")
    try:
        started = _start()
    except VhostAccelError as error:
        print(json.dumps({"error": error.what, "hint": error.hint}), flush=True)
        return error.exit_code
    if started is not None:
        service, datapath = started
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: service.end())
    print(json.dumps({"ok": True}), flush=True)
    with open(os.devnull, "w") as nothing:  # noqa: PTH123  # a file to put in the place
        os.dup2(nothing.fileno(), sys.stdout.fileno())
    if started is not None:
        service.keep()
        datapath.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
