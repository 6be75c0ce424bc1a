# SPDX-License-Identifier: Apache-2.0
"""libvirt: the only module that talks to it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import libvirt
import libvirt_qemu

from vhostaccel.errors import GuestError, UsageError

URI = "qemu:///system"
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorVersion:
    """Versions as people write them: ``9.0.0``."""

    libvirt: str
    qemu: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainState:
    """A domain as libvirt has it now."""

    xml: str
    """Of the running guest, else of its definition."""
    running: bool
    persistent: bool
    """Defined, and so there after the guest has ended."""


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

    def start_again(self, name: str, timeout_s: float) -> None:
        """Start a defined domain whose QEMU has ended, once libvirt has noticed.

        Raises:
            GuestError: If libvirt does not notice in time, or refuses.
        """
        domain = self._lookup(name)
        deadline = time.monotonic() + timeout_s
        while domain.isActive():
            if time.monotonic() > deadline:
                raise GuestError(
                    f"libvirt takes guest {name}, whose QEMU has ended, for running",
                    hint=f"`virsh domstate {name} --reason`",
                )
            time.sleep(_POLL_S)
        self._do(name, "start", domain.create)

    def suspend(self, name: str) -> None:
        """Suspend a running domain.

        Raises:
            GuestError: If libvirt refuses, in libvirt's words.
        """
        self._do(name, "suspend", self._lookup(name).suspend)

    def resume(self, name: str) -> None:
        """Resume a suspended domain.

        Raises:
            GuestError: If libvirt refuses, in libvirt's words.
        """
        self._do(name, "resume", self._lookup(name).resume)

    def reset(self, name: str) -> None:
        """Reset a running domain, as its reset button would.

        Raises:
            GuestError: If libvirt refuses, in libvirt's words.
        """
        self._do(name, "reset", self._lookup(name).reset)

    def registers(self, name: str) -> str:
        """Return what QEMU says of the registers of a domain's first virtual CPU.

        Raises:
            GuestError: If libvirt or QEMU does not answer.
        """
        domain = self._lookup(name)
        human = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
        told = self._do(
            name,
            "ask QEMU for the registers of",
            lambda: libvirt_qemu.qemuMonitorCommand(domain, "info registers", human),
        )
        return str(told)

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

    def running(self) -> tuple[str, ...]:
        """Return the XML of every running domain."""
        found = []
        for domain in self._connection.listAllDomains(
            libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
        ):
            try:
                found.append(domain.XMLDesc())
            except libvirt.libvirtError:
                continue  # it ended since it was listed
        return tuple(found)

    def all(self) -> tuple[DomainState, ...]:
        """Return every domain, running or not."""
        found = []
        for domain in self._connection.listAllDomains():
            try:
                found.append(_state(domain))
            except libvirt.libvirtError:
                continue  # it was undefined since it was listed
        return tuple(found)

    def domain(self, name: str) -> DomainState:
        """Return one domain.

        Raises:
            UsageError: If there is none of that name.
        """
        return _state(self._lookup(name))

    def set_metadata(
        self, name: str, *, uri: str, prefix: str, element: str | None
    ) -> None:
        """Write an element into a domain's metadata, both of guest and definition.

        Args:
            name: the domain.
            uri: name space of the element.
            prefix: its short form in the XML.
            element: the XML, without the name space; None takes it out.

        Raises:
            UsageError: If there is no such domain.
            GuestError: If libvirt refuses, in libvirt's words.
        """
        domain = self._lookup(name)
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG if domain.isPersistent() else 0
        if domain.isActive():
            flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
        try:
            domain.setMetadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT, element, prefix, uri, flags
            )
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                return  # it was not there, and was to be taken out
            raise GuestError(
                f"libvirt did not change the metadata of {name}: "
                f"{error.get_error_message()}",
                hint=f"`virsh metadata {name} {uri}` shows it; run as root",
            ) from None

    def _do(self, name: str, what: str, act: Callable[[], object]) -> object:
        try:
            return act()
        except libvirt.libvirtError as error:
            raise GuestError(
                f"libvirt did not {what} guest {name}: {error.get_error_message()}",
                hint=f"`virsh domstate {name} --reason`",
            ) from None

    def _lookup(self, name: str) -> libvirt.virDomain:
        try:
            return self._connection.lookupByName(name)
        except libvirt.libvirtError as error:
            raise UsageError(
                f"libvirt does not find domain {name}: {error.get_error_message()}",
                hint="`virsh list --all`",
            ) from None


def _state(domain: libvirt.virDomain) -> DomainState:
    return DomainState(
        xml=domain.XMLDesc(),
        running=bool(domain.isActive()),
        persistent=bool(domain.isPersistent()),
    )


def _dotted(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
