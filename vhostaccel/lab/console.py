# SPDX-License-Identifier: Apache-2.0
"""What the lab's kernel printed, and which of it reports a problem in the kernel."""

import re
from pathlib import Path

# The patterns of the netdev CI's console check (NIPA, has_crash), and the sanitizers'.
_PROBLEM = re.compile(
    r"BUG:|WARNING:|Oops|Kernel panic|general protection fault|Call Trace:"
    r"|kernel BUG at|UBSAN:|KASAN:|KCSAN:|DMA-API:.*(error|warning|not allocated)"
    r"|rcu: INFO: rcu_.* (self-)?detected stall|possible (circular|recursive) locking"
    r"|refcount_t: |unregister_netdevice: waiting|blocked for more than|unreferenced object"
    r"|soft lockup|hard LOCKUP|hung_task"
)
# Said by a healthy boot.
_HARMLESS = re.compile(r"WARNING: (Unsupported|CPU:.*Not tainted$)|mitigation", re.I)


def problems(console: str) -> tuple[str, ...]:
    """Return the lines that report a problem in the kernel, in order, once each."""
    found = (
        line.strip()
        for line in console.splitlines()
        if _PROBLEM.search(line) and not _HARMLESS.search(line)
    )
    return tuple(dict.fromkeys(found))


class ConsoleLog:
    """The lab's console, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def text(self) -> str:
        """Return all of it; empty while the lab has printed nothing."""
        try:
            return self._path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def problems(self) -> tuple[str, ...]:
        """Return the lines that report a problem in the kernel."""
        return problems(self.text())

    def tail(self, lines: int = 5) -> str:
        """Return the last lines, for an error message."""
        last = [line for line in self.text().splitlines() if line.strip()][-lines:]
        return "\n    ".join(last) if last else "(the console is empty)"
