# SPDX-License-Identifier: Apache-2.0
"""libvirt: the only module that talks to it."""

from dataclasses import dataclass

import libvirt

from vhostaccel.errors import GuestError

URI = "qemu:///system"


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorVersion:
    """Versions as people write them: ``9.0.0``."""

    libvirt: str
    qemu: str


class Hypervisor:
    """A connection to libvirt.

    Args:
        uri: which libvirt.

    Raises:
        GuestError: If it does not answer.
    """

    def __init__(self, uri: str = URI) -> None:
        # Errors arrive as exceptions; libvirt would print them as well.
        libvirt.registerErrorHandler(lambda *_: None, None)
        try:
            self._connection = libvirt.open(uri)
        except libvirt.libvirtError as error:
            raise GuestError(
                f"libvirt at {uri} does not answer: {error.get_error_message()}",
                hint="`systemctl start libvirtd`, and be in the group libvirt",
            ) from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def version(self) -> HypervisorVersion:
        """Return the versions of libvirt and of the QEMU it runs."""
        return HypervisorVersion(
            libvirt=_dotted(self._connection.getLibVersion()),
            qemu=_dotted(self._connection.getVersion()),
        )

    def start(self, name: str, xml: str) -> int:
        """Define and start a domain; return the id of its QEMU process's domain.

        Raises:
            GuestError: If libvirt refuses it, in libvirt's words.
        """
        try:
            domain = self._connection.defineXML(xml)
            domain.create()
        except libvirt.libvirtError as error:
            self.remove(name)
            raise GuestError(
                f"libvirt did not start guest {name}: {error.get_error_message()}",
                hint="`vhostaccel doctor` tells what this host lacks",
            ) from None
        return int(domain.ID())

    def remove(self, name: str) -> None:
        """End a domain and forget it; nothing happens if there is none."""
        try:
            domain = self._connection.lookupByName(name)
        except libvirt.libvirtError:
            return
        try:
            if domain.isActive():
                domain.destroy()
            domain.undefine()
        except libvirt.libvirtError as error:
            raise GuestError(
                f"libvirt did not end guest {name}: {error.get_error_message()}",
                hint=f"`virsh destroy {name}; virsh undefine {name}`",
            ) from None

    def names(self) -> tuple[str, ...]:
        """Return the names of the running domains."""
        domains = self._connection.listAllDomains(
            libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
        )
        return tuple(sorted(domain.name() for domain in domains))


def _dotted(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
