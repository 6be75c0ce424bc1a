# SPDX-License-Identifier: Apache-2.0
"""A stage for the guard: name spaces of its own, a wire, a bridge, and taps on it.

    wire0 ══ nic0 (the guard) ── br0 ── tap0, tap1 ...

Tests and the bench play on it, each in a process of its own whose name spaces vanish
with it. No frame leaves them, and the host's devices are not touched.
"""

import fcntl
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.rtnl.ndmsg import NTF_MASTER, NUD_NOARP

from vhostaccel.command import run
from vhostaccel.errors import LabError

STATION_MAC = "02:00:00:00:00:99"
_NET = Path("/sys/class/net")
_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x0100
_FORWARDING = "3"
_TIMEOUT_S = 5.0
_POLL_S = 0.001
_BURST = 64
"""A veth's ring has 256 entries."""


def on_stage(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs Python with these arguments in name spaces of its own."""
    return (
        "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
        sys.executable, *arguments,
    )  # fmt: skip


def mac_of(number: int) -> str:
    """Return the address of a guest."""
    return f"02:00:00:00:00:{number + 1:02x}"


def wire_bytes(mac: str) -> bytes:
    """Return an address as it is on the wire."""
    return bytes.fromhex(mac.replace(":", ""))


def frame(
    mac: str, *, number: int = 0, vlan: int | None = None, flow: int = 0
) -> bytes:
    """Return a frame to an address: UDP over IPv4, 64 bytes or some more without FCS.

    Args:
        mac: the destination.
        number: told in the payload.
        vlan: its tag, or None.
        flow: taps with several queues choose one by it.
    """
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
    payload = struct.pack("!I", number) + bytes(18)
    udp = struct.pack("!HHHH", 1024 + flow, 9, 8 + len(payload), 0) + payload
    ip = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
        bytes((10, 0, 0, 100)), bytes((10, 0, 0, 1)),
    )  # fmt: skip
    checked = ip[:10] + _checksum(ip) + ip[12:]
    return wire_bytes(mac) + wire_bytes(STATION_MAC) + tag + b"\x08\x00" + checked + udp


class Tap:
    """A tap with a reader, which reads only when it is told to.

    Args:
        name: of the device, made if it is not there.
        multi_queue: whether it can have several queues.
        persist: whether the device stays when it is closed.
    """

    def __init__(
        self, name: str, *, multi_queue: bool = False, persist: bool = False
    ) -> None:
        self.name = name
        self._flags = _IFF_TAP | _IFF_NO_PI | (_IFF_MULTI_QUEUE if multi_queue else 0)
        self.files = [self._open()]
        if persist:
            fcntl.ioctl(self.files[0], _TUNSETPERSIST, 1)

    def add_queue(self) -> None:
        """Open one more queue."""
        self.files.append(self._open())

    def reopen(self) -> None:
        """Open the device anew after a close."""
        self.files = [self._open()]

    def close(self) -> None:
        """End the guest."""
        for file in self.files:
            os.close(file)
        self.files = []

    def read(self) -> list[bytes]:
        """Return every frame that waits, of all queues."""
        return [content for queue in self.read_queues() for content in queue]

    def read_queues(self) -> list[list[bytes]]:
        """Return every frame that waits, queue by queue."""
        return [list(_waiting(file)) for file in self.files]

    @property
    def dropped(self) -> int:
        """What found the ring full, or no reader [frames]."""
        return int((_NET / self.name / "statistics" / "tx_dropped").read_text())

    def _open(self) -> int:
        file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        asked = struct.pack("16sH22x", self.name.encode(), self._flags)
        fcntl.ioctl(file, _TUNSETIFF, asked)
        return file


class Stage:
    """Wire, NIC port and bridge, ready for taps; only for a process `on_stage`."""

    def __init__(self) -> None:
        # sysfs shows the devices of the network name space that it was mounted in.
        run(("mount", "-t", "sysfs", "sysfs", "/sys"), hint="run it on a stage")
        for scope in ("all", "default"):
            # No neighbour discovery between the counted frames.
            switch = Path("/proc/sys/net/ipv6/conf") / scope / "disable_ipv6"
            if switch.exists():
                switch.write_text("1")
        self.ip = IPRoute()
        self.ip.link("add", ifname="wire0", kind="veth", peer={"ifname": "nic0"})
        self.ip.link("add", ifname="br0", kind="bridge", br_mcast_snooping=0)
        self.bridge = self.index("br0")
        self.nic = self.index("nic0")
        self.ip.link("set", index=self.nic, master=self.bridge)
        for name in ("wire0", "nic0", "br0"):
            self.ip.link("set", index=self.index(name), state="up")
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.wire.bind(("wire0", 0))
        self.wait_for_port("nic0")

    def index(self, name: str) -> int:
        """Return the number of a device."""
        return socket.if_nametoindex(name)

    def add_tap(
        self, number: int, *, ring: int = 1000, queues: int = 1, persist: bool = False
    ) -> Tap:
        """Make a guest: a tap on the bridge, and its address in the bridge's table.

        Args:
            number: of the guest.
            ring: frames that wait in each queue at most.
            queues: how many.
            persist: whether the device stays when it is closed.
        """
        tap = Tap(f"tap{number}", multi_queue=queues > 1, persist=persist)
        for _ in range(queues - 1):
            tap.add_queue()
        index = self.index(tap.name)
        self.ip.link("set", index=index, txqlen=ring, master=self.bridge, state="up")
        self.ip.fdb(
            "add",
            ifindex=index,
            lladdr=mac_of(number),
            flags=NTF_MASTER,
            state=NUD_NOARP,
        )
        self.wait_for_port(tap.name)
        return tap

    def send(self, *frames: bytes) -> None:
        """Send frames into the NIC port, in pieces that its ring has room for."""
        for number, content in enumerate(frames, 1):
            self.wire.send(content)
            if number % _BURST == 0:
                time.sleep(2 * _POLL_S)

    def wait_for_port(self, name: str) -> None:
        """Wait until the bridge forwards through a device."""
        state = _NET / name / "brport" / "state"
        until(
            lambda: state.exists() and state.read_text().strip() == _FORWARDING,
            f"the bridge forwards through {name}",
        )


def until(holds: Callable[[], object], what: str) -> float:
    """Wait until something holds; return how long it took [s].

    Raises:
        LabError: If it takes too long.
    """
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > _TIMEOUT_S:
            raise LabError(
                f"not within {_TIMEOUT_S:g} s: {what}",
                hint="is the machine overloaded?",
            )
        time.sleep(_POLL_S)
    return time.monotonic() - began


def _waiting(file: int) -> Iterator[bytes]:
    while True:
        try:
            yield os.read(file, 2048)
        except BlockingIOError:
            return


def _checksum(header: bytes) -> bytes:
    total = sum(struct.unpack("!10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)
