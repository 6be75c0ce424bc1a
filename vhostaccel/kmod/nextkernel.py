# SPDX-License-Identifier: Apache-2.0
"""The source of a newer kernel, to which the series has to apply as well.

kernel/7.2.13-1.next/tree           all of it, in the cache folder, to build in
kernel/7.2.13-1.next/parts-<key>    the parts that our hunks are in, as they are
kernel/7.2.13-1.next/*.tar.xz       what both are made of

It is Debian's, of a release that this host need not have among its suites; so it is
named by version and hash and taken from the pool of the host's own mirror.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError
from vhostaccel.lab import storage
from vhostaccel.lab.packages import unpack_file
from vhostaccel.lab.source import PARTS, extract

NEXT_SERIES = "7.2"
_ARCHIVE = f"linux-source-{NEXT_SERIES}.tar.xz"
_HELPER = "/usr/lib/apt/apt-helper"
_PEAK_BYTES = 2300 << 20


@dataclass(frozen=True, slots=True)
class Pin:
    """One package that will do."""

    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NextKernel:
    """The newer kernel's source."""

    tree: Path
    """All of it; what others have changed in it stays."""
    parts: Path
    """The parts that `lab.source` names, pristine."""


# A mirror drops a version when a release has moved on: then add the new one here.
PINS = (
    Pin("7.2.13-1", "30a8c5fc63f9028a62e6d7b3f7f43bee67425dbce2a05fceba83f9b87c92083d"),
    Pin(
        "7.2.12-1~bpo13+1",
        "73ca6c22599ba411ab3179642d33501ca2c90174e13c3c8d86e996ea1cbf2a8f",
    ),
)
"""Of Debian unstable, and of the backports to Debian 13; the first is preferred."""


def provide_next(report: Callable[[str], None]) -> NextKernel:
    """Return the newer kernel's source, downloaded the first time.

    Raises:
        StorageError: If it does not fit on the disk.
        ProvideError: If no mirror of this host has any of the packages.
    """
    for pin in PINS:
        if _folder(pin).is_dir():
            return _read(pin)
    storage.require_space(_folder(PINS[0]), _PEAK_BYTES, f"source of {NEXT_SERIES}")
    mirrors, refused = find_mirrors(), []
    for pin in PINS:
        for mirror in mirrors:
            report(f"kernel source {pin.version}: downloading from {mirror}")
            try:
                _provide(pin, mirror)
            except ProvideError as error:
                refused.append(error.what)
            else:
                return _read(pin)
    raise ProvideError(
        f"no mirror has the source of Linux {NEXT_SERIES}: {'; '.join(refused)}",
        hint="name a version that `apt-cache policy` of Debian unstable shows, with "
        "its SHA256, in PINS of vhostaccel/kmod/nextkernel.py",
    )


def find_mirrors() -> tuple[str, ...]:
    """Return the addresses of the repositories that this host's apt uses, each once."""
    done = command.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        hint="the source comes from a Debian mirror: use Debian 12 or 13",
    )
    return tuple(dict.fromkeys(done.output.split()))


def package_url(mirror: str, pin: Pin) -> str:
    """Return where a repository keeps the package, if it has it."""
    name = f"linux-source-{NEXT_SERIES}_{pin.version}_all.deb"
    return f"{mirror.rstrip('/')}/pool/main/l/linux/{name}"


def fetch(url: str, sha256: str, folder: Path) -> None:
    """Download a package that is known by its hash, and unpack it into a folder.

    Raises:
        ProvideError: If it is not there, is another one, or cannot be unpacked.
    """
    package = folder / url.rpartition("/")[2]
    command.run(
        [_HELPER, "download-file", url, os.fspath(package), f"SHA256:{sha256}"],
        hint="see `apt-get update`",
        timeout_s=1800,
    )
    unpack_file(package, folder)
    package.unlink()


def _provide(pin: Pin, mirror: str) -> None:
    with storage.atomic_folder(_folder(pin)) as folder:
        unpacked = folder / ".package"
        unpacked.mkdir()
        fetch(package_url(mirror, pin), pin.sha256, unpacked)
        archive = (unpacked / "usr/src" / _ARCHIVE).rename(folder / _ARCHIVE)
        shutil.rmtree(unpacked)
        (folder / "tree").mkdir()
        extract(archive, folder / "tree")


def _read(pin: Pin) -> NextKernel:
    folder = _folder(pin)
    # Named by what it holds: an older version of this project wanted fewer parts.
    parts = folder / f"parts-{storage.hash_key(*PARTS)}"
    if not parts.is_dir():
        for stale in folder.glob("parts-*"):
            shutil.rmtree(stale, ignore_errors=True)
        with storage.atomic_folder(parts) as unpacked:
            extract(folder / _ARCHIVE, unpacked, PARTS)
    return NextKernel(tree=folder / "tree", parts=parts)


def _folder(pin: Pin) -> Path:
    return storage.cache_dir() / "kernel" / f"{pin.version}.next"
