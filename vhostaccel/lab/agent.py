# SPDX-License-Identifier: Apache-2.0
"""The lab's inner end: answers calls that arrive on the control port.

Runs as root inside the lab, where nothing else does. The host under test is one object,
``vhostaccel.host.LocalHost``; a call names one of its methods. Only ``exec`` is the
agent's own. It keeps to the CPUs that the datapath does not use, so that it answers
while the host is flooded.
"""

import faulthandler
import importlib
import json
import os
import select
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vhostaccel.errors import VhostAccelError
from vhostaccel.patience import limit_s

PORT_NAME = "org.vhostaccel.lab"
_HOST = "vhostaccel.host"
_IDLE_POLL_S = 0.2
_QUICK = ("sample", "tally", "watch", "watched")
_SLOW_S = 30.0


class Agent:
    """Serves calls, one at a time, for whoever is connected outside.

    Args:
        port: the control port, open for reading and writing.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._host: Any = None

    def serve(self) -> None:
        """Answer calls until told to end."""
        buffer = b""
        while True:
            chunk = self._read()
            buffer += chunk
            while b"\n" in buffer:
                line, buffer = buffer.split(b"\n", 1)
                if line.strip():
                    self._answer(json.loads(line))

    def _read(self) -> bytes:
        while True:
            select.select([self._port], [], [])
            chunk = os.read(self._port, 1 << 16)
            if chunk:
                return chunk
            # Nobody is connected outside: the port reads empty at once, and offers
            # nothing to wait for (virtio_console, port_fops_read).
            time.sleep(_IDLE_POLL_S)

    def _answer(self, call: dict[str, Any]) -> None:
        number = call["id"]

        def says(what: Any) -> None:
            self._write({"id": number, "says": what})

        # A call that hangs tells on the console where.
        if call["call"] in _QUICK:
            faulthandler.dump_traceback_later(limit_s(_SLOW_S))
        try:
            self._write({"id": number, "result": self._do(call, says)})
        except VhostAccelError as error:
            self._write_error(number, type(error).__name__, error.what, error.hint)
        except Exception as error:
            traceback.print_exc()
            what = f"{call['call']} failed in the lab: {error!r}"
            hint = "this is our bug; the lab's console has the traceback"
            self._write_error(number, "VhostAccelError", what, hint)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _do(self, call: dict[str, Any], says: Callable[[Any], None]) -> Any:
        name, arguments = call["call"], call["with"]
        if name == "ping":
            return "pong"
        if name == "exec":
            return execute(arguments["argv"], says)
        if self._host is None:
            self._host = importlib.import_module(_HOST).HostServer(says)
        return self._host.serve(name, arguments, says)

    def _write_error(self, number: int, kind: str, what: str, hint: str) -> None:
        error = {"kind": kind, "what": what, "hint": hint}
        self._write({"id": number, "error": error})

    def _write(self, answer: dict[str, Any]) -> None:
        data = memoryview(json.dumps(answer).encode() + b"\n")
        while data:
            data = data[os.write(self._port, data) :]


def execute(argv: list[str], says: Callable[[Any], None]) -> int:
    """Run a program, say what it prints line by line, and return its exit status."""
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        says(f"{argv[0]}: {error.strerror}\n")
        return 127
    with child:
        assert child.stdout is not None
        for line in child.stdout:
            says(line)
    return child.returncode


def control_port() -> Path:
    """Return the device of our port.

    Raises:
        FileNotFoundError: If the machine has no port of that name.
    """
    for entry in Path("/sys/class/virtio-ports").iterdir():
        name = entry / "name"
        if name.exists() and name.read_text().strip() == PORT_NAME:
            return Path("/dev") / entry.name
    raise FileNotFoundError(f"no virtio port is named {PORT_NAME}")


def main() -> None:
    """Entry point, started by ``boot/settle``."""
    cpus = os.cpu_count() or 1
    if cpus > 1:
        os.sched_setaffinity(0, set(range(1, cpus)))
    Agent(os.open(control_port(), os.O_RDWR)).serve()


if __name__ == "__main__":
    main()
