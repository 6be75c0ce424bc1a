# SPDX-License-Identifier: Apache-2.0
"""A mode: how a guest's virtual NIC gets its frames.

A new mode is one module beside this one and one line in ``modes.table``.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from vhostaccel.command import run
from vhostaccel.errors import GuestError, SkipError
from vhostaccel.guests.plan import Interface, Link
from vhostaccel.nai.model import Lease
from vhostaccel.nai.netdevs import Netdevs
from vhostaccel.scenario.model import GuestKind


class Mode(Protocol):
    """What the pipeline asks of a mode; it runs as root on the host under test."""

    name: str
    needs_own_modules: bool
    """Whether the distribution's drivers do not do."""
    link: Link
    """How the guests have to be joined to the host; for another they are started anew."""

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

    def leave(self) -> tuple[str, ...]:
        """With nothing attached any more, undo the rest; say what could not be undone."""

    def leases(self) -> Mapping[str, Lease]:
        """Return the hardware frame queues on lease, by tap."""


class Tap:
    """Stock vhost-net: NIC, softirq, bridge, tap ring, vhost worker.

    Args:
        netdevs: the host's network devices.
    """

    name = "tap"
    needs_own_modules = False
    link = Link.TAP

    def __init__(self, netdevs: Netdevs | None = None) -> None:
        self._netdevs = netdevs or Netdevs()

    def prepare(self) -> None:
        """Load what a distribution loads, unless a module of that name is loaded."""
        run(("modprobe", "vhost_net"), hint="the kernel has no module vhost_net")

    def attach(self, interface: Interface) -> None:
        """Check that the tap is there and has a reader; it needs nothing more."""
        if not self._netdevs.has_link(interface.tap):
            raise GuestError(
                f"tap {interface.tap} has no reader",
                hint="`virsh domiflist` tells the guest's interfaces",
            )

    def detach(self, interface: Interface) -> tuple[str, ...]:
        """Leave the tap alone; there is nothing to take back."""
        del interface
        return ()

    def leave(self) -> tuple[str, ...]:
        """Leave the host alone."""
        return ()

    def leases(self) -> Mapping[str, Lease]:
        """Return nothing: every frame comes through the taps."""
        return {}


def prepare_modes(modes: Iterable[Mode], kind: GuestKind) -> dict[str, str]:
    """Prepare each mode; return those that this host cannot have, and why.

    Args:
        modes: those wanted.
        kind: of the guests; only libvirt can join one to the host otherwise.

    Raises:
        SkipError: If it can have none of them.
    """
    lacks, refused, could = {}, None, False
    for mode in modes:
        try:
            if mode.link is not Link.TAP and kind is not GuestKind.VM:
                raise SkipError(
                    f"{mode.name} needs a guest that libvirt starts",
                    hint='write kind = "vm" in [guest]',
                )
            mode.prepare()
            could = True
        except SkipError as error:
            lacks[mode.name], refused = error.what, refused or error
    if refused is not None and not could:
        raise refused
    return lacks
