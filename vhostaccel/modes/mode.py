# SPDX-License-Identifier: Apache-2.0
"""A mode: how a guest's virtual NIC gets its frames.

A new mode is one module beside this one and one line in ``MODES``.
"""

from pathlib import Path
from typing import Protocol

from vhostaccel.command import run
from vhostaccel.errors import GuestError
from vhostaccel.guests.plan import Interface

_NET = Path("/sys/class/net")


class Mode(Protocol):
    """What the pipeline asks of a mode; it runs as root on the host under test."""

    name: str

    def prepare(self) -> None:
        """Make the host ready, before any guest runs.

        Raises:
            SkipError: If this host cannot have the mode.
        """

    def attach(self, interface: Interface) -> None:
        """Give a running guest's virtual NIC its frames this way.

        Raises:
            GuestError: If it cannot; nothing is changed then.
        """

    def detach(self, interface: Interface) -> tuple[str, ...]:
        """Return the virtual NIC to ``tap``; say what could not be taken back."""


class Tap:
    """Stock vhost-net: NIC, softirq, bridge, tap ring, vhost worker."""

    name = "tap"

    def prepare(self) -> None:
        """Load what a distribution loads."""
        run(("modprobe", "vhost_net"), hint="the kernel has no module vhost_net")

    def attach(self, interface: Interface) -> None:
        """Check that the tap is there and has a reader; it needs nothing more."""
        carrier = _NET / interface.tap / "carrier"
        if not carrier.exists() or carrier.read_text().strip() != "1":
            raise GuestError(
                f"tap {interface.tap} has no reader",
                hint="`virsh domiflist` tells the guest's interfaces",
            )

    def detach(self, interface: Interface) -> tuple[str, ...]:
        """Leave the tap alone; there is nothing to take back."""
        del interface
        return ()


MODES: dict[str, Mode] = {mode.name: mode for mode in (Tap(),)}
PLANNED = ("xdp", "poll", "copy", "seed")
"""Modes of the design that this version does not have; a scenario of theirs is skipped."""
