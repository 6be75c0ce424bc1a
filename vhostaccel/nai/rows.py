# SPDX-License-Identifier: Apache-2.0
"""Every vhost tap of the host in one row: whose it is, and how it gets its frames."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vhostaccel.errors import GuestError
from vhostaccel.nai.address import Domains
from vhostaccel.nai.client import Nai
from vhostaccel.nai.domain import Domain
from vhostaccel.nai.family import Congestion, DetachReason, FqState, Mode
from vhostaccel.nai.model import Client, Lease, shown_mode
from vhostaccel.nai.netdevs import Netdevs
from vhostaccel.nai.seed import Seed
from vhostaccel.nai.stats import Stats

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """The lease of a virtual NIC."""

    id: int
    port: str
    queue: int
    """The provider's number of it."""
    mode: Mode
    mac: str
    state: FqState
    congestion: Congestion
    depth: int
    """Buffers of the queue."""
    posted: int
    """Buffers that the hardware had when last looked at."""
    stats: Stats
    tx: bool
    """The guest's own frames for the wire go out by the queue."""
    seed: Seed | None = None
    """None but in mode seed."""

    @property
    def stock(self) -> str:
        """``normal 255/256``, or the state where the queue does not run."""
        if self.state is not FqState.RUNNING:
            return str(self.state.value)
        return f"{self.congestion.value} {self.posted}/{self.depth}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A virtual NIC on vhost-net."""

    guest: str
    """The libvirt domain, else the program that runs it."""
    interface: int | None
    """Its number in the domain, or None if libvirt does not know it."""
    tap: str
    tap_queue: int
    pid: int
    """The process that runs the guest."""
    lease: LeaseRow | None
    """None while its frames come through the tap alone."""
    fallbacks: int
    """Leases that ended for another reason than a request."""
    last_reason: DetachReason | None

    @property
    def name(self) -> str:
        """``nfv0:0``, or the program's name."""
        if self.interface is None:
            return self.guest
        return f"{self.guest}:{self.interface}"

    @property
    def mode(self) -> str:
        """``tap`` or the mode of its lease, with ``-tx`` where it sends too."""
        if self.lease is None:
            return "tap"
        return shown_mode(self.lease.mode, tx=self.lease.tx)


def read_rows(
    nai: Nai,
    netdevs: Netdevs,
    domains: Domains,
    program: Callable[[int], str] = lambda pid: _program(pid),
) -> tuple[Row, ...]:
    """Return a row for every virtual NIC on vhost-net, guests in order.

    Args:
        nai: the kernel's side.
        netdevs: the host's network devices.
        domains: the running domains; without libvirt rows have the program's name.
        program: returns the name of a process.
    """
    leases = {lease.id: lease for lease in nai.leases()}
    owners = _owners(domains)
    rows = []
    for client in nai.clients():
        tap = netdevs.shown(client.tap_ifindex)
        guest, interface = owners.get(tap, (None, None))
        rows.append(
            Row(
                guest=program(client.pid) if guest is None else guest,
                interface=interface,
                tap=tap,
                tap_queue=client.tap_queue,
                pid=client.pid,
                lease=_lease(client, leases, netdevs),
                fallbacks=client.fallbacks,
                last_reason=client.last_reason,
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.guest, row.tap, row.tap_queue)))


def _owners(domains: Domains) -> dict[str, tuple[str, int]]:
    try:
        known: tuple[Domain, ...] = domains()
    except GuestError:
        return {}
    return {v.tap: (d.name, v.index) for d in known for v in d.vnics if v.tap}


def _lease(
    client: Client, leases: dict[int, Lease], netdevs: Netdevs
) -> LeaseRow | None:
    # Between the two answers of the kernel a lease can have ended.
    lease = None if client.lease is None else leases.get(client.lease)
    if lease is None:
        return None
    return LeaseRow(
        id=lease.id,
        port=netdevs.shown(lease.port_ifindex),
        queue=lease.port_queue,
        mode=lease.mode,
        mac=lease.mac,
        state=lease.state,
        congestion=lease.congestion,
        depth=lease.depth,
        posted=lease.posted,
        stats=lease.stats,
        tx=lease.tx,
        seed=lease.seed,
    )


def _program(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return f"pid {pid}"
