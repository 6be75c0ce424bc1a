# SPDX-License-Identifier: Apache-2.0
"""Taking a lease for a virtual NIC and giving it back, in an operator's terms."""

from vhostaccel.errors import NaiError, UsageError
from vhostaccel.nai.address import Target, address_of, ifindex_of
from vhostaccel.nai.client import Nai
from vhostaccel.nai.family import Mode
from vhostaccel.nai.model import Attached
from vhostaccel.nai.netdevs import Netdevs

LINGER_S = 60
"""How long the queue of a dead guest keeps its flood from the bridge, unless the guest,
or any other device, comes to the bridge before."""


class NoPortError(NaiError):
    """No NIC port that lends queues is where the tap's frames come from."""


def find_port(nai: Nai, netdevs: Netdevs, tap: str) -> str:
    """Return the one port that lends queues among the ports of the tap's bridge.

    Raises:
        NoPortError: If there is none.
        UsageError: If there are several.
    """
    lending = {port.ifindex for port in nai.ports()}
    bridge = netdevs.bridge(tap)
    if bridge is None:
        raise NoPortError(
            f"tap {tap} is in no Linux bridge, so its NIC port cannot be guessed",
            hint="name the port: `--port eth0`",
        )
    beside = netdevs.bridge_ports(bridge)
    found = [name for name in beside if netdevs.ifindex(name) in lending]
    if not found:
        others = ", ".join(map(netdevs.shown, sorted(lending))) or "no port does"
        raise NoPortError(
            f"no port of {bridge}, the bridge of tap {tap}, lends frame queues "
            f"({bridge} has {', '.join(beside)}; lending: {others})",
            hint="the NIC's driver must be a provider, such as the igb of "
            "`vhostaccel kmod build`; bonds and VLAN devices lend nothing",
        )
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} ports of {bridge} lend frame queues: {', '.join(found)}",
            hint=f"say which: `--port {found[0]}`",
        )
    return found[0]


def take(
    nai: Nai,
    netdevs: Netdevs,
    target: Target,
    *,
    port: str | None = None,
    queue: int = 0,
    mac: str | None = None,
    force: bool = False,
    tx: bool = False,
    mode: Mode = Mode.COPY,
) -> tuple[str, Attached]:
    """Attach a virtual NIC; return the port's name and the lease.

    Args:
        nai: the kernel's side.
        netdevs: the host's network devices.
        target: the virtual NIC.
        port: the NIC port, or None for the only one in the tap's bridge.
        queue: which of the tap's queues.
        mac: the guest's address, or None for the one that libvirt knows.
        force: even though host policy is bypassed.
        tx: the guest's own frames for the wire go out by the queue too.
        mode: how its frames reach the guest.

    Raises:
        NoPortError: If no port was named and none lends queues.
        UsageError: If the port does not exist or cannot be guessed, or no MAC is known.
        NaiError: If the kernel refuses.
    """
    address = address_of(target, mac)
    name = port or find_port(nai, netdevs, target.tap)
    attached = nai.attach(
        tap_ifindex=target.ifindex,
        tap_queue=queue,
        port_ifindex=ifindex_of(netdevs, name),
        mac=address,
        mode=mode,
        force=force,
        linger_s=LINGER_S,
        tx=tx,
    )
    return name, attached


def give_back(nai: Nai, target: Target) -> tuple[int, ...]:
    """Detach every queue of a virtual NIC; return the numbers of its leases.

    Raises:
        NaiError: If it has no lease, or the kernel refuses.
    """
    held = [lease for lease in nai.leases() if lease.tap_ifindex == target.ifindex]
    for lease in held:
        nai.detach(tap_ifindex=lease.tap_ifindex, tap_queue=lease.tap_queue)
    if not held:
        raise NaiError(
            f"{target} has no lease: its frames come through the tap",
            hint="`vhostaccel list` shows who has one",
        )
    return tuple(lease.id for lease in held)
