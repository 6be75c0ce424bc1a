# SPDX-License-Identifier: Apache-2.0
"""The mode ``copy``: the vhost worker takes frames from a hardware queue of the NIC."""

import time
from collections.abc import Mapping

from pyroute2 import IPRoute

from vhostaccel.errors import GuestError, NaiError, SetupError, SkipError
from vhostaccel.guests.plan import Interface
from vhostaccel.modes.mode import NET
from vhostaccel.nai.client import KernelNai
from vhostaccel.nai.family import FqState
from vhostaccel.nai.model import Lease

_RUNNING_TIMEOUT_S = 20.0
_POLL_S = 0.02


class Copy:
    """NIC queue, vhost worker, one copy, virtqueue; what is too much the NIC drops."""

    name = "copy"
    needs_own_modules = True

    def __init__(self) -> None:
        self._ports: set[str] = set()

    def prepare(self) -> None:
        """Check that the kernel has frame queues to lease.

        Raises:
            SkipError: If the module nai is not loaded.
        """
        try:
            KernelNai().close()
        except SetupError as error:
            raise SkipError(error.what, hint=error.hint) from None

    def attach(self, interface: Interface) -> None:
        """Lease a queue of the bridge's NIC, and wait until it runs.

        Raises:
            GuestError: If the kernel refuses, in its words.
        """
        with KernelNai() as nai:
            port = _port_of(nai, interface.bridge)
            self._ports.add(port)
            try:
                nai.attach(
                    tap_ifindex=_ifindex(interface.tap),
                    tap_queue=0,
                    port_ifindex=_ifindex(port),
                    mac=interface.mac,
                )
            except NaiError as error:
                raise GuestError(error.what, hint=error.hint) from None
            _wait_until_it_runs(nai, interface.tap)

    def detach(self, interface: Interface) -> tuple[str, ...]:
        """End the lease; a guest that has none any more is nothing to complain of."""
        try:
            with KernelNai() as nai:
                if interface.tap not in _by_tap(nai):
                    return ()
                nai.detach(tap_ifindex=_ifindex(interface.tap), tap_queue=0)
                if interface.tap in _by_tap(nai):
                    return (f"lease of {interface.tap} is still there",)
        except (NaiError, SetupError, OSError) as error:
            return (f"detach {interface.tap}: {error}",)
        return ()

    def leave(self) -> tuple[str, ...]:
        """Set the ports down and up once: they then have their usual queues again."""
        left = []
        while self._ports:
            name = self._ports.pop()
            try:
                _restart(name)
            except OSError as error:
                left.append(f"restart {name}: {error}")
        return tuple(left)

    def leases(self) -> Mapping[str, Lease]:
        """Return the queues on lease, by tap."""
        with KernelNai() as nai:
            return _by_tap(nai)


def _port_of(nai: KernelNai, bridge: str) -> str:
    offered = {port.ifindex for port in nai.ports()}
    members = [entry.name for entry in (NET / bridge / "brif").iterdir()]
    found = [name for name in members if _ifindex(name) in offered]
    if len(found) != 1:
        raise GuestError(
            f"bridge {bridge} has {len(found)} ports that lease frame queues, of "
            f"{', '.join(sorted(members))}",
            hint="`vhostaccel list` tells the ports; the NIC needs the project's driver",
        )
    return found[0]


def _wait_until_it_runs(nai: KernelNai, tap: str) -> None:
    deadline = time.monotonic() + _RUNNING_TIMEOUT_S
    while True:
        lease = _by_tap(nai).get(tap)
        if lease is not None and lease.state is FqState.RUNNING and _has_link(lease):
            return
        if time.monotonic() > deadline:
            state = "gone" if lease is None else lease.state.value
            raise GuestError(
                f"the lease of {tap} does not run: it is {state}",
                hint="`ip link` tells whether the port is up and has a link",
            )
        time.sleep(_POLL_S)


def _by_tap(nai: KernelNai) -> dict[str, Lease]:
    names = {_ifindex(entry.name): entry.name for entry in NET.iterdir()}
    return {
        names[lease.tap_ifindex]: lease
        for lease in nai.leases()
        if lease.tap_ifindex in names
    }


def _has_link(lease: Lease) -> bool:
    carriers = [
        entry / "carrier"
        for entry in NET.iterdir()
        if _ifindex(entry.name) == lease.port_ifindex
    ]
    return bool(carriers) and _carrier(carriers[0].parent.name)


def _carrier(name: str) -> bool:
    try:
        return (NET / name / "carrier").read_text().strip() == "1"
    except OSError:  # the port is down
        return False


def _restart(name: str) -> None:
    with IPRoute() as ip:
        for state in ("down", "up"):
            ip.link("set", index=_ifindex(name), state=state)
    deadline = time.monotonic() + _RUNNING_TIMEOUT_S
    while not _carrier(name):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no link within {_RUNNING_TIMEOUT_S:g} s")
        time.sleep(_POLL_S)


def _ifindex(name: str) -> int:
    return int((NET / name / "ifindex").read_text())
