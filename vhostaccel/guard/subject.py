# SPDX-License-Identifier: Apache-2.0
"""What an operator wants guarded, in the guard's terms: address and NIC port found."""

from vhostaccel.errors import UsageError
from vhostaccel.guard.model import Wish
from vhostaccel.nai.address import Target, address_of, ifindex_of
from vhostaccel.nai.netdevs import Netdevs


def find_wish(
    netdevs: Netdevs,
    target: Target,
    *,
    port: str | None = None,
    mac: str | None = None,
    always: bool = False,
    why: str | None = None,
) -> Wish:
    """Return the wish to guard a virtual NIC.

    Args:
        netdevs: the host's network devices.
        target: the virtual NIC.
        port: the NIC port, or None for the only one in the tap's bridge.
        mac: the guest's address, or None for the one that libvirt knows.
        always: also where receive CPUs have time left.
        why: why it gets no better mode, where that was asked for.

    Raises:
        UsageError: If the port does not exist or cannot be guessed, or no MAC is known.
    """
    address = address_of(target, mac)
    name = port or find_port(netdevs, target.tap)
    return Wish(
        tap=target.tap,
        tap_ifindex=target.ifindex,
        mac=address,
        port=name,
        port_ifindex=ifindex_of(netdevs, name),
        guest=target.guest,
        interface=target.interface,
        always=always,
        why=why,
    )


def find_port(netdevs: Netdevs, tap: str) -> str:
    """Return the port of the tap's bridge that its frames come from.

    That is the only one of hardware, or else the only one that is no tap.

    Raises:
        UsageError: If there is none, or more than one.
    """
    bridge = netdevs.bridge(tap)
    if bridge is None:
        raise UsageError(
            f"tap {tap} is in no Linux bridge, so its NIC port cannot be guessed",
            hint="name the port: `--port eth0`",
        )
    others = [name for name in netdevs.bridge_ports(bridge) if not netdevs.is_tap(name)]
    hardware = list(filter(netdevs.is_hardware, others))
    found = hardware or others
    if len(found) != 1:
        seen = ", ".join(found) or "none"
        raise UsageError(
            f"{bridge}, the bridge of tap {tap}, has not one port that frames come "
            f"from but {len(found)}: {seen}",
            hint="say which: `--port eth0`; for several, attach to one of them",
        )
    return found[0]
