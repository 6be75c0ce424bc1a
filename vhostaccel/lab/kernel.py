# SPDX-License-Identifier: Apache-2.0
"""The kernel under test: the distribution's newest 6.12, downloaded and never installed.

Its packages are unpacked below the cache folder::

    kernel/6.12.117+deb12-amd64/    image, modules, headers, kbuild, as the packages
                                    hold them, plus `packages`: which ones these are
    kernel/6.12.117+deb12-amd64.source/    parts of the source: see source.py
    modules/<name>-<key>/           modules built out of tree against it
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError, SetupError
from vhostaccel.lab import storage
from vhostaccel.lab.packages import index_modules, unpack

SERIES = "6.12"
"""One series is supported at a time: the patches touch drivers that move."""

_UNPACKED_BYTES = 600 << 20
_FULL_BYTES = 8 << 20
_VERSION = re.compile(rf"({re.escape(SERIES)}\.\d+\+[a-z]+\d*)")
_BUILD_LEFTOVERS = shutil.ignore_patterns(
    "*.o", "*.ko", "*.mod", "*.mod.c", ".*.cmd", "Module.symvers", "modules.order"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugBuild:
    """What a debug kernel was made of."""

    config: str
    """Its configuration, by name: ``kasan``."""
    key: str
    """Names all inputs: configuration, source, series, compiler."""
    patience: float
    """How many times longer than usual everything in it may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel of the cache, ready to boot and to build modules against."""

    version: str
    """What `uname -r` prints under it."""
    package_version: str
    """The version of its Debian packages, as `6.12.117-1~deb12u1`."""
    image: Path
    """The vmlinuz file."""
    modules: Path
    """The folder lib/modules/<version>."""
    headers: Path
    """The folder for `make -C` of an out-of-tree build."""
    source: Path | None
    """The parts of the source, where `source.provide_source` has fetched them."""
    debug: DebugBuild | None = None
    """None for the distribution's; a debug kernel has the project's modules inside."""

    @property
    def patience(self) -> float:
        """Return how many times longer than usual everything in it may take."""
        return self.debug.patience if self.debug else 1.0

    @property
    def label(self) -> str:
        """Return its version, and for a debug kernel which build of it."""
        return self.version + (f" (key {self.debug.key})" if self.debug else "")

    @property
    def root(self) -> Path:
        """Return the folder that holds lib/modules, as `depmod -b` takes it."""
        return self.modules.parents[2]


def find_kernel(version: str | None = None) -> Kernel | None:
    """Return the newest kernel in the cache, or None; asks no network.

    Args:
        version: the only one to be found, as `uname -r` prints it.
    """
    found = [
        folder.name
        for folder in _kernels().glob(f"{SERIES}.*-amd64")
        if version in (None, folder.name)
    ]
    return _read(_kernels() / max(found, key=_age)) if found else None


def provide_kernel(report: Callable[[str], None], version: str | None = None) -> Kernel:
    """Return the cached kernel; the first time, download and unpack it.

    Args:
        report: is told what is made.
        version: the one wanted, as `uname -r` prints it; the newest if None.

    Raises:
        SetupError: If apt offers no kernel of the series, or not the one wanted.
        StorageError: If it does not fit on the disk.
        ProvideError: If a download or an unpacking failed.
    """
    cached = find_kernel(version)
    if cached is not None:
        return cached
    packages = newest_packages(_only(version, _offered()))
    target = _kernels() / packages[0].removeprefix("linux-image-").removesuffix(
        "-unsigned"
    )
    storage.require_space(target, _UNPACKED_BYTES, f"kernel {target.name}")
    report(f"kernel {target.name}: downloading and unpacking into {target}")
    with storage.atomic_folder(target) as folder:
        try:
            unpack(packages, folder)
            make_relocatable(folder)
            index_modules(folder, target.name)
        except ProvideError as error:
            raise blame_disk(error, target) from error
    return _read(target)


def build_module(
    kernel: Kernel, source_dir: Path, report: Callable[[str], None]
) -> Path:
    """Build the modules of a folder out of tree, once for each state of their sources.

    Returns:
        The folder of the cache that holds the .ko files.

    Raises:
        SetupError: If the kernel's compiler is missing.
        ProvideError: If the build failed; the message ends with what it printed.
    """
    compiler = module_compiler(kernel)
    version = command.run(
        [compiler, "--version"], hint=f"install {compiler.rpartition('-gnu-')[2]}"
    ).output
    key = source_key(source_dir, kernel.package_version, version)
    target = storage.cache_dir() / "modules" / f"{source_dir.name}-{key}"
    if target.is_dir():
        return target
    report(f"module {source_dir.name}: building for {kernel.version}")
    with storage.atomic_folder(target) as folder:
        shutil.copytree(source_dir, folder, ignore=_BUILD_LEFTOVERS, dirs_exist_ok=True)
        command.run(
            build_argv(kernel, folder),
            hint=f"the sources are in {source_dir}; `vhostaccel doctor` lists the tools",
        )
    return target


def build_argv(kernel: Kernel, folder: Path) -> list[str]:
    """Return the kbuild command that makes the modules of ``folder``."""
    return [
        "make", "--no-print-directory", f"-j{os.cpu_count() or 1}",
        "-C", os.fspath(kernel.headers), f"M={folder}", "modules",
    ]  # fmt: skip


def module_compiler(kernel: Kernel) -> str:
    """Return the compiler that the kernel was built with, as kbuild will call it."""
    text = (kernel.headers / ".kernelvariables").read_text()
    compiler = re.search(r"^CC\s*[:?]?=.*?(\S*gcc-\d+)\s*$", text, re.MULTILINE)
    prefix = re.search(r"CROSS_COMPILE\s*=\s*(\S+)", text)
    if compiler is None:
        raise SetupError(
            f"cannot read the compiler of kernel {kernel.version} from its "
            ".kernelvariables",
            hint=f"remove {kernel.root} and run `make setup` again",
        )
    name = compiler[1].removeprefix("$(CROSS_COMPILE)")
    return f"{prefix[1] if prefix else ''}{name}"


def source_key(source_dir: Path, *also: str) -> str:
    """Return a short hash of a folder's sources and whatever else decides the result."""
    parts: list[bytes | str] = list(also)
    for path in sorted(source_dir.rglob("*")):
        folder = os.fspath(path.parent)
        if path.is_file() and path.name not in _BUILD_LEFTOVERS(folder, [path.name]):
            parts += [os.fspath(path.relative_to(source_dir)), path.read_bytes()]
    return storage.hash_key(*parts)


def newest_packages(offered: Iterable[str]) -> list[str]:
    """Return the packages of the newest kernel for which all four are offered.

    Only the plain amd64 flavour counts: rt and cloud kernels schedule and drive
    differently. Secure boot's signed image is taken before the unsigned one.

    Raises:
        SetupError: If no kernel of the series is offered in full.
    """
    names = set(offered)
    for base in sorted(_bases(names), key=_age, reverse=True):
        rest = [
            f"linux-headers-{base}-amd64",
            f"linux-headers-{base}-common",
            f"linux-kbuild-{base}",
        ]
        for image in (
            f"linux-image-{base}-amd64",
            f"linux-image-{base}-amd64-unsigned",
        ):
            if {image, *rest} <= names:
                return [image, *rest]
    raise SetupError(
        f"apt offers no complete kernel of the {SERIES} series for amd64",
        hint="run `sudo apt-get update`; Debian 12 has it in its security suite, "
        "Debian 13 in main (`make setup` sees to both)",
    )


def make_relocatable(root: Path) -> None:
    """Let unpacked headers work where they are: their paths expect an installed package.

    kbuild is reached through an absolute include, and modules/<version>/build
    through an absolute link; both are made relative to the file that holds them.
    """
    if (root / "usr/lib/modules").is_dir() and not (root / "lib").exists():
        # Debian 13 packs below usr/lib only; depmod -b and the lab look in lib.
        (root / "lib").symlink_to("usr/lib")
    here = "$(dir $(abspath $(lastword $(MAKEFILE_LIST))))../"
    for makefile in root.glob("usr/src/linux-headers-*-amd64/Makefile"):
        text = makefile.read_text()
        makefile.write_text(text.replace("include /usr/src/", f"include {here}"))
    for link in root.glob("**/lib/modules/*/*"):
        if link.is_symlink() and os.fspath(link.readlink()).startswith("/usr/"):
            inside = root / os.fspath(link.readlink()).removeprefix("/")
            link.unlink()
            link.symlink_to(os.path.relpath(inside, link.parent.resolve()))


def _kernels() -> Path:
    return storage.cache_dir() / "kernel"


def source_folder(version: str) -> Path:
    """Return where the source of a kernel is kept; it need not exist."""
    return _kernels() / f"{version}.source"


def _read(folder: Path) -> Kernel:
    version = folder.name
    packages = (folder / "packages").read_text().split()
    source = source_folder(version)
    return Kernel(
        version=version,
        package_version=packages[0].partition("=")[2],
        image=folder / "boot" / f"vmlinuz-{version}",
        modules=folder / "lib/modules" / version,
        headers=folder / "usr/src" / f"linux-headers-{version}",
        source=source if source.is_dir() else None,
    )


def _offered() -> list[str]:
    pattern = rf"^linux-(image|headers|kbuild)-{re.escape(SERIES)}\."
    listed = command.run(
        ["apt-cache", "search", "--names-only", pattern],
        hint="the kernel comes from a Debian mirror: use Debian 12 or 13",
    )
    return [line.partition(" ")[0] for line in listed.output.splitlines()]


def _only(version: str | None, offered: list[str]) -> list[str]:
    if version is None:
        return offered
    base = version.removesuffix("-amd64")
    wanted = [name for name in offered if base in _bases([name])]
    if not wanted:
        bases = sorted(_bases(offered), key=_age, reverse=True)
        found = ", ".join(f"{base}-amd64" for base in bases)
        raise SetupError(
            f"kernel {version} is neither in {_kernels()} nor offered by apt",
            hint=f"apt offers: {found or 'none of this series'}",
        )
    return wanted


def _bases(names: Iterable[str]) -> set[str]:
    return {found[1] for name in names if (found := _VERSION.search(name))}


# 6.12.94 is older than 6.12.107, which text order would not see.
def _age(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def blame_disk(error: ProvideError, target: Path) -> ProvideError:
    """Return the error, or the full disk behind it: dpkg-deb and tar tell that badly."""
    if storage.free_bytes(target) < _FULL_BYTES or "No space left" in error.what:
        return storage.storage_error(target, OSError(28, "No space left on device"))
    return error
