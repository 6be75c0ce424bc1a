# SPDX-License-Identifier: Apache-2.0
"""Whether the kernel lets go of a module; asked only when it should refuse."""

import ctypes
import os
from pathlib import Path

_MODULES = Path("/sys/module")
_DELETE_MODULE = 176  # x86-64, asm/unistd_64.h


def try_unload(module: str) -> str | None:
    """Try to unload a module that is in use.

    Returns:
        What is wrong with it, or None when the kernel refused. A module that nobody
        uses is not touched: the host would lose its NICs.
    """
    count = _MODULES / module / "refcnt"
    if not count.exists():
        return f"module {module} is not loaded"
    if int(count.read_text()) == 0:
        return f"module {module} is not in use: anybody could unload it"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_DELETE_MODULE, module.encode(), os.O_NONBLOCK) == 0:
        return f"module {module} was in use, and was unloaded"
    return None
