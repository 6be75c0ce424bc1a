# SPDX-License-Identifier: Apache-2.0
"""Stock vhost-net with what an operator can turn: the baselines beside plain ``tap``.

Nothing of this project takes part in them. What a mode sets is read back before it counts
as set, and again after it was undone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from vhostaccel.errors import GuestError, SkipError, UsageError
from vhostaccel.guard.subject import find_port
from vhostaccel.guests.plan import Interface
from vhostaccel.modes.mode import Tap
from vhostaccel.nai.netdevs import Netdevs

_NET = Path("/sys/class/net")
_ANY = "lo"
"""A device that every kernel has; it has the files that NICs have."""


class TunedPorts(Tap):
    """As ``tap``, on NIC ports that are set otherwise.

    Args:
        netdevs: the host's network devices.
        folder: where sysfs shows them.
    """

    settings: ClassVar[Mapping[str, str]]
    """File of the port in sysfs, and what is written there."""

    def __init__(self, netdevs: Netdevs | None = None, folder: Path = _NET) -> None:
        super().__init__(netdevs)
        self._folder = folder
        self._before: dict[Path, str] = {}

    def prepare(self) -> None:
        """As `Tap.prepare`.

        Raises:
            SkipError: If this kernel has no such setting.
        """
        super().prepare()
        for file in self.settings:
            if not (self._folder / _ANY / file).exists():
                raise SkipError(
                    f"this kernel has no {self._folder / _ANY / file}",
                    hint="it came with Linux 5.12; `uname -r`",
                )

    def attach(self, interface: Interface) -> None:
        """Set the port that the tap's frames come from, unless it is set already.

        Raises:
            GuestError: If there is no such port, or it takes no such value.
        """
        super().attach(interface)
        try:
            port = find_port(self._netdevs, interface.tap)
        except UsageError as error:
            raise GuestError(error.what, hint=error.hint) from None
        for file, value in self.settings.items():
            self._set(self._folder / port / file, value)

    def leave(self) -> tuple[str, ...]:
        """Set the ports as they were, and see whether they are."""
        left = []
        while self._before:
            path, before = self._before.popitem()
            # A port that is gone took its setting with it.
            if path.exists() and (now := _put(path, before)) != before:
                left.append(f"{path} is {now} and was {before}")
        return tuple(left)

    def _set(self, path: Path, value: str) -> None:
        if path in self._before:
            return
        # Noted first: an interrupt in between undoes too much rather than too little.
        self._before[path] = path.read_text().strip()
        now = _put(path, value)
        if now != value:
            raise GuestError(
                f"{path} is {now} after {value} was written there",
                hint="this kernel or driver does not take that setting",
            )


class TapThreaded(TunedPorts):
    """NIC, a kernel thread for each of its queues, bridge, tap ring, vhost worker."""

    name = "tap-threaded"
    settings: ClassVar = {"threaded": "1"}


class TapDefer(TunedPorts):
    """As ``tap``, with the NIC's interrupts held back while a timer polls its queues.

    The values are those of the kernel's own example (commit 7fd3253a7de6, "net: Introduce
    preferred busy-polling"): a poll each 200 us, and after two in vain interrupts again.
    """

    name = "tap-defer"
    settings: ClassVar = {"napi_defer_hard_irqs": "2", "gro_flush_timeout": "200000"}


def _put(path: Path, value: str) -> str:
    """Write a setting; return what the kernel has there now."""
    try:
        path.write_text(value)
    except OSError as error:
        return f"{path.read_text().strip()} ({error.strerror})"
    return path.read_text().strip()
