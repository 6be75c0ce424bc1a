# SPDX-License-Identifier: Apache-2.0
"""The lab's keeper: a process that runs QEMU and tidies up however things end.

    owner (CLI) ──stdin pipe──► keeper ──child──► QEMU

The keeper ends QEMU and removes the lab's folder when its owner closes the pipe, which
the kernel does for an owner that was killed; when it is told to with SIGTERM; and, for a
lab without an owner (``lab up``), when QEMU ends by itself. QEMU is killed by the kernel
should the keeper be. When QEMU ends under an owner, the folder stays until the owner has
read the console from it.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from vhostaccel.lab.processes import die_with_parent, identify

_TERMINATE_GRACE_S = 3.0


def keep(folder: Path, argv: list[str], *, owned: bool) -> int:
    """Run QEMU until it ends or nobody wants it, then remove the lab's folder.

    Args:
        folder: the lab's folder; removed at the end.
        argv: QEMU's command line.
        owned: whether standard input is a pipe from an owner.

    Returns:
        0, or 1 if QEMU ended by itself.
    """
    told_read, told_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(told_write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    with (folder / "qemu.log").open("wb") as log:
        qemu = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )
    _write_state(folder, qemu.pid)
    ended = os.pidfd_open(qemu.pid)
    owner = sys.stdin.fileno()
    by_itself = False
    waiting_for = [told_read, ended] + ([owner] if owned else [])
    while True:
        ready, _, _ = select.select(waiting_for, [], [])
        if ended in ready:
            by_itself = True
            if not owned:
                break
            waiting_for.remove(ended)
        if told_read in ready or (owner in ready and not os.read(owner, 1)):
            break
    _end(qemu)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()
    return 1 if by_itself else 0


def _write_state(folder: Path, qemu_pid: int) -> None:
    keeper, qemu = identify(os.getpid()), identify(qemu_pid)
    state = {
        "keeper": None if keeper is None else asdict(keeper),
        "qemu": None if qemu is None else asdict(qemu),
    }
    partial = folder / "state.json.partial"
    partial.write_text(json.dumps(state))
    partial.rename(folder / "state.json")


def _end(qemu: "subprocess.Popen[bytes]") -> None:
    if qemu.poll() is None:
        qemu.terminate()
        try:
            qemu.wait(_TERMINATE_GRACE_S)
        except subprocess.TimeoutExpired:
            qemu.kill()
    qemu.wait()


def main() -> int:
    """Entry point: ``python -m vhostaccel.lab.keeper FOLDER owned|detached ARGV...``."""
    folder, mode, *argv = sys.argv[1:]
    os.setsid()
    return keep(Path(folder), argv, owned=mode == "owned")


if __name__ == "__main__":
    sys.exit(main())
