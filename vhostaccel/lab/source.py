# SPDX-License-Identifier: Apache-2.0
"""The kernel's source: of 1.6 GB only the parts that the kernel side is built from.

kernel/6.12.117+deb12-amd64.source/    the parts, fetched when first asked for
kernel/6.12.117+deb12-amd64.source/parts    their names
"""

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError
from vhostaccel.lab import storage
from vhostaccel.lab.kernel import SERIES, Kernel, blame_disk, source_folder
from vhostaccel.lab.packages import unpack

PARTS = (
    # Built again, with our hunks.
    "drivers/vhost",
    "drivers/net/tun.c",
    "drivers/net/tap.c",
    "drivers/net/ethernet/intel/igb",
    # Where new files are made known.
    "Documentation/netlink",
    "Documentation/networking/index.rst",
    "MAINTAINERS",
    "drivers/net/Kconfig",
    "drivers/net/Makefile",
    "drivers/net/ethernet/intel/Kconfig",
    "include",
    "net/Kconfig",
    "net/Makefile",
    # Checks and generators.
    ".clang-format",
    "LICENSES",
    "scripts",
    "tools/net/ynl",
    # What the selftests are built and run with.
    "tools/testing/selftests/Makefile",
    "tools/testing/selftests/drivers/net/lib",
    "tools/testing/selftests/kselftest.h",
    "tools/testing/selftests/kselftest_harness.h",
    "tools/testing/selftests/lib.mk",
    "tools/testing/selftests/net/lib",
    "tools/testing/selftests/net/ynl.mk",
    # checkpatch.pl works only in what looks like a whole tree.
    "COPYING",
    "CREDITS",
    "Kbuild",
    "Kconfig",
    "Makefile",
    "README",
    "arch/Kconfig",
    "fs/Kconfig",
    "init/Kconfig",
    "ipc/Makefile",
    "kernel/Makefile",
    "lib/Kconfig",
)
"""Files and folders of the source that are unpacked, relative to its top."""

_PEAK_BYTES = 450 << 20
"""Package and archive, or archive and parts: the larger of the two, and some room."""
_WHOLE_BYTES = 2200 << 20
"""All of it, and its archive."""


def provide_source(kernel: Kernel, report: Callable[[str], None]) -> Kernel:
    """Return the kernel with the parts of its source, downloaded the first time.

    Raises:
        StorageError: If they do not fit on the disk.
        ProvideError: If the download or the unpacking failed.
    """
    target = source_folder(kernel.version)
    if _holds_all(target):
        return replace(kernel, source=target)
    storage.require_space(target, _PEAK_BYTES, f"source of {kernel.version}")
    report(f"kernel source {kernel.package_version}: downloading into {target}")
    # One that holds fewer parts was made by an older version of this file.
    shutil.rmtree(target, ignore_errors=True)
    with storage.atomic_folder(target) as folder:
        try:
            _download(kernel, folder)
            archive = folder / "usr/src" / f"linux-source-{SERIES}.tar.xz"
            extract(archive, folder, PARTS)
        except ProvideError as error:
            raise blame_disk(error, target) from error
        shutil.rmtree(folder / "usr")
        (folder / "parts").write_text(_listed(PARTS))
    return replace(kernel, source=target)


def provide_whole_source(
    kernel: Kernel, target: Path, report: Callable[[str], None]
) -> Path:
    """Return a folder with all of the kernel's source, downloaded the first time.

    Args:
        kernel: whose source it is to be.
        target: the folder; what others have changed in it stays.
        report: is told what is made.

    Raises:
        StorageError: If it does not fit on the disk.
        ProvideError: If the download or the unpacking failed.
    """
    if target.is_dir():
        return target
    storage.require_space(target, _WHOLE_BYTES, f"whole source of {kernel.version}")
    report(f"whole kernel source {kernel.package_version}: downloading into {target}")
    with storage.atomic_folder(target) as folder:
        package = folder / ".package"
        package.mkdir()
        try:
            _download(kernel, package)
            extract(package / "usr/src" / f"linux-source-{SERIES}.tar.xz", folder)
        except ProvideError as error:
            raise blame_disk(error, target) from error
        shutil.rmtree(package)
    return target


def extract(archive: Path, folder: Path, parts: Iterable[str] = ()) -> None:
    """Unpack the named parts of a source archive, or all, without its top folder.

    Raises:
        ProvideError: If the archive is damaged or lacks a part.
    """
    top = archive.name.partition(".tar")[0]
    command.run(
        ["tar", "-xf", os.fspath(archive), "-C", os.fspath(folder),
         "--strip-components=1", *(f"{top}/{part}" for part in parts)],
        hint="the source could not be unpacked; install xz-utils and try again",
        timeout_s=1800,
    )  # fmt: skip


def _download(kernel: Kernel, folder: Path) -> None:
    try:
        unpack([f"linux-source-{SERIES}={kernel.package_version}"], folder)
    except ProvideError as error:
        # A mirror keeps the newest only, so an old kernel's source disappears.
        raise type(error)(
            error.what,
            hint=f"{error.hint}; if the mirror has a newer kernel only, remove "
            f"{kernel.root} and run `make setup`, which takes the newest of both",
        ) from error


def _holds_all(folder: Path) -> bool:
    """Tell whether each part is there; one that was unpacked for a newer list will do."""
    return all((folder / part).exists() for part in ("parts", *PARTS))


def _listed(parts: Iterable[str]) -> str:
    return "".join(f"{part}\n" for part in parts)
