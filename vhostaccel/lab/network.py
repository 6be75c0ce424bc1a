# SPDX-License-Identifier: Apache-2.0
"""NICs, bridges and taps of the host under test, through rtnetlink."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.ndmsg import NTF_MASTER, NUD_NOARP

from vhostaccel.errors import LabError
from vhostaccel.lab.state import HostState
from vhostaccel.patience import limit_s

_NET = Path("/sys/class/net")
_APPEAR_TIMEOUT_S = 20.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A physical NIC of the host under test."""

    name: str
    driver: str

    @property
    def folder(self) -> Path:
        """Its folder in sysfs."""
        return _NET / self.name


def find_nic(mac: str) -> Nic:
    """Return the NIC with this address, waiting for its driver to make it.

    Raises:
        LabError: If none appears.
    """
    deadline = time.monotonic() + limit_s(_APPEAR_TIMEOUT_S)
    while True:
        for folder in _NET.iterdir():
            driver = folder / "device" / "driver"
            if driver.exists() and (folder / "address").read_text().strip() == mac:
                return Nic(name=folder.name, driver=driver.resolve().name)
        if time.monotonic() > deadline:
            raise LabError(
                f"no NIC has the address {mac}; there are: "
                + (", ".join(sorted(p.name for p in _NET.iterdir())) or "none"),
                hint="QEMU or the kernel lacks the igb NIC: see `vhostaccel doctor`",
            )
        time.sleep(_POLL_S)


class Network:
    """Bridges and taps, each removed again by the host state's undo."""

    def __init__(self, state: HostState) -> None:
        self._state = state
        self._ip = IPRoute()
        state.defer("close rtnetlink", self._ip.close)

    def add_bridge(self, name: str, nic: Nic) -> None:
        """Make a bridge with the NIC as its first port, and set both up.

        Raises:
            LabError: If rtnetlink refuses.
        """
        self._state.defer(f"remove bridge {name}", lambda: self._remove(name))
        with _refusal(
            f"make bridge {name} with port {nic.name}",
            hint="run as root, with the module bridge",
        ):
            self._ip.link("add", ifname=name, kind="bridge", br_mcast_snooping=0)
            bridge = self._index(name)
            self._ip.link("set", index=bridge, state="up")
            self._state.defer(f"free {nic.name}", lambda: self._free(nic.name))
        self.join_bridge(nic.name, name)

    def join_bridge(self, port: str, bridge: str) -> None:
        """Make a NIC a port of the bridge, and return once it has a link.

        Raises:
            LabError: If rtnetlink refuses, or no link comes.
        """
        self._set(port, master=self._index(bridge), state="up")
        self.wait_for_carrier(port)

    def leave_bridge(self, port: str) -> None:
        """Take a NIC out of its bridge, which forgets its stations; it stays up.

        Raises:
            LabError: If rtnetlink refuses.
        """
        self._set(port, master=0)

    def add_station(self, nic: Nic, mac: str) -> None:
        """Tell the bridge for good that a station is behind its NIC.

        Frames that a guest takes from a NIC queue pass no bridge, which would forget
        where they came from and then flood what goes back.

        Raises:
            LabError: If rtnetlink refuses.
        """
        port = self._index(nic.name)
        with _refusal(
            f"add {mac} to the bridge of {nic.name}",
            hint="run as root, with the module bridge",
        ):
            # Into the bridge's table, not the NIC's, which is the default; "permanent"
            # would be an address of the bridge itself (net/bridge/br_fdb.c).
            self._ip.fdb(
                "add",
                ifindex=port,
                lladdr=mac,
                flags=NTF_MASTER,
                state=NUD_NOARP,
            )

    def add_address(self, bridge: str, address: str) -> None:
        """Give the bridge an IPv4 address, prefix length 24; it goes with the bridge.

        Raises:
            LabError: If rtnetlink refuses.
        """
        with _refusal(
            f"give {bridge} the address {address}",
            hint="is the address in use on this host?",
        ):
            self._ip.addr(
                "add", index=self._index(bridge), address=address, prefixlen=24
            )

    def add_tap(self, name: str, bridge: str) -> None:
        """Make a persistent tap with a virtio-net header, as a port of the bridge.

        Raises:
            LabError: If rtnetlink refuses.
        """
        self._state.defer(f"remove tap {name}", lambda: self._remove(name))
        with _refusal(
            f"make tap {name} on {bridge}", hint="run as root, with the module tun"
        ):
            self._ip.link(
                "add",
                ifname=name,
                kind="tuntap",
                tun_type="tap",
                vnet_hdr=True,
                mode="tap",
            )
            self._ip.link(
                "set", index=self._index(name), master=self._index(bridge), state="up"
            )

    def set_port(self, name: str, *, up: bool) -> None:
        """Set a NIC port up or down.

        Raises:
            LabError: If rtnetlink refuses.
        """
        self._set(name, state="up" if up else "down")

    def set_mtu(self, name: str, mtu: int) -> None:
        """Give a NIC port another MTU.

        Raises:
            LabError: If rtnetlink refuses.
        """
        self._set(name, mtu=mtu)

    def wait_for_carrier(self, name: str) -> None:
        """Return once the port, which is up, has a link.

        Raises:
            LabError: If it gets none in time.
        """
        deadline = time.monotonic() + limit_s(_APPEAR_TIMEOUT_S)
        while (_NET / name / "carrier").read_text().strip() != "1":
            if time.monotonic() > deadline:
                raise LabError(f"{name} has no link", hint="is its wire connected?")
            time.sleep(_POLL_S)

    def _set(self, name: str, **what: object) -> None:
        index = self._index(name)
        changes = ", ".join(f"{key} {value}" for key, value in what.items())
        with _refusal(f"set {name} {changes}", hint="see the lab's console"):
            self._ip.link("set", index=index, **what)

    def _index(self, name: str) -> int:
        found: Sequence[int] = self._ip.link_lookup(ifname=name)
        if not found:
            raise LabError(f"interface {name} is gone", hint="see the lab's console")
        return found[0]

    def _remove(self, name: str) -> None:
        for index in self._ip.link_lookup(ifname=name):
            self._ip.link("del", index=index)

    def _free(self, name: str) -> None:
        for index in self._ip.link_lookup(ifname=name):
            self._ip.link("set", index=index, master=0)
            self._ip.link("set", index=index, state="down")


@contextmanager
def _refusal(what: str, *, hint: str) -> Iterator[None]:
    """Say what rtnetlink refused, should it refuse."""
    try:
        yield
    except NetlinkError as error:
        raise LabError(f"cannot {what}: {error}", hint=hint) from None


def is_macvtap(name: str) -> bool:
    """Tell whether a device is a macvtap."""
    return (_NET / name / "macvtap").exists()


def mtu_of(name: str) -> int:
    """Return the MTU of a device."""
    return int((_NET / name / "mtu").read_text())


def remaining_taps(prefix: str) -> tuple[str, ...]:
    """Return the taps and macvtaps whose name begins so and that still exist."""
    return tuple(
        sorted(
            p.name
            for p in _NET.iterdir()
            if p.name.startswith(prefix)
            and ((p / "tun_flags").exists() or is_macvtap(p.name))
        )
    )
