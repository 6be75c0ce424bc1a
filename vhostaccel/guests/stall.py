# SPDX-License-Identifier: Apache-2.0
"""A virtual CPU that stands still while its vhost workers go on.

libvirt cannot do it: to suspend a guest, QEMU takes the devices from vhost as well. The
kernel can stop single threads of a process for a debugger (ptrace(2)).
"""

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vhostaccel.errors import GuestError

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000
"""Wait for a thread, whoever made it (waitpid(2), __WALL)."""
_VCPU = "CPU "

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (
    ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
)  # fmt: skip
_libc.ptrace.restype = ctypes.c_long


@contextmanager
def stalled(pid: int) -> Iterator[None]:
    """Stop the virtual CPUs of a guest's process for as long as the block lasts.

    They go on when this process ends, too.

    Raises:
        GuestError: If it has none, or the kernel refuses.
    """
    stopped: list[int] = []
    try:
        for thread in vcpu_threads(pid):
            _ptrace(_SEIZE, thread)
            stopped.append(thread)
            _ptrace(_INTERRUPT, thread)
            _wait_until_stopped(thread)
        if not stopped:
            raise GuestError(
                f"process {pid} has no thread named {_VCPU}N/KVM",
                hint="is it the guest's QEMU, and does it still run?",
            )
        yield
    finally:
        for thread in stopped:
            _ptrace(_DETACH, thread)


def vcpu_threads(pid: int) -> tuple[int, ...]:
    """Return the threads of a QEMU process that run its virtual CPUs."""
    tasks = sorted(Path(f"/proc/{pid}/task").glob("*/comm"))
    return tuple(
        int(comm.parent.name) for comm in tasks if comm.read_text().startswith(_VCPU)
    )


def _wait_until_stopped(thread: int) -> None:
    _, status = os.waitpid(thread, _WALL)
    if not os.WIFSTOPPED(status) or os.WSTOPSIG(status) != signal.SIGTRAP:
        raise GuestError(
            f"thread {thread} did not stop but went to state {status:#x}",
            hint="did the guest's QEMU end?",
        )


def _ptrace(request: int, thread: int) -> None:
    if _libc.ptrace(request, thread, None, None) < 0:
        reason = os.strerror(ctypes.get_errno())
        raise GuestError(
            f"cannot stop or release thread {thread}: {reason}", hint="run as root"
        )
