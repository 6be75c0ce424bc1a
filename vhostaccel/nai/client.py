# SPDX-License-Identifier: Apache-2.0
"""The conversation with the kernel: requests of the family nai, and its events."""

import errno
from collections.abc import Callable
from typing import Any, Protocol

from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic import AsyncGenericNetlinkSocket, GenericNetlinkSocket

from vhostaccel.closing import Closing
from vhostaccel.errors import NaiError, SetupError
from vhostaccel.nai.events import Events, KernelEvents
from vhostaccel.nai.family import (
    EVENTS,
    FAMILY,
    ClientMessage,
    FqMessage,
    Mode,
    PortMessage,
    message,
)
from vhostaccel.nai.model import (
    Attached,
    Client,
    Lease,
    Port,
    attached_from,
    client_from,
    lease_from,
    mac_bytes,
    port_from,
)
from vhostaccel.nai.refusals import refused


class Nai(Protocol):
    """The kernel's side, as the rest of the program uses it."""

    def ports(self) -> tuple[Port, ...]:
        """Return the ports that can lease frame queues."""

    def clients(self) -> tuple[Client, ...]:
        """Return the virtqueues that can take a lease."""

    def leases(self) -> tuple[Lease, ...]:
        """Return the frame queues on lease, with their counters."""

    def attach(
        self,
        *,
        tap_ifindex: int,
        tap_queue: int,
        port_ifindex: int,
        mac: str,
        mode: Mode = Mode.COPY,
        force: bool = False,
        linger_s: int = 0,
        tx: bool = False,
    ) -> Attached:
        """Lease a frame queue of a port to a virtqueue.

        Args:
            tap_ifindex: the guest's tap.
            tap_queue: which of its queues; 0 where it has one.
            port_ifindex: the NIC port.
            mac: frames to this address go to the queue: the guest's.
            mode: how they reach the guest.
            force: even though host policy on the tap is bypassed.
            linger_s: for how long the queue goes on dropping frames for a guest that
                has gone, so that they do not reach the host [s].
            tx: the guest's own frames for the wire go out by the queue too.

        Raises:
            NaiError: If the kernel refuses, in its words; nothing is changed then.
        """

    def detach(self, *, tap_ifindex: int, tap_queue: int) -> None:
        """End a lease; the tap takes over.

        Raises:
            NaiError: If there is none, or the kernel refuses.
        """

    def events(self) -> Events:
        """Listen to what happens to leases from now on."""

    def close(self) -> None:
        """Leave."""


class _AsyncSocket(AsyncGenericNetlinkSocket):  # type: ignore[misc]  # no annotations
    # We say ourselves, and better, that the family is not there.
    module_err_level = "debug"


class _Socket(GenericNetlinkSocket):  # type: ignore[misc]  # no annotations
    async_class = _AsyncSocket


class KernelNai(Closing):
    """The module nai of the running kernel.

    Args:
        new_socket: makes an unbound netlink socket; tests bring their own.

    Raises:
        SetupError: If the module is not loaded.
    """

    def __init__(
        self, new_socket: Callable[[], Any] = lambda: _Socket(ext_ack=True)
    ) -> None:
        self._new_socket = new_socket
        self._socket = self._bound(FqMessage)

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def ports(self) -> tuple[Port, ...]:
        """Return the ports that can lease frame queues."""
        return tuple(map(port_from, self._dump(PortMessage, "port-get")))

    def clients(self) -> tuple[Client, ...]:
        """Return the virtqueues that can take a lease."""
        return tuple(map(client_from, self._dump(ClientMessage, "client-get")))

    def leases(self) -> tuple[Lease, ...]:
        """Return the frame queues on lease, with their counters."""
        return tuple(map(lease_from, self._dump(FqMessage, "fq-get")))

    def attach(
        self,
        *,
        tap_ifindex: int,
        tap_queue: int,
        port_ifindex: int,
        mac: str,
        mode: Mode = Mode.COPY,
        force: bool = False,
        linger_s: int = 0,
        tx: bool = False,
    ) -> Attached:
        """As `Nai.attach`."""
        values: dict[str, object] = {
            "tap-ifindex": tap_ifindex,
            "tap-queue": tap_queue,
            "port-ifindex": port_ifindex,
            "mode": mode.number,
            "mac": mac_bytes(mac),
        }
        if force:
            values["force"] = True
        if linger_s:
            values["linger"] = linger_s
        if tx:
            values["tx"] = True
        # The answer ends it, so an acknowledgement beside it is not asked for.
        (answer,) = self._ask(FqMessage, "attach", values, NLM_F_REQUEST)
        return attached_from(answer)

    def detach(self, *, tap_ifindex: int, tap_queue: int) -> None:
        """As `Nai.detach`."""
        values: dict[str, object] = {"tap-ifindex": tap_ifindex, "tap-queue": tap_queue}
        self._ask(FqMessage, "detach", values, NLM_F_REQUEST | NLM_F_ACK)

    def events(self) -> KernelEvents:
        """As `Nai.events`."""
        listener = self._bound(FqMessage)
        listener.add_membership(EVENTS)
        return KernelEvents(listener)

    def _bound(self, kind: type[Any]) -> Any:
        made = self._new_socket()
        try:
            made.bind(FAMILY, kind)
        except NetlinkError as error:
            made.close()
            if error.code != errno.ENOENT:
                raise refused("ask for the family nai", error) from None
            raise SetupError(
                "the module nai is not loaded: the kernel has no netlink family nai",
                hint="`sudo vhostaccel kmod install` puts it in place, or `kmod build` makes "
                "it for a look; `sudo modprobe nai` loads it",
            ) from None
        return made

    def _dump(self, kind: type[Any], command: str) -> tuple[Any, ...]:
        return self._ask(kind, command, {}, NLM_F_REQUEST | NLM_F_DUMP)

    def _ask(
        self, kind: type[Any], command: str, values: dict[str, object], flags: int
    ) -> tuple[Any, ...]:
        # Commands differ in their attributes, and so in the class of their answers.
        self._socket.register_policy(self._socket.prid, kind)
        request = message(kind, command, values)
        try:
            return tuple(self._socket.nlm_request(request, self._socket.prid, flags))
        except NetlinkError as error:
            raise refused(command, error) from None
        except OSError as error:
            raise NaiError(
                f"netlink failed on {command}: {error.strerror or error}",
                hint="try again; `dmesg` may say more",
                code=error.errno or 0,
            ) from None
