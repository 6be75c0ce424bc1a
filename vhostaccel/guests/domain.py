# SPDX-License-Identifier: Apache-2.0
"""The libvirt domain of a guest, as a pure function of its plan."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from vhostaccel.guests.plan import GuestPlan, Interface, Link
from vhostaccel.units import Bytes

CONTROL_PORT = "org.vhostaccel.guest"
BUSY_POLL_US = 50
"""How long a vhost worker looks for more work before it sleeps [us]; the value that the
kernel's change was measured with (commit 030881372460, "vhost_net: basic polling support").
"""
_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSpec:
    """What a guest is built from."""

    plan: GuestPlan
    kernel_image: Path
    image: Path
    memory: Bytes
    cpus: str | None
    """CPUs that its threads may run on, as libvirt writes them; None for any."""
    control: Path
    """Unix socket of the guest's control port; libvirt makes it."""
    console: Path
    """File that gets what the guest prints."""
    link: Link = Link.TAP
    ports: tuple[str, ...] = ()
    """The host's NIC port for each virtual NIC; `Link.MACVTAP` needs them."""


def domain_xml(spec: DomainSpec) -> str:
    """Return the domain's XML, as an operator would write it."""
    domain = ET.Element("domain", type="kvm")
    _text(domain, "name", spec.plan.name)
    _text(domain, "memory", str(spec.memory >> 10), unit="KiB")
    placement = {} if spec.cpus is None else {"cpuset": spec.cpus}
    _text(domain, "vcpu", "1", placement="static", **placement)
    if spec.cpus is not None:
        tune = ET.SubElement(domain, "cputune")
        ET.SubElement(tune, "vcpupin", vcpu="0", cpuset=spec.cpus)
        ET.SubElement(tune, "emulatorpin", cpuset=spec.cpus)
    system = ET.SubElement(domain, "os")
    _text(system, "type", "hvm", arch="x86_64", machine="q35")
    _text(system, "kernel", str(spec.kernel_image))
    _text(system, "initrd", str(spec.image))
    _text(system, "cmdline", kernel_command_line(spec.plan))
    features = ET.SubElement(domain, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    ET.SubElement(
        domain, "cpu", mode="host-passthrough", check="none", migratable="off"
    )
    _clock(domain)
    for event in ("on_poweroff", "on_reboot", "on_crash"):
        _text(domain, event, "restart" if event == "on_reboot" else "destroy")
    _devices(domain, spec)
    if spec.link is Link.BUSY_TAP:
        _busy_poll(domain, len(spec.plan.interfaces))
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def kernel_command_line(plan: GuestPlan) -> str:
    """Return the guest's kernel command line, which carries its addresses."""
    words = ["console=ttyS0", "quiet", "loglevel=3", "panic=-1", "net.ifnames=0"]
    for letter, interface in zip("ab", plan.interfaces, strict=True):
        fields = (
            interface.mac,
            interface.address,
            interface.station_mac,
            interface.station_address,
        )
        words.append(f"nfv.{letter}={','.join(fields)}")
    return " ".join(words)


def _clock(domain: ET.Element) -> None:
    # After an overload QEMU would replay every lost tick of these two, which takes CPU
    # from the guest for minutes and ruins later trials.
    clock = ET.SubElement(domain, "clock", offset="utc")
    ET.SubElement(clock, "timer", name="hpet", present="no")
    ET.SubElement(clock, "timer", name="pit", tickpolicy="discard")
    ET.SubElement(clock, "timer", name="rtc", tickpolicy="catchup")


def _devices(domain: ET.Element, spec: DomainSpec) -> None:
    devices = ET.SubElement(domain, "devices")
    _text(devices, "emulator", "/usr/bin/qemu-system-x86_64")
    ET.SubElement(devices, "controller", type="usb", model="none")
    ET.SubElement(devices, "memballoon", model="none")
    for number, interface in enumerate(spec.plan.interfaces):
        if spec.link is Link.MACVTAP:
            _direct(devices, interface, spec.ports[number])
        else:
            _bridged(devices, interface)
    serial = ET.SubElement(devices, "serial", type="file")
    ET.SubElement(serial, "source", path=str(spec.console))
    channel = ET.SubElement(devices, "channel", type="unix")
    ET.SubElement(channel, "source", mode="bind", path=str(spec.control))
    ET.SubElement(channel, "target", type="virtio", name=CONTROL_PORT)


def _bridged(devices: ET.Element, interface: Interface) -> None:
    element = ET.SubElement(devices, "interface", type="bridge")
    ET.SubElement(element, "source", bridge=interface.bridge)
    _vhost(element, interface)


def _direct(devices: ET.Element, interface: Interface, port: str) -> None:
    element = ET.SubElement(devices, "interface", type="direct")
    ET.SubElement(element, "source", dev=port, mode="bridge")
    _vhost(element, interface)


def _vhost(element: ET.Element, interface: Interface) -> None:
    ET.SubElement(element, "mac", address=interface.mac)
    ET.SubElement(element, "target", dev=interface.tap)
    ET.SubElement(element, "model", type="virtio")
    ET.SubElement(element, "driver", name="vhost")


def _busy_poll(domain: ET.Element, interfaces: int) -> None:
    """Have QEMU tell the vhost workers to busy-poll, for which libvirt has no element.

    `-set` reaches only devices that are given as text, and libvirt gives JSON to a QEMU
    that takes it.
    """
    ET.register_namespace("qemu", _QEMU)
    capabilities = ET.SubElement(domain, f"{{{_QEMU}}}capabilities")
    ET.SubElement(capabilities, f"{{{_QEMU}}}del", capability="netdev.json")
    line = ET.SubElement(domain, f"{{{_QEMU}}}commandline")
    for number in range(interfaces):
        setting = f"netdev.hostnet{number}.poll-us={BUSY_POLL_US}"
        for word in ("-set", setting):
            ET.SubElement(line, f"{{{_QEMU}}}arg", value=word)


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text
