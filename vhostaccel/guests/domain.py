# SPDX-License-Identifier: Apache-2.0
"""The libvirt domain of a guest, as a pure function of its plan."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from vhostaccel.guests.plan import GuestPlan, Interface
from vhostaccel.units import Bytes

CONTROL_PORT = "org.vhostaccel.guest"


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
    for interface in spec.plan.interfaces:
        _interface(devices, interface)
    serial = ET.SubElement(devices, "serial", type="file")
    ET.SubElement(serial, "source", path=str(spec.console))
    channel = ET.SubElement(devices, "channel", type="unix")
    ET.SubElement(channel, "source", mode="bind", path=str(spec.control))
    ET.SubElement(channel, "target", type="virtio", name=CONTROL_PORT)


def _interface(devices: ET.Element, interface: Interface) -> None:
    element = ET.SubElement(devices, "interface", type="bridge")
    ET.SubElement(element, "mac", address=interface.mac)
    ET.SubElement(element, "source", bridge=interface.bridge)
    ET.SubElement(element, "target", dev=interface.tap)
    ET.SubElement(element, "model", type="virtio")
    ET.SubElement(element, "driver", name="vhost")


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text
