# SPDX-License-Identifier: Apache-2.0
"""Changes to a host, one after the other; on a failure or Ctrl-C all are undone."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vhostaccel.errors import ProvideError
from vhostaccel.lab.state import HostState


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change."""

    what: str
    """In words, or as a command."""
    do: Callable[[], object]
    undo: Callable[[], object] | None = None
    """Takes it back, also when it was done in part or not at all."""


def carry_out(steps: list[Step], report: Callable[[str], None]) -> None:
    """Do every step; when one fails or is interrupted, undo those begun, last first.

    Raises:
        ProvideError: If something could not be undone either.
        BaseException: What ended the step.
    """
    state = HostState()
    try:
        for step in steps:
            if step.undo is not None:
                state.defer(f"undo `{step.what}`", step.undo)
            report(step.what)
            step.do()
    except BaseException as error:
        report("undoing what was changed")
        with _undisturbed():
            left = state.undo()
        if left:
            raise ProvideError(
                f"{str(error) or 'interrupted'}; what could not be undone: {'; '.join(left)}",
                hint="`vhostaccel kmod remove` takes away what is left",
            ) from error
        raise


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C, here and in the programs that are run meanwhile."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
