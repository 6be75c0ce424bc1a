# SPDX-License-Identifier: Apache-2.0
"""The guard in the kernel: its programs, its maps, and the NIC ports it sits on."""

import errno
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vhostaccel.errors import GuardError, SetupError
from vhostaccel.guard import libbpf
from vhostaccel.guard.loaded import Object
from vhostaccel.guard.model import Counts, GroupCounts

MAX_GUESTS = 256
MAX_QUEUES = 16
"""Of one tap; a guest with more is not guarded."""
HIGH_MARK = 192
"""A guest is congested with this much in its ring [1/256 of the ring]: the quarter
above it takes what other CPUs pass at the same moment, and entries not yet cleared."""
LOW_MARK = 64
"""And no more with this: its reader goes on for a while before frames cost CPU again."""
GROUP_LIMIT = 100
"""Group frames that a port passes in 100 ms while it is engaged."""

_ADDRESS = struct.Struct("=I6s2x")
_GUEST = struct.Struct("=QQiIII")
_FILL = struct.Struct("=QQII128x")
_GUEST_COUNTS = struct.Struct("=4Q")
_PORT = struct.Struct("=5Q")
_CPU_COUNTS = struct.Struct("=2Q")
_DEADLINE = struct.Struct("=Q")
_INDEX = struct.Struct("=I")
_TAP_FILE = struct.Struct("=QQiIIIi4x")

_DRV_MODE, _SKB_MODE = 1 << 2, 1 << 1
"""XDP_FLAGS_*, linux/if_link.h."""
_LOCKDOWN = Path("/sys/kernel/security/lockdown")
_BTF = Path("/sys/kernel/btf")


@dataclass(frozen=True, slots=True, kw_only=True)
class TapFile:
    """An open file of a tap, as the kernel knows it."""

    tun: int
    """Address of the tap's ``struct tun_struct``."""
    dev: int
    """Address of its ``struct net_device``."""
    ifindex: int
    queues: int
    ring: int
    """Size of the file's ring [frames]."""
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortLink:
    """The guard's place on a NIC port; it holds as long as the file is open."""

    file: int
    native: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCounts:
    """What one CPU received from guarded ports [frames]."""

    frames: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What the guard holds of a guest's rings."""

    congested: bool
    queues: int


class Datapath(Protocol):
    """The kernel's side, as the keeper uses it."""

    cast: bool
    """Whether rings are read the faster way."""

    def taps(self) -> tuple[TapFile, ...]:
        """Return the open files of the taps in this name space."""

    def add_port(self, ifindex: int) -> PortLink:
        """Sit down on a NIC port.

        Raises:
            GuardError: If it cannot, or something else sits there.
        """

    def remove_port(self, ifindex: int, link: PortLink) -> None:
        """Leave a port, which may be gone."""

    def add_guest(self, slot: int, port: int, mac: bytes, tap: TapFile) -> None:
        """Guard what comes from a port for an address."""

    def remove_guest(self, port: int, mac: bytes) -> None:
        """Let pass again what comes from a port for an address."""

    def engage(self, cpu: int, until_ns: int) -> None:
        """Let a CPU drop frames until then [ns, monotonic]."""

    def cpu_counts(self) -> list[CpuCounts]:
        """Return each CPU's counts."""

    def guest_counts(self, slot: int) -> Counts:
        """Return a guest's counts."""

    def fill(self, slot: int) -> Fill:
        """Return what the guard last saw of a guest's rings."""

    def group_counts(self, port: int) -> GroupCounts:
        """Return a port's counts of group frames."""

    def close(self) -> None:
        """Leave the kernel."""


class KernelDatapath:
    """The guard in the running kernel.

    Args:
        path: the object file.
        cast: read rings the faster way; None: where the kernel can.

    Raises:
        SetupError: If this kernel cannot have it.
        GuardError: If it refuses it.
    """

    def __init__(self, path: Path, *, cast: bool | None = None) -> None:
        if os.geteuid() != 0:
            raise SetupError("the guard needs root", hint="run it with sudo")
        if lack := kernel_lacks():
            raise lack
        self.cast = can_cast() if cast is None else cast
        try:
            self._object = Object(
                path,
                rodata=struct.pack("=?", self.cast),
                entries={"deadlines": libbpf.cpus()},
            )
        except GuardError as error:
            raise GuardError(
                error.what, hint=_hint(error.code), code=error.code
            ) from None
        made = self._object
        self.program = made.program("guard")
        self._deadlines = made.map("deadlines", size=_DEADLINE.size)
        self._guests = made.map("guests", size=_GUEST.size)
        self._fills = made.map("fills", size=_FILL.size)
        self._ports = made.map("ports", size=_PORT.size)
        self._cpu_counts = made.map("cpu_counts", size=_CPU_COUNTS.size, per_cpu=True)
        self._guest_counts = made.map(
            "guest_counts", size=_GUEST_COUNTS.size, per_cpu=True
        )

    def taps(self) -> tuple[TapFile, ...]:
        """As `Datapath.taps`."""
        netns = Path("/proc/self/ns/net").stat().st_ino
        written = self._object.iterate("scan_taps")
        return tuple(
            TapFile(
                tun=tun, dev=dev, ifindex=ifindex, queues=queues, ring=ring, pid=pid
            )
            for tun, dev, ifindex, where, queues, ring, pid in _TAP_FILE.iter_unpack(
                written
            )
            if where == netns
        )

    def add_port(self, ifindex: int) -> PortLink:
        """As `Datapath.add_port`."""
        limit = _PORT.pack(0, 0, GROUP_LIMIT, 0, 0)
        self._ports.put(_INDEX.pack(ifindex), limit)
        try:
            return self._attach(ifindex)
        except GuardError:
            self._ports.delete(_INDEX.pack(ifindex))
            raise

    def remove_port(self, ifindex: int, link: PortLink) -> None:
        """As `Datapath.remove_port`."""
        with suppress(OSError):
            os.close(link.file)
        self._ports.delete(_INDEX.pack(ifindex))

    def add_guest(self, slot: int, port: int, mac: bytes, tap: TapFile) -> None:
        """As `Datapath.add_guest`."""
        self._fills.put(_INDEX.pack(slot), bytes(_FILL.size))
        self._guest_counts.put(_INDEX.pack(slot), bytes(_GUEST_COUNTS.size))
        values = (tap.tun, tap.dev, tap.ifindex, slot, HIGH_MARK, LOW_MARK)
        self._guests.put(_ADDRESS.pack(port, mac), _GUEST.pack(*values))

    def remove_guest(self, port: int, mac: bytes) -> None:
        """As `Datapath.remove_guest`."""
        self._guests.delete(_ADDRESS.pack(port, mac))

    def engage(self, cpu: int, until_ns: int) -> None:
        """As `Datapath.engage`."""
        self._deadlines.put(_INDEX.pack(cpu), _DEADLINE.pack(until_ns))

    def cpu_counts(self) -> list[CpuCounts]:
        """As `Datapath.cpu_counts`."""
        copies = map(_CPU_COUNTS.unpack, self._cpu_counts.copies(_INDEX.pack(0)))
        return [CpuCounts(frames=frames, dropped=drops) for frames, drops in copies]

    def guest_counts(self, slot: int) -> Counts:
        """As `Datapath.guest_counts`."""
        copies = self._guest_counts.copies(_INDEX.pack(slot))
        sums = map(sum, zip(*map(_GUEST_COUNTS.unpack, copies), strict=True))
        passed, dropped, probed, unread = sums
        return Counts(passed=passed, dropped=dropped, probed=probed, unread=unread)

    def fill(self, slot: int) -> Fill:
        """As `Datapath.fill`."""
        raw = self._fills.get(_INDEX.pack(slot)) or bytes(_FILL.size)
        _, _, congested, queues = _FILL.unpack(raw)
        return Fill(congested=bool(congested), queues=queues)

    def group_counts(self, port: int) -> GroupCounts:
        """As `Datapath.group_counts`."""
        raw = self._ports.get(_INDEX.pack(port)) or bytes(_PORT.size)
        *_, passed, dropped = _PORT.unpack(raw)
        return GroupCounts(passed=passed, dropped=dropped)

    def close(self) -> None:
        """As `Datapath.close`."""
        self._object.close()

    def _attach(self, ifindex: int) -> PortLink:
        try:
            file = libbpf.attach_xdp(self.program, ifindex, _DRV_MODE)
            return PortLink(file=file, native=True)
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.EEXIST):
                raise _occupied() from None
        # The driver has no XDP, or not with its present MTU: the network core has.
        try:
            file = libbpf.attach_xdp(self.program, ifindex, _SKB_MODE)
            return PortLink(file=file, native=False)
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.EEXIST):
                raise _occupied() from None
            raise GuardError(
                f"the kernel refuses an XDP program on this port: {error.strerror}",
                hint="`ip link` tells what it is; docs/xdp.md, 'What is refused'",
                code=error.errno or 0,
            ) from None


def can_cast() -> bool:
    """Say whether rings can be read the faster way."""
    return libbpf.kernel_has(functions=("bpf_rdonly_cast",), structs=("ptr_ring",))


def kernel_lacks() -> SetupError | None:
    """Return what this kernel lacks for the guard, as the error it would be."""
    if not (_BTF / "vmlinux").exists():
        return SetupError(
            "this kernel has no type information (BTF), which the guard reads it with",
            hint="a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions build it",
        )
    if not (_BTF / "tun").exists() and not libbpf.kernel_has(structs=("tun_struct",)):
        return SetupError(
            "the module tun is not loaded, or has no type information (BTF)",
            hint="sudo modprobe tun; the kernel needs CONFIG_DEBUG_INFO_BTF_MODULES=y",
        )
    return None


def _hint(code: int) -> str:
    with suppress(OSError):
        if "[confidentiality]" in _LOCKDOWN.read_text():
            return (
                "the kernel is locked down (confidentiality) and lets no program read "
                "its memory; lockdown=integrity does"
            )
    if code == errno.EPERM:
        return "it needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_ADMIN"
    return "see docs/xdp.md, 'What it needs'"


def _occupied() -> GuardError:
    return GuardError(
        "another XDP program sits on this port",
        hint="`ip link` shows it (prog/xdp); another keeper's in another name space of "
        "processes counts too",
        code=errno.EBUSY,
    )
