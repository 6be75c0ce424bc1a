# SPDX-License-Identifier: Apache-2.0
"""The kernels that the guard is tried on, each as Debian built it.

kernel/6.1.0-56-amd64.guard/    image and modules, in the cache folder

6.12 is the lab's. The others are named by version and hash and taken from the pools of
this host's mirrors, for it need not have their releases among its suites. They are
booted, never installed; nothing is built against them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vhostaccel.errors import ProvideError
from vhostaccel.kmod.nextkernel import fetch, find_mirrors
from vhostaccel.lab import storage
from vhostaccel.lab.kernel import SERIES, Kernel, blame_disk, provide_kernel
from vhostaccel.lab.packages import index_modules

_PEAK_BYTES = 900 << 20


@dataclass(frozen=True, slots=True)
class Package:
    """One package of a kernel."""

    path: str
    """In a repository."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A kernel that will do for its series."""

    version: str
    """What ``uname -r`` prints under it."""
    package_version: str
    packages: tuple[Package, ...]


# A mirror drops a version when a release has moved on: then put the new one here.
PINS = {
    "6.1": Pin(
        version="6.1.0-56-amd64",
        package_version="6.1.192-2",
        packages=(
            Package(
                "pool/updates/main/l/linux-signed-amd64/"
                "linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb",
                "a86e2049672f52354c4536a089203b6c82639420424d31c91cf31a181fd4d8f1",
            ),
        ),
    ),
    "7.2": Pin(
        version="7.2.13+deb14-amd64",
        package_version="7.2.13-1",
        packages=(
            Package(
                "pool/main/l/linux-signed-amd64/"
                "linux-binary-7.2.13+deb14-amd64_7.2.13-1_amd64.deb",
                "fb8cd0ade4ef82d9dde1dcf183d4bf4033db1b549b0acc9973855ad9cc48c4f5",
            ),
            Package(
                "pool/main/l/linux/linux-base-7.2.13+deb14-amd64_7.2.13-1_amd64.deb",
                "2b2d3c6e224358c60974d0bc87461da99a85733eb1fec035b5167582c3bede2b",
            ),
            Package(
                "pool/main/l/linux/linux-modules-7.2.13+deb14-amd64_7.2.13-1_amd64.deb",
                "a37a3d200915c4cf524e90c81bbb2a8b683d292cd00873e89c23b2ef32b1bf11",
            ),
        ),
    ),
}
"""Of Debian 12's security suite, and of Debian unstable."""
KERNELS = tuple(sorted((*PINS, SERIES), key=lambda s: [int(n) for n in s.split(".")]))
"""The series, oldest first."""


def provide_guarded_kernel(series: str, report: Callable[[str], None]) -> Kernel:
    """Return a kernel to boot, downloaded the first time.

    Args:
        series: one of `KERNELS`.
        report: is told what is made.

    Raises:
        StorageError: If it does not fit on the disk.
        ProvideError: If no mirror of this host has it.
    """
    if series == SERIES:
        return provide_kernel(report)
    pin = PINS[series]
    target = storage.cache_dir() / "kernel" / f"{pin.version}.guard"
    if not target.is_dir():
        storage.require_space(target, _PEAK_BYTES, f"kernel {pin.version}")
        report(f"kernel {pin.version}: downloading and unpacking into {target}")
        with storage.atomic_folder(target) as folder:
            try:
                for package in pin.packages:
                    _unpack(package, folder)
                _index(pin.version, folder)
            except ProvideError as error:
                raise blame_disk(error, target) from error
    return read_kernel(pin, target)


def read_kernel(pin: Pin, folder: Path) -> Kernel:
    """Return the kernel whose packages were unpacked; headers and source are not there.

    Raises:
        ProvideError: If the packages have another form.
    """
    version = pin.version
    modules = folder / "lib/modules" / version
    # Debian 14 has the image beside the modules.
    images = (folder / "boot" / f"vmlinuz-{version}", modules / "vmlinuz")
    found = [image for image in images if image.exists()]
    lists = (modules / "modules.dep", modules / "modules.builtin")
    if not found or not all(path.exists() for path in lists):
        raise ProvideError(
            f"the packages of kernel {version} in {folder} have another form",
            hint="remove the folder; if it is so again, see vhostaccel/guard/kernels.py",
        )
    return Kernel(
        version=version,
        package_version=pin.package_version,
        image=found[0],
        modules=modules,
        headers=folder / "usr/src" / f"linux-headers-{version}",
        source=None,
    )


def _unpack(package: Package, folder: Path) -> None:
    refused = []
    for mirror in find_mirrors():
        try:
            fetch(f"{mirror.rstrip('/')}/{package.path}", package.sha256, folder)
        except ProvideError as error:
            refused.append(error.what)
        else:
            return
    raise ProvideError(
        f"no mirror has {package.path}: {'; '.join(refused)}",
        hint="name a version that the mirrors have, with its SHA256, in PINS of "
        "vhostaccel/guard/kernels.py",
    )


def _index(version: str, folder: Path) -> None:
    if not (folder / "lib").exists():
        # Debian 14 packs below usr/lib only; depmod -b looks in lib.
        (folder / "lib").symlink_to("usr/lib")
    # Links to headers that are not fetched.
    for stale in ("build", "source"):
        (folder / "lib/modules" / version / stale).unlink(missing_ok=True)
    index_modules(folder, version)
