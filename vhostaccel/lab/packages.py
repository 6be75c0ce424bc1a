# SPDX-License-Identifier: Apache-2.0
"""Debian packages: downloaded and unpacked into a folder, never installed."""

import os
import shutil
from pathlib import Path

from vhostaccel import command


def unpack(packages: list[str], folder: Path) -> None:
    """Download packages and unpack them into a folder, with `packages`: which ones.

    Raises:
        ProvideError: If a download or an unpacking failed.
    """
    downloads = folder / "downloads"
    downloads.mkdir()
    command.run(
        ["apt-get", "download", *packages],
        cwd=downloads,
        hint="run `sudo apt-get update` and try again; the network must reach the mirror",
        timeout_s=1800,
    )
    debs = sorted(downloads.glob("*.deb"))
    for deb in debs:
        unpack_file(deb, folder)
    (folder / "packages").write_text(_named(packages, debs))
    shutil.rmtree(downloads)


def unpack_file(package: Path, folder: Path) -> None:
    """Unpack one package into a folder.

    Raises:
        ProvideError: If it cannot be.
    """
    command.run(
        ["dpkg-deb", "-x", os.fspath(package), os.fspath(folder)],
        hint=f"{package.name} could not be unpacked; try again",
    )


def index_modules(root: Path, version: str) -> None:
    """Write the indices that modprobe needs below a folder that holds lib/modules.

    Raises:
        SetupError: If depmod is not installed.
        ProvideError: If it failed.
    """
    command.run(
        # An ordinary user's PATH lacks /sbin.
        ["/sbin/depmod", "-b", os.fspath(root), version],
        hint="sudo apt-get install --no-install-recommends kmod",
    )


# In the order asked for: the first line names the image.
def _named(packages: list[str], debs: list[Path]) -> str:
    versions = {}
    for deb in debs:
        name, version, _ = deb.name.split("_")
        # apt writes an epoch's colon as %3a in file names.
        versions[name] = version.replace("%3a", ":")
    names = [package.partition("=")[0] for package in packages]
    return "".join(f"{name}={versions[name]}\n" for name in names)
