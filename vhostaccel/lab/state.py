# SPDX-License-Identifier: Apache-2.0
"""What was changed on a host, and how each change is undone, last one first."""

from collections.abc import Callable
from pathlib import Path

from vhostaccel.errors import LabError


class HostState:
    """Changes to a host, undone in reverse order by `undo`.

    An undo is registered before its change is made, so an interrupt between the two
    undoes too much rather than too little; every undo therefore tolerates a change that
    did not happen.
    """

    def __init__(self) -> None:
        self._undo: list[tuple[str, Callable[[], object]]] = []

    def defer(self, what: str, undo: Callable[[], object]) -> None:
        """Register how a change is undone.

        Args:
            what: the undo in words, for the message should it fail: ``remove br-a``.
            undo: does it.
        """
        self._undo.append((what, undo))

    def write(self, path: Path, value: str) -> None:
        """Write a kernel setting, and restore its present value at `undo`.

        Raises:
            LabError: If the kernel refuses the value.
        """
        before = path.read_text().strip()
        self.defer(f"restore {path}", lambda: _restore(path, before))
        try:
            path.write_text(value)
        except OSError as error:
            raise LabError(
                f"cannot write {value!r} to {path}: {error.strerror}",
                hint="this kernel or device does not take that setting",
            ) from None

    def undo(self) -> tuple[str, ...]:
        """Undo every change, last one first; return what could not be undone."""
        failed = []
        while self._undo:
            what, undo = self._undo.pop()
            try:
                undo()
            except Exception as error:
                failed.append(f"{what}: {error}")
        return tuple(failed)


# An interrupt or a queue that is gone took its setting with it.
def _restore(path: Path, before: str) -> None:
    if path.exists():
        path.write_text(before)
