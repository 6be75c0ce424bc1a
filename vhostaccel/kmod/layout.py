# SPDX-License-Identifier: Apache-2.0
"""Where each file of kmod/ belongs in a kernel tree, and which patches go with them."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vhostaccel.errors import SetupError
from vhostaccel.kmod.patch import Patch, read_patch
from vhostaccel.lab.kernel import SERIES
from vhostaccel.lab.provision import PROJECT

KMOD = PROJECT / "kmod"

MODULES = ("nai", "tun", "vhost_net", "igb")
"""In the order in which they are loaded: each needs only earlier ones."""

TEST_MODULES = ("naisim",)
"""Built like the others, but nothing that a host is to have."""

MODULE_FOLDERS = {
    "nai": "net/nai",
    "tun": "drivers/net",
    "vhost_net": "drivers/vhost",
    "igb": "drivers/net/ethernet/intel/igb",
    "naisim": "drivers/net/naisim",
}
"""Where the build of a tree leaves each module."""

PLACES = {
    "nai": "net/nai",
    "tests": "net/nai/tests",
    "include": "include",
    "vhost": "drivers/vhost",
    "igb": "drivers/net/ethernet/intel/igb",
    "naisim": "drivers/net/naisim",
    "selftests": "tools/testing/selftests/drivers/net/nai",
    "spec": "Documentation/netlink/specs",
    "Documentation": "Documentation",
}
"""Our folder, and the folder of a kernel tree that its files belong to."""

KUNITCONFIG = ".kunitconfig"
"""The kernel's name for what a folder's KUnit suites need."""

_HIDDEN = (KUNITCONFIG, ".gitignore")
"""The only hidden files that are ours."""

_NOT_COMPILED = ("Documentation", "tools")

REBUILT = ("drivers/net/tun.c", "drivers/vhost", "drivers/net/ethernet/intel/igb")
"""What the build takes from the pristine source besides the files that we patch."""

_LEFTOVERS = shutil.ignore_patterns(
    "*.o", "*.ko", "*.mod", "*.mod.c", "*.orig", "*.rej", "*~", ".*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPart:
    """The kernel part as it lies in the project."""

    own: dict[str, Path]
    """Our files by their place in a kernel tree."""
    patches: tuple[Patch, ...]
    """Hunks in files that are not ours, in the order to apply."""
    build_files: dict[str, Path]
    """What an out-of-tree build needs besides, by its place in the assembled tree."""

    @property
    def changed(self) -> tuple[str, ...]:
        """Return the files of the pristine source that we patch."""
        touched = {path for patch in self.patches for path in patch.changes}
        made = {path for patch in self.patches for path in patch.creates}
        return tuple(sorted(touched - made - self.own.keys()))

    @property
    def pristine(self) -> tuple[str, ...]:
        """Return what is copied from the pristine source, files and folders."""
        alone = [path for path in self.changed if not _is_below(path, REBUILT)]
        return (*REBUILT, *alone)

    @property
    def for_hosts(self) -> "KernelPart":
        """Return it without the modules that are for tests; the hunks are harmless."""
        modules = (MODULE_FOLDERS[name] for name in TEST_MODULES)
        tests = (PLACES["tests"], PLACES["selftests"], *modules)
        own = {
            place: path
            for place, path in self.own.items()
            if not _is_below(place, tests)
        }
        return replace(self, own=own)

    @property
    def content(self) -> Iterator[bytes | str]:
        """Yield names and content of all that a build's result depends on, for a key."""
        for place, path in sorted({**self.own, **self.build_files}.items()):
            if not _is_below(place, _NOT_COMPILED):
                yield place
                yield path.read_bytes()
        for patch in self.patches:
            yield patch.name
            yield patch.text


def read_kernel_part(kmod: Path = KMOD) -> KernelPart:
    """Return what kmod/ holds now.

    Raises:
        SetupError: If there is nothing to build, or a patch cannot be read.
    """
    own = {}
    for folder, place in PLACES.items():
        for path in _files(kmod / folder):
            own[f"{place}/{path.relative_to(kmod / folder)}"] = path
    oot = kmod / "oot"
    part = KernelPart(
        own=own,
        patches=tuple(
            read_patch(path)
            for path in sorted((kmod / "patches" / SERIES).glob("*.patch"))
        ),
        build_files={os.fspath(path.relative_to(oot)): path for path in _files(oot)},
    )
    if not part.own or not part.build_files:
        raise SetupError(
            f"cannot build the kernel part: {kmod} is not complete",
            hint="run from a complete clone; `git status` shows what was removed",
        )
    return part


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and (
            path.name in _HIDDEN
            or path.name not in _LEFTOVERS(os.fspath(path.parent), [path.name])
        )
    )


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
