# SPDX-License-Identifier: Apache-2.0
"""How far a kernel's build has come, from what make prints."""

import re
import time
from collections.abc import Callable
from pathlib import Path

_STEP = re.compile(r"^  [A-Z][A-Z0-9_]* +(\[M\] +)?(?P<made>\S+)")
_EVERY_S = 20.0


class Progress:
    """Tells now and then how many steps are done; call it with each line of make's.

    Args:
        what: is built.
        kept: the file that keeps how many steps the largest build had.
        report: is told.
        clock: seconds, from anywhere.
    """

    def __init__(
        self,
        what: str,
        kept: Path,
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._kept = kept
        self._report = report
        self._clock = clock
        self._started = self._told = clock()
        self.steps = 0
        self._most = int(kept.read_text()) if kept.is_file() else 0

    def __call__(self, line: str) -> None:
        """Take note of a line."""
        step = _STEP.match(line)
        if step is None:
            return
        self.steps += 1
        if self._clock() - self._told >= _EVERY_S:
            self._told = self._clock()
            of = f" of at most {self._most}" if self._most >= self.steps else ""
            self._report(
                f"{self._what}: {self.steps} steps{of}, {self._took()}, "
                f"now {step['made']}"
            )

    def end(self) -> None:
        """Say how much there was to do."""
        self._kept.write_text(f"{max(self.steps, self._most)}\n")
        self._report(f"{self._what}: {self.steps} steps, {self._took()}")

    def _took(self) -> str:
        return f"{self._clock() - self._started:.0f} s"
