# SPDX-License-Identifier: Apache-2.0
"""The modes ``copy``, ``copy-tx`` and ``seed``: the vhost worker has a queue of the NIC.

``copy`` takes the guest's frames from it; ``copy-tx`` also sends by it; in ``seed`` the
NIC writes them to the guest's own buffers.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from vhostaccel.errors import (
    GuestError,
    NaiError,
    SetupError,
    SkipError,
    UsageError,
    VhostAccelError,
)
from vhostaccel.guests.plan import Interface, Link
from vhostaccel.lab.network import Network
from vhostaccel.lab.state import HostState
from vhostaccel.nai.address import Target
from vhostaccel.nai.client import KernelNai, Nai
from vhostaccel.nai.family import FqState, Mode
from vhostaccel.nai.lease import find_port, take
from vhostaccel.nai.model import Lease, shown_mode
from vhostaccel.nai.netdevs import Netdevs
from vhostaccel.patience import limit_s

_RUNNING_TIMEOUT_S = 20.0
_POLL_S = 0.02


def restart(port: str) -> None:
    """Set a port down and up, and return once it has a link again.

    Raises:
        LabError: If rtnetlink refuses, or no link comes.
    """
    state = HostState()
    network = Network(state)
    try:
        network.set_port(port, up=False)
        network.set_port(port, up=True)
        network.wait_for_carrier(port)
    finally:
        state.undo()


class Copy:
    """NIC queue, vhost worker, virtqueue; what is too much the NIC drops.

    Args:
        connect: opens the conversation with the kernel.
        netdevs: the host's network devices.
        restart: sets a port down and up.
        limit_s: how long a lease may take until it runs [s].
        kind: how frames come from the queue to the virtqueue.
        tx: the guest's own frames for the wire go out by the queue too.
    """

    needs_own_modules = True
    link = Link.TAP

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Nai]] = KernelNai,
        netdevs: Netdevs | None = None,
        restart: Callable[[str], None] = restart,
        limit_s: float = _RUNNING_TIMEOUT_S,
        *,
        kind: Mode = Mode.COPY,
        tx: bool = False,
    ) -> None:
        self.name = shown_mode(kind, tx=tx)
        self._kind = kind
        self._tx = tx
        self._connect = connect
        self._netdevs = netdevs or Netdevs()
        self._restart = restart
        self._limit_s = limit_s
        self._ports: set[str] = set()

    def prepare(self) -> None:
        """Check that the kernel has frame queues to lease.

        Raises:
            SkipError: If the module nai is not loaded.
        """
        try:
            with self._connect():
                pass
        except SetupError as error:
            raise SkipError(error.what, hint=error.hint) from None

    def attach(self, interface: Interface) -> None:
        """Lease a queue of the bridge's NIC, and wait until it runs.

        Raises:
            GuestError: If the kernel refuses, in its words.
        """
        target = self._target(interface)
        with self._connect() as nai:
            try:
                port = find_port(nai, self._netdevs, interface.tap)
                self._ports.add(port)
                take(
                    nai,
                    self._netdevs,
                    target,
                    port=port,
                    tx=self._tx,
                    mode=self._kind,
                )
            except (NaiError, UsageError) as error:
                raise GuestError(error.what, hint=error.hint) from None
            self._wait_until_it_runs(nai, interface.tap)

    def detach(self, interface: Interface) -> tuple[str, ...]:
        """End the lease; a guest that has none any more is nothing to complain of."""
        try:
            with self._connect() as nai:
                lease = self._by_tap(nai).get(interface.tap)
                if lease is None:
                    return ()
                nai.detach(tap_ifindex=lease.tap_ifindex, tap_queue=lease.tap_queue)
                if interface.tap in self._by_tap(nai):
                    return (f"lease of {interface.tap} is still there",)
        except (NaiError, SetupError, OSError) as error:
            return (f"detach {interface.tap}: {error}",)
        return ()

    def leave(self) -> tuple[str, ...]:
        """Set the ports down and up once: they then have their usual queues again."""
        left = []
        while self._ports:
            port = self._ports.pop()
            try:
                self._restart(port)
            except (VhostAccelError, OSError) as error:
                left.append(f"restart {port}: {error}")
        return tuple(left)

    def leases(self) -> Mapping[str, Lease]:
        """Return the queues on lease, by tap."""
        with self._connect() as nai:
            return self._by_tap(nai)

    def _target(self, interface: Interface) -> Target:
        ifindex = self._netdevs.ifindex(interface.tap)
        if ifindex is None:
            raise GuestError(
                f"there is no tap {interface.tap}",
                hint="`virsh domiflist` tells the guest's interfaces",
            )
        return Target(
            tap=interface.tap,
            ifindex=ifindex,
            mac=interface.mac,
            guest=None,
            interface=None,
        )

    def _wait_until_it_runs(self, nai: Nai, tap: str) -> None:
        deadline = time.monotonic() + limit_s(self._limit_s)
        while True:
            lease = self._by_tap(nai).get(tap)
            if lease is not None and self._runs(lease):
                return
            if time.monotonic() > deadline:
                state = "gone" if lease is None else lease.state.value
                raise GuestError(
                    f"the lease of {tap} does not run: it is {state}",
                    hint="`ip link` tells whether the port is up and has a link",
                )
            time.sleep(_POLL_S)

    def _runs(self, lease: Lease) -> bool:
        port = self._netdevs.name(lease.port_ifindex)
        has_link = port is not None and self._netdevs.has_link(port)
        return has_link and lease.state is FqState.RUNNING

    def _by_tap(self, nai: Nai) -> dict[str, Lease]:
        return {
            tap: lease
            for lease in nai.leases()
            if (tap := self._netdevs.name(lease.tap_ifindex)) is not None
        }
