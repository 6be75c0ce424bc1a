# SPDX-License-Identifier: Apache-2.0
"""What the lab's kernel printed, and which of it reports a problem in the kernel."""

from pathlib import Path

from vhostaccel.lab.splats import Splat, find_splats


def problems(console: str) -> tuple[str, ...]:
    """Return the headline of each report that is a failure, in order, once each."""
    return tuple(splat.headline for splat in find_splats(console) if splat.counts)


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

    def splats(self) -> tuple[Splat, ...]:
        """Return every report of the kernel, failures or not."""
        return find_splats(self.text())

    def problems(self) -> tuple[str, ...]:
        """Return the headlines of those that are failures."""
        return problems(self.text())

    def notes(self) -> tuple[str, ...]:
        """Return the headlines of those that are not."""
        return tuple(splat.headline for splat in self.splats() if not splat.counts)

    def tail(self, lines: int = 5) -> str:
        """Return the last lines, for an error message."""
        last = [line for line in self.text().splitlines() if line.strip()][-lines:]
        return "\n    ".join(last) if last else "(the console is empty)"
