# SPDX-License-Identifier: Apache-2.0
"""The mode ``xdp``: as ``tap``, with early drop at the NIC while the host is flooded."""

import time
from collections.abc import Mapping

from vhostaccel.command import run
from vhostaccel.errors import (
    GuardError,
    GuestError,
    SetupError,
    SkipError,
    UsageError,
    VhostAccelError,
)
from vhostaccel.guard.build import find_object
from vhostaccel.guard.client import Guard
from vhostaccel.guard.datapath import KernelDatapath
from vhostaccel.guard.subject import find_wish
from vhostaccel.guests.plan import Interface, Link
from vhostaccel.nai.address import Target
from vhostaccel.nai.model import Lease
from vhostaccel.nai.netdevs import Netdevs
from vhostaccel.patience import limit_s

_LINK_TIMEOUT_S = 20.0
_POLL_S = 0.02


class Xdp:
    """NIC with the guard, softirq, bridge, tap ring, vhost worker.

    Args:
        guard: speaks with the guard's keeper.
        netdevs: the host's network devices.
        limit_s: how long a port may be without a link [s].
    """

    name = "xdp"
    needs_own_modules = False
    link = Link.TAP

    def __init__(
        self,
        guard: Guard | None = None,
        netdevs: Netdevs | None = None,
        limit_s: float = _LINK_TIMEOUT_S,
    ) -> None:
        self._guard = guard or Guard()
        self._netdevs = netdevs or Netdevs()
        self._limit_s = limit_s
        self._ports: set[str] = set()

    def prepare(self) -> None:
        """Load the guard into the kernel and out again, to see whether it can be had.

        Raises:
            SkipError: If it cannot.
        """
        run(("modprobe", "vhost_net"), hint="the kernel has no module vhost_net")
        try:
            KernelDatapath(find_object()).close()
        except (SetupError, GuardError) as error:
            raise SkipError(error.what, hint=error.hint) from None

    def attach(self, interface: Interface) -> None:
        """Guard the virtual NIC at the bridge's NIC, and wait for that one's link.

        Raises:
            GuestError: If it cannot be guarded.
        """
        ifindex = self._netdevs.ifindex(interface.tap)
        if ifindex is None:
            raise GuestError(
                f"there is no tap {interface.tap}",
                hint="`virsh domiflist` tells the guest's interfaces",
            )
        target = Target(
            tap=interface.tap, ifindex=ifindex, mac=interface.mac,
            guest=None, interface=None,
        )  # fmt: skip
        try:
            wish = find_wish(self._netdevs, target)
            self._ports.add(wish.port)
            self._guard.attach(wish)
            self._wait_for_link(wish.port)
        except (GuardError, SetupError, UsageError) as error:
            raise GuestError(error.what, hint=error.hint) from None

    def detach(self, interface: Interface) -> tuple[str, ...]:
        """Guard it no longer; one that is not guarded is nothing to complain of."""
        try:
            self._guard.detach(interface.tap)
        except VhostAccelError as error:
            return (f"detach {interface.tap}: {error}",)
        return ()

    def leave(self) -> tuple[str, ...]:
        """Wait for the links of the ports, whose drivers are without a program again."""
        left = []
        while self._ports:
            try:
                self._wait_for_link(self._ports.pop())
            except GuestError as error:
                left.append(error.what)
        return tuple(left)

    def leases(self) -> Mapping[str, Lease]:
        """Return nothing: every frame comes through the taps."""
        return {}

    def _wait_for_link(self, port: str) -> None:
        # Many drivers make their queues anew when a program comes or goes.
        deadline = time.monotonic() + limit_s(self._limit_s)
        while not self._netdevs.has_link(port):
            if time.monotonic() > deadline:
                raise GuestError(
                    f"{port} has no link since the guard was put there or taken away",
                    hint="`ip link`, and see `dmesg`",
                )
            time.sleep(_POLL_S)
