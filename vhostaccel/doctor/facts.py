# SPDX-License-Identifier: Apache-2.0
"""What is seen on a host; looking changes nothing and asks no network."""

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from vhostaccel import command
from vhostaccel.errors import VhostAccelError
from vhostaccel.guard.build import find_object
from vhostaccel.guard.datapath import can_cast, kernel_lacks
from vhostaccel.lab import storage
from vhostaccel.lab.kernel import Kernel, find_kernel, module_compiler
from vhostaccel.lab.kvm import Kvm, look_at_kvm

PROGRAMS: Mapping[str, str] = {
    "libvirtd": "libvirt-daemon",
    "virsh": "libvirt-clients",
    "gcc": "gcc",
    "make": "make",
    "pahole": "pahole",
    "depmod": "kmod",
    "patch": "patch",
    "strip": "binutils",
    "zstd": "zstd",
    "xz": "xz-utils",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
}
"""Programs that the lab is built with and run by, and the Debian package of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFacts:
    """What the mode xdp finds here."""

    lacks_program: str | None
    """Why its program cannot be loaded on any kernel, or None."""
    lacks_kernel: str | None
    """What this host's own kernel lacks, or None."""
    casts: bool
    """Whether this host's own kernel lets it read rings the faster way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was seen on a host."""

    is_root: bool
    qemu_version: tuple[int, ...] | None
    qemu_has_igb: bool
    kvm: Kvm
    programs: Mapping[str, Path | None]
    libvirt_qemu_driver: Path | None
    busybox: Path | None
    busybox_is_static: bool
    kernel: Kernel | None
    kernel_compiler: Path | None
    has_nai: bool
    """Whether this host's own kernel has the module nai loaded."""
    guard: GuardFacts
    absent_distributions: tuple[str, ...]
    """Python distributions that vhostaccel needs and that are not installed."""
    cache: Path
    disk_free_bytes: int
    memory_bytes: int
    """Memory that could be given to the lab now."""
    cpus: int


def look() -> Facts:
    """Gather the facts about this host."""
    busybox = _program("busybox")
    kernel = _kernel()
    cache = storage.cache_dir()
    return Facts(
        is_root=os.geteuid() == 0,
        qemu_version=qemu_version(_output(["qemu-system-x86_64", "--version"])),
        qemu_has_igb='"igb"' in _output(["qemu-system-x86_64", "-device", "help"]),
        kvm=look_at_kvm(),
        programs={name: _program(name) for name in PROGRAMS},
        libvirt_qemu_driver=_first(
            Path("/usr/lib").glob("*/libvirt/connection-driver/libvirt_driver_qemu.so")
        ),
        busybox=busybox,
        busybox_is_static=busybox is not None and is_static(busybox.read_bytes()),
        kernel=kernel,
        kernel_compiler=None if kernel is None else _compiler(kernel),
        has_nai=Path("/sys/module/nai").is_dir(),
        guard=_look_at_guard(),
        absent_distributions=_absent_distributions(),
        cache=cache,
        disk_free_bytes=storage.free_bytes(cache),
        memory_bytes=psutil.virtual_memory().available,
        cpus=len(os.sched_getaffinity(0)),
    )


def qemu_version(text: str) -> tuple[int, ...] | None:
    """Read `qemu-system-x86_64 --version`; None when there was no such output."""
    found = re.search(r"version (\d+)\.(\d+)\.(\d+)", text)
    return None if found is None else tuple(int(part) for part in found.groups())


def is_static(program: bytes) -> bool:
    """Return whether an ELF program needs no dynamic linker, hence runs in a guest."""
    # The linker's path is in the PT_INTERP segment, which linkers put first.
    return program.startswith(b"\x7fELF") and b"/ld-linux" not in program[:4096]


def _look_at_guard() -> GuardFacts:
    try:
        find_object()
        lack = kernel_lacks()
        casts = can_cast()
    except VhostAccelError as error:
        return GuardFacts(lacks_program=error.what, lacks_kernel=None, casts=False)
    lacks_kernel = None if lack is None else lack.what
    return GuardFacts(lacks_program=None, lacks_kernel=lacks_kernel, casts=casts)


def _program(name: str) -> Path | None:
    # An ordinary user's PATH lacks the folders where daemons are.
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    return None if found is None else Path(found)


def _output(argv: list[str]) -> str:
    try:
        return command.run(argv, hint="make setup", timeout_s=30, check=False).output
    except VhostAccelError:
        return ""


# An unreadable cache is as good as none: set-up makes it anew.
def _kernel() -> Kernel | None:
    try:
        return find_kernel()
    except OSError:
        return None


def _compiler(kernel: Kernel) -> Path | None:
    try:
        return _program(module_compiler(kernel))
    except (OSError, VhostAccelError):
        return None


def _absent_distributions() -> tuple[str, ...]:
    try:
        required = metadata.requires("vhostaccel") or []
    except metadata.PackageNotFoundError:
        return ("vhostaccel",)
    names = [text for text in required if "extra ==" not in text]
    return tuple(name for name in names if not _is_installed(name))


def _is_installed(requirement: str) -> bool:
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _first(paths: Iterable[Path]) -> Path | None:
    return next(iter(sorted(paths)), None)
