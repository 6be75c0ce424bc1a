# SPDX-License-Identifier: Apache-2.0
"""Which virtual NIC an operator means: ``nfv0:0``, ``nfv0:net1``, a tap, or a MAC."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from vhostaccel.errors import GuestError, UsageError
from vhostaccel.nai.domain import Domain, Vnic
from vhostaccel.nai.netdevs import Netdevs

Domains = Callable[[], tuple[Domain, ...]]
"""Returns the running domains; raises GuestError where libvirt does not answer."""

_MAC = re.compile(r"([0-9a-f]{2}[:-]){5}[0-9a-f]{2}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A virtual NIC that was found."""

    tap: str
    ifindex: int
    mac: str | None
    """The guest's address; None for a tap that libvirt does not know."""
    guest: str | None
    """The libvirt domain, or None."""
    interface: int | None
    """Its number in the domain, or None."""

    def __str__(self) -> str:
        """``nfv0:0 (tap vnet3)``, or ``tap vnet3``."""
        if self.guest is None:
            return f"tap {self.tap}"
        return f"{self.guest}:{self.interface} (tap {self.tap})"


def resolve(text: str, netdevs: Netdevs, domains: Domains) -> Target:
    """Return the virtual NIC that an address means.

    Args:
        text: the address as it was typed.
        netdevs: the host's network devices.
        domains: the running domains; asked only when they are needed.

    Raises:
        UsageError: If nothing, or more than one thing, has that address.
        GuestError: If only libvirt could know, and it does not answer.
    """
    if _MAC.fullmatch(text):
        return _by_mac(text.replace("-", ":").lower(), netdevs, domains())
    guest, colon, interface = text.rpartition(":")
    if colon:
        return _by_interface(guest, interface, netdevs, domains())
    if netdevs.ifindex(text) is not None:
        return _by_tap(text, netdevs, domains)
    return _by_guest(text, netdevs, domains())


def address_of(target: Target, mac: str | None) -> str:
    """Return the guest's address: the one that was told, or the one libvirt knows.

    Raises:
        UsageError: If there is neither.
    """
    address = mac or target.mac
    if address is None:
        raise UsageError(
            f"libvirt knows no address of the guest behind tap {target.tap}",
            hint="tell the guest's own: `--mac 52:54:00:00:00:01`",
        )
    return address


def ifindex_of(netdevs: Netdevs, name: str) -> int:
    """Return the number of a device that was named.

    Raises:
        UsageError: If there is none.
    """
    ifindex = netdevs.ifindex(name)
    if ifindex is None:
        raise UsageError(
            f"there is no network device {name}", hint="`ip link` tells what there is"
        )
    return ifindex


def _by_mac(mac: str, netdevs: Netdevs, domains: tuple[Domain, ...]) -> Target:
    found = [(d, v) for d in domains for v in d.vnics if v.mac == mac]
    if not found:
        raise UsageError(
            f"no running guest has a virtual NIC with the address {mac}",
            hint="`virsh domiflist GUEST` tells the addresses; for a guest that is not "
            "libvirt's name its tap",
        )
    if len(found) > 1:
        names = ", ".join(f"{d.name}:{v.index}" for d, v in found)
        raise UsageError(
            f"{len(found)} virtual NICs have the address {mac}: {names}",
            hint="name one of them; two with one address cannot both have a lease",
        )
    return _target(*found[0], netdevs)


def _by_interface(
    guest: str, interface: str, netdevs: Netdevs, domains: tuple[Domain, ...]
) -> Target:
    domain = _domain(guest, domains)
    for vnic in domain.vnics:
        if interface in (str(vnic.index), vnic.alias, vnic.tap):
            return _target(domain, vnic, netdevs)
    raise UsageError(
        f"guest {guest} has no interface {interface}; it has {_listed(domain)}",
        hint=f"count from 0: `{guest}:0`, or use libvirt's alias or the tap's name",
    )


def _by_guest(name: str, netdevs: Netdevs, domains: tuple[Domain, ...]) -> Target:
    if name not in {domain.name for domain in domains}:
        raise UsageError(
            f"there is no tap {name}, and no running guest {name}",
            hint="`virsh list` and `ip tuntap` tell what there is",
        )
    domain = _domain(name, domains)
    if len(domain.vnics) != 1:
        raise UsageError(
            f"guest {name} has not one interface but {len(domain.vnics)}: "
            f"{_listed(domain)}",
            hint=f"say which: `{name}:0`",
        )
    return _target(domain, domain.vnics[0], netdevs)


def _by_tap(tap: str, netdevs: Netdevs, domains: Domains) -> Target:
    if not netdevs.is_tap(tap):
        raise UsageError(
            f"{tap} is a network device, but no tap",
            hint="a lease goes to a guest's tap; the NIC port goes to `--port`",
        )
    try:
        owners = [(d, v) for d in domains() for v in d.vnics if v.tap == tap]
    except GuestError:
        owners = []  # a tap needs no libvirt; only its MAC has to be told then
    if owners:
        return _target(*owners[0], netdevs)
    ifindex = netdevs.ifindex(tap) or 0
    return Target(tap=tap, ifindex=ifindex, mac=None, guest=None, interface=None)


def _domain(name: str, domains: tuple[Domain, ...]) -> Domain:
    for domain in domains:
        if domain.name == name:
            return domain
    names = ", ".join(sorted(domain.name for domain in domains)) or "none"
    raise UsageError(
        f"no guest {name} is running; running are: {names}",
        hint="`virsh list --all`; a guest must run before it can take a lease",
    )


def _target(domain: Domain, vnic: Vnic, netdevs: Netdevs) -> Target:
    ifindex = None if vnic.tap is None else netdevs.ifindex(vnic.tap)
    if vnic.tap is None or ifindex is None:
        raise UsageError(
            f"{domain.name}:{vnic.index} has no tap on this host",
            hint="only <interface type='bridge'>, 'network' and 'ethernet' have one; "
            "macvtap, passed-through and vhost-user NICs cannot take a lease",
        )
    return Target(
        tap=vnic.tap,
        ifindex=ifindex,
        mac=vnic.mac or None,
        guest=domain.name,
        interface=vnic.index,
    )


def _listed(domain: Domain) -> str:
    return ", ".join(f"{v.index} ({v.tap or 'no tap'})" for v in domain.vnics) or "none"
