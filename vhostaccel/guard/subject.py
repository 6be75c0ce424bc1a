# SPDX-License-Identifier: Apache-2.0
"""What an operator wants guarded, in the guard's terms: address and NIC port found."""

from vhostaccel.errors import UsageError
from vhostaccel.guard.model import Wish
from vhostaccel.nai.address import Target
from vhostaccel.nai.netdevs import Netdevs


def find_wish(
    netdevs: Netdevs,
    target: Target,
    *,
    port: str | None = None,
    mac: str | None = None,
    always: bool = False,
) -> Wish:
    """Return the wish to guard a virtual NIC.

    Args:
        netdevs: the host's network devices.
        target: the virtual NIC.
        port: the NIC port, or None for the only one in the tap's bridge.
        mac: the guest's address, or None for the one that libvirt knows.
        always: also where receive CPUs have time left.

    Raises:
        UsageError: If the port does not exist or cannot be guessed, or no MAC is known.
    """
    address = mac or target.mac
    if address is None:
        raise UsageError(
            f"libvirt knows no address of the guest behind tap {target.tap}",
            hint="tell the guest's own: `--mac 52:54:00:00:00:01`",
        )
    name = port or find_port(netdevs, target.tap)
    ifindex = netdevs.ifindex(name)
    if ifindex is None:
        raise UsageError(
            f"there is no network device {name}", hint="`ip link` tells what there is"
        )
    return Wish(
        tap=target.tap,
        tap_ifindex=target.ifindex,
        mac=address,
        port=name,
        port_ifindex=ifindex,
        guest=target.guest,
        interface=target.interface,
        always=always,
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
