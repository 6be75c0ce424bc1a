# SPDX-License-Identifier: Apache-2.0
"""The sources as DKMS takes them: /usr/src/vhostaccel-<version>."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from vhostaccel import __version__
from vhostaccel.kmod.layout import KMOD, KernelPart
from vhostaccel.kmod.tree import assemble
from vhostaccel.lab.kernel import SERIES
from vhostaccel.lab.storage import hash_key

NAME = "vhostaccel"
_MANIFEST = "vhostaccel.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A version of the sources; two with one key are the same."""

    version: str
    source: str
    """The version of the kernel's source that they come from."""
    key: str

    @property
    def label(self) -> str:
        """Return what DKMS calls it."""
        return f"{NAME}/{self.version}"

    @property
    def folder(self) -> str:
        """Return where it belongs, below the root folder."""
        return f"usr/src/{NAME}-{self.version}"


def describe_package(
    part: KernelPart, package_version: str, kmod: Path = KMOD
) -> Package:
    """Return the package that is made of our files and a version of the source."""
    conf = (kmod / "dkms.conf").read_bytes()
    return Package(
        version=__version__,
        source=package_version,
        key=hash_key(package_version, conf, *part.for_hosts.content),
    )


def dkms_conf(version: str, kmod: Path = KMOD) -> str:
    """Return the text of dkms.conf for a version."""
    series = rf"^{re.escape(SERIES)}\."
    text = (kmod / "dkms.conf").read_text()
    return text.replace("@VERSION@", version).replace("@SERIES@", series)


def write_package(
    package: Package, part: KernelPart, source: Path, folder: Path
) -> None:
    """Fill a folder with the package.

    Raises:
        SetupError: If the source lacks a file.
        ProvideError: If a patch does not apply.
    """
    assemble(part.for_hosts, source, folder)
    (folder / "dkms.conf").write_text(dkms_conf(package.version))
    manifest = {
        "version": package.version,
        "source": package.source,
        "key": package.key,
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def installed_packages(root: Path) -> dict[Path, Package | None]:
    """Return the folders that packages of ours are in, and what is known of each."""
    return {
        folder: _read(folder) for folder in sorted(root.glob(f"usr/src/{NAME}-[0-9]*"))
    }


def _read(folder: Path) -> Package | None:
    try:
        return Package(**json.loads((folder / _MANIFEST).read_text()))
    except (OSError, ValueError, TypeError):
        return None
