# SPDX-License-Identifier: Apache-2.0
"""Puts the modules onto a real host through DKMS, and takes them away again.

    install: sources to /usr/src ─► dkms add ─► build ─► install ─► initramfs (─► reload)
    remove:  dkms remove ─► sources ─► initramfs (─► reload)

What runs stays as it is until the modules are loaded anew: at the next boot, or with
`reload`, which `target.require_reloadable` refuses while something uses them.
"""

import re
import shutil
from contextlib import suppress
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError, SetupError
from vhostaccel.kmod.build import complaints
from vhostaccel.kmod.inuse import module_uses
from vhostaccel.kmod.layout import KMOD, KernelPart
from vhostaccel.kmod.package import NAME, Package, installed_packages, write_package
from vhostaccel.kmod.steps import Step
from vhostaccel.kmod.target import DKMS_HINT, Target
from vhostaccel.lab import storage

_FORCED = f"usr/share/dkms/modules_to_force_install/{NAME}"
_HOOK = f"etc/initramfs-tools/hooks/{NAME}"
_STATUS = re.compile(
    rf"^{NAME}[/,] ?([^,:]+)(?:, ([^,]+), [^:]+)?: (\w+)", re.MULTILINE
)
_BUSY_HINT = "something began to use them; the next boot loads what is installed"
_AGAIN_HINT = "run it again when that is mended; it goes on where it stopped"


def install_steps(
    target: Target, package: Package, part: KernelPart, source: Path, *, reload: bool
) -> list[Step]:
    """Return what installs a package, step by step; nothing if it is installed.

    Raises:
        SetupError: If other sources of the same version are installed.
    """
    folder = target.root / package.folder
    if folder.exists() and installed_packages(target.root)[folder] != package:
        raise SetupError(
            f"cannot install: {folder} holds other sources of this version",
            hint="run `vhostaccel kmod remove` first",
        )
    known = dkms_status(target).get(package.version)
    if known is not None and known.get(target.kernel) == "installed":
        return []
    steps = [_ending_as_before(target, reload=reload)]
    if not folder.exists():
        steps.append(_write_sources(package, part, source, folder))
    steps.append(_force(target))
    if target.has("update-initramfs"):
        steps.append(_hook(target))
    if known is None:
        steps.append(_add(target, package))
    steps += [_build(target, package), _install(target, package)]
    steps += initramfs_steps(target, [target.kernel])
    return [*steps, *reload_steps(target)] if reload else steps


def remove_steps(target: Target, *, reload: bool) -> list[Step]:
    """Return what takes every version of the package away; nothing if there is none.

    Each step may be done again, so a removal that was cut short is repeated.
    """
    status = dkms_status(target)
    steps = [_forget(target, version) for version in status]
    steps += [_remove(folder) for folder in installed_packages(target.root)]
    written = [target.root / _FORCED, target.root / _HOOK]
    steps += [_remove(path) for path in written if path.exists()]
    kernels = {kernel for kernels in status.values() for kernel in kernels}
    steps += initramfs_steps(target, sorted(kernels))
    if reload and steps:
        before = _ending_as_before(target, reload=True)
        return [before, *steps, *reload_steps(target)]
    return steps


def initramfs_steps(target: Target, kernels: list[str]) -> list[Step]:
    """Return what makes boot archives anew: a NIC's driver is loaded from there."""
    return [
        Step(
            what=f"update-initramfs -u -k {kernel}",
            do=lambda kernel=kernel: _update_initramfs(target, kernel),  # type: ignore[misc]
        )
        for kernel in kernels
        if target.has("update-initramfs") and _initramfs(target, kernel).exists()
    ]


def reload_steps(target: Target) -> list[Step]:
    """Return what unloads the modules that are loaded, and loads what is installed.

    When one of the steps fails, `_ending_as_before` loads what is missing.
    """
    loaded = _loaded(target)
    if not loaded:
        return []
    unload = ["modprobe", "-r", *reversed(loaded)]
    load = _load_argv(loaded)
    return [
        Step(
            what=command.shown(unload),
            do=lambda: target.run(unload, hint=_BUSY_HINT),
        ),
        Step(
            what=command.shown(load),
            do=lambda: target.run(load, hint=_BUSY_HINT),
            undo=lambda: target.run(unload, hint=_BUSY_HINT, check=False),
        ),
    ]


def dkms_status(target: Target) -> dict[str, dict[str, str]]:
    """Return the versions that DKMS knows, and for each the state by kernel."""
    if not target.has("dkms"):
        return {}
    listed = target.run(["dkms", "status", NAME], hint=DKMS_HINT, check=False)
    found: dict[str, dict[str, str]] = {}
    for version, kernel, state in _STATUS.findall(listed.output):
        kernels = found.setdefault(version, {})
        if kernel:
            kernels[kernel] = state
    return found


# Registered first, so undone last: when the kernel's own modules are back in place.
def _ending_as_before(target: Target, *, reload: bool) -> Step:
    archive = _initramfs(target, target.kernel)
    made = archive.stat().st_mtime_ns if archive.exists() else None
    loaded = _loaded(target) if reload else []

    def restore() -> None:
        if made is not None and archive.stat().st_mtime_ns != made:
            _update_initramfs(target, target.kernel)
        if loaded:
            target.run(_load_argv(loaded), hint=_BUSY_HINT)

    return Step(
        what="note what is there, should it have to be restored",
        do=lambda: None,
        undo=restore,
    )


def _write_sources(
    package: Package, part: KernelPart, source: Path, folder: Path
) -> Step:
    def write() -> None:
        with storage.atomic_folder(folder) as partial:
            write_package(package, part, source, partial)

    return Step(
        what=f"write {folder}: sources of {package.source} with our changes",
        do=write,
        undo=lambda: shutil.rmtree(folder, ignore_errors=True),
    )


# DKMS leaves a module of the kernel alone unless ours has a higher version, and these
# have none; that would also hold for every kernel that is installed later.
def _force(target: Target) -> Step:
    path = target.root / _FORCED
    return Step(
        what=f"write {path}: DKMS may replace the kernel's own modules",
        do=lambda: storage.write_atomic(path, f"{NAME}_version-override\n".encode()),
        undo=_remove(path).do,
    )


def _hook(target: Target) -> Step:
    path = target.root / _HOOK

    def write() -> None:
        storage.write_atomic(path, (KMOD / "initramfs-hook").read_bytes())
        path.chmod(0o755)

    return Step(
        what=f"write {path}: the boot archive keeps igb",
        do=write,
        undo=_remove(path).do,
    )


def _add(target: Target, package: Package) -> Step:
    return Step(
        what=f"dkms add {package.label}",
        do=lambda: _dkms(target, "add", package.label),
        undo=_forget(target, package.version).do,
    )


def _build(target: Target, package: Package) -> Step:
    argv = ["dkms", "build", package.label, "-k", target.kernel]

    def build() -> None:
        done = target.run(argv, hint=DKMS_HINT, timeout_s=1800, check=False)
        if done.status != 0:
            log = target.root / "var/lib/dkms" / package.label / "build/make.log"
            told = log.read_text(errors="replace") if log.exists() else done.output
            raise ProvideError(
                f"`{command.shown(argv)}` failed:\n    {complaints(told)}",
                hint=f"the compiler of kernel {target.kernel} must be installed, and "
                "sources and headers be of one series",
            )

    return Step(what=command.shown(argv), do=build)


def _install(target: Target, package: Package) -> Step:
    argv = [package.label, "-k", target.kernel]
    return Step(
        what=f"dkms install {' '.join(argv)}",
        do=lambda: _dkms(target, "install", *argv),
        # Also when DKMS knew this version before, for other kernels.
        undo=lambda: _dkms(target, "uninstall", *argv, check=False),
    )


def _forget(target: Target, version: str) -> Step:
    label = f"{NAME}/{version}"

    def forget() -> None:
        if version in dkms_status(target):
            _dkms(target, "remove", label, "--all")

    return Step(what=f"dkms remove {label} --all", do=forget)


def _remove(path: Path) -> Step:
    def remove() -> None:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
            _tidy(path)

    return Step(what=f"remove {path}", do=remove)


# DKMS itself brings no folders for the file that `_force` writes.
def _tidy(path: Path) -> None:
    if path.as_posix().endswith(_FORCED):
        for folder in path.parents[:2]:
            with suppress(OSError):
                folder.rmdir()


def _dkms(target: Target, verb: str, *arguments: str, check: bool = True) -> None:
    argv = ["dkms", verb, *arguments]
    target.run(argv, hint=_AGAIN_HINT, timeout_s=1800, check=check)


def _update_initramfs(target: Target, kernel: str) -> None:
    argv = ["update-initramfs", "-u", "-k", kernel]
    target.run(argv, hint=_AGAIN_HINT, timeout_s=1800)


def _initramfs(target: Target, kernel: str) -> Path:
    return target.root / "boot" / f"initrd.img-{kernel}"


def _loaded(target: Target) -> list[str]:
    return [use.name for use in module_uses(target.root) if use.loaded]


# nai comes with those that need it, and the kernel's own need none.
def _load_argv(loaded: list[str]) -> list[str]:
    return ["modprobe", "-a", *(name for name in loaded if name != "nai")]
