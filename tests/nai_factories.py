# SPDX-License-Identifier: Apache-2.0
"""A host with guests, bridges and taps that is a folder and a few strings."""

from pathlib import Path

from vhostaccel.nai.domain import Domain, read_domain
from vhostaccel.nai.fake import FakeNai
from vhostaccel.nai.model import Port
from vhostaccel.nai.netdevs import Netdevs

UUID = "6e5dd4d6-2bd1-4d7a-9d0c-0a1f6f6c0a01"
ETH0, BR_A, TAP0, TAP1 = 2, 5, 9, 10
MAC0, MAC1 = "52:54:00:00:00:01", "52:54:00:00:00:02"


class NetFolder:
    """What ``/sys/class/net`` is on a host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name, ifindex, *, tap=False, master=None):
        device = self.folder / name
        device.mkdir(parents=True)
        (device / "ifindex").write_text(f"{ifindex}\n")
        self.set_link(name, up=True)
        if tap:
            (device / "tun_flags").write_text("0x5002\n")
        if master is not None:
            (device / "master").symlink_to(f"../{master}")
            if (self.folder / master / "bridge").is_dir():
                (self.folder / master / "brif" / name).mkdir(parents=True)
        return self

    def add_bridge(self, name, ifindex):
        self.add(name, ifindex)
        (self.folder / name / "bridge").mkdir()
        (self.folder / name / "brif").mkdir()
        return self

    def set_link(self, name, *, up):
        (self.folder / name / "carrier").write_text(f"{int(up)}\n")

    def remove(self, name):
        (self.folder / name / "ifindex").unlink()

    @property
    def netdevs(self):
        return Netdevs(self.folder)


def usual_host(folder: Path) -> NetFolder:
    """Return eth0, and the taps vnet0 and vnet1, all ports of br-a."""
    net = NetFolder(folder)
    net.add_bridge("br-a", BR_A)
    net.add("eth0", ETH0, master="br-a")
    net.add("vnet0", TAP0, tap=True, master="br-a")
    net.add("vnet1", TAP1, tap=True, master="br-a")
    return net


def igb_port(ifindex: int = ETH0) -> Port:
    return Port(
        ifindex=ifindex, driver="igb", max_queues=7, leased=0, depth=512, max_frame=1518
    )


def usual_kernel() -> FakeNai:
    """Return a kernel where eth0 lends and both taps have a backend."""
    nai = FakeNai((igb_port(),))
    nai.add_backend(TAP0)
    nai.add_backend(TAP1)
    return nai


WISH = '<vhostaccel:nai xmlns:vhostaccel="urn:vhostaccel:nai:1" mode="auto"/>'


def domain_xml(
    *,
    name: str = "nfv0",
    wish: str = WISH,
    taps: tuple[str | None, ...] = ("vnet0", "vnet1"),
    macs: tuple[str, ...] = (MAC0, MAC1),
) -> str:
    """Return the XML of a running guest, as libvirt gives it to hooks."""
    interfaces = "".join(
        f"<interface type='bridge'><mac address='{mac}'/><source bridge='br-a'/>"
        + (f"<target dev='{tap}'/>" if tap else "")
        + f"<model type='virtio'/><alias name='net{number}'/></interface>"
        for number, (tap, mac) in enumerate(zip(taps, macs, strict=True))
    )
    return (
        f"<domain type='kvm' id='1'><name>{name}</name><uuid>{UUID}</uuid>"
        f"<metadata><other:x xmlns:other='urn:other'/>{wish}</metadata>"
        f"<devices><disk type='file'/>{interfaces}</devices></domain>"
    )


def usual_domain() -> Domain:
    return read_domain(domain_xml())
