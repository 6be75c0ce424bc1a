# SPDX-License-Identifier: Apache-2.0
"""Debug kernels: the whole source with the series in it, built with detectors.

In the cache folder::

    debug-kernel/source-6.12.117-1~deb12u1/  the whole tree; it follows kmod/
    debug-kernel/build-kasan/       what make leaves; kept, so that the next is quick
    debug-kernel/ccache/            what the compiler made before
    debug-kernel/kasan-<key>/       image, modules, .config; the key names all inputs

The folders' paths stay the same, because ccache hits depend on them.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError, SetupError, UsageError
from vhostaccel.kmod.build import (
    cache_settings,
    cached_compiler,
    compiler_version,
    complaints,
)
from vhostaccel.kmod.coverage import COVERAGE, keep_notes, kernel_options
from vhostaccel.kmod.debug_config import as_text, config_names, configure, read_options
from vhostaccel.kmod.debug_progress import Progress
from vhostaccel.kmod.layout import KMOD, KernelPart, read_kernel_part
from vhostaccel.kmod.whole_tree import follow_part
from vhostaccel.lab import storage
from vhostaccel.lab.kernel import (
    DebugBuild,
    Kernel,
    provide_kernel,
    source_key,
)
from vhostaccel.lab.packages import index_modules
from vhostaccel.lab.source import provide_source, provide_whole_source

COMPANIONS = (KMOD / "anchor", KMOD / "control")
"""Modules that are no part of the series: the lab's own, and the positive controls."""
EXTRA = "extra"
"""The folder of a kernel's modules that they are in."""

_WAITING = "debug kernel: waiting for another build"
_PATIENCE = 5.0
"""The slowest that was seen against the distribution's kernel, a guest's boot."""
_PEAK_BYTES = 2500 << 20
_KEPT = 4
_TOOLS = ("flex", "bison", "bc", "lz4")
_HINT = "`vhostaccel doctor` lists the tools; the sources are in kmod/"
_REPRODUCIBLE = {
    # Else every build has another time in its version, and ccache misses there.
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 2026",
    "KBUILD_BUILD_VERSION": "1",
    "KBUILD_BUILD_USER": "vhostaccel",
    "KBUILD_BUILD_HOST": "lab",
}


def provide_debug_kernel(config: str, report: Callable[[str], None]) -> Kernel:
    """Return a debug kernel with kmod/ as it is now, built if it is not in the cache.

    Args:
        config: its configuration, by name.
        report: is told what is made, and how far it has come.

    Raises:
        UsageError: If there is no such configuration.
        SetupError: If a tool or a source file is missing.
        StorageError: If it does not fit on the disk.
        ProvideError: If an option did not stick, a patch does not apply or the build
            failed.
    """
    if config not in config_names():
        raise UsageError(
            f"there is no debug kernel {config}",
            hint=f"kmod/configs has: {', '.join(config_names())}",
        )
    base = provide_source(provide_kernel(report), report)
    part = read_kernel_part()
    options = read_options(config, part)
    key = storage.hash_key(
        base.package_version,
        compiler_version(base),
        as_text(options),
        *_counted(config, part),
        *part.content,
        *(source_key(folder) for folder in COMPANIONS),
    )
    target = _root() / f"{config}-{key}"
    if not target.is_dir():
        with storage.alone(_root() / "lock", lambda: report(_WAITING)):
            if not target.is_dir():
                _build(config, options, base, part, target, report)
                storage.keep_last_used(_root().glob(f"{config}-*"), _KEPT)
    storage.note_use(target)
    return _as_kernel(
        target, base, DebugBuild(config=config, key=key, patience=_PATIENCE)
    )


def _counted(config: str, part: KernelPart) -> tuple[str, ...]:
    return kernel_options(part) if config == COVERAGE else ()


def companion(kernel: Kernel, name: str) -> Path:
    """Return a module of a debug kernel that is no part of the series."""
    return kernel.modules / EXTRA / f"{name}.ko"


def _root() -> Path:
    return storage.cache_dir() / "debug-kernel"


def _build(
    config: str,
    options: dict[str, str],
    base: Kernel,
    part: KernelPart,
    target: Path,
    report: Callable[[str], None],
) -> None:
    _require_tools()
    storage.require_space(target, _PEAK_BYTES, f"building debug kernel {config}")
    assert base.source is not None
    tree = _root() / f"source-{base.package_version}"
    provide_whole_source(base, tree, report)
    changed = follow_part(part, base.source, tree)
    build = _root() / f"build-{config}"
    build.mkdir(exist_ok=True)
    make = [*_make(tree, build, cached_compiler(base)), *_counted(config, part)]
    configure(make, build, options)
    report(
        f"debug kernel {config}: {len(changed)} files of ours are new to it; building"
    )
    progress = Progress(f"debug kernel {config}", build / "steps", report)
    _run([*make, f"-j{os.cpu_count() or 1}", "bzImage", "modules"], progress)
    progress.end()
    made = [_build_companion(make, folder, build) for folder in COMPANIONS]
    with storage.atomic_folder(target) as folder:
        _install(make, build, folder, made)
        keep_notes(part, build, folder)


def _require_tools() -> None:
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise SetupError(
            f"cannot build a debug kernel without {', '.join(missing)}",
            hint="run `make setup`, which installs what setup/debian.packages lists",
        )


def _build_companion(make: list[str], source: Path, build: Path) -> Path:
    folder = build / "companions" / source.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    _run([*make, f"M={folder}", "modules"])
    return next(folder.glob("*.ko"))


def _install(make: list[str], build: Path, folder: Path, extra: list[Path]) -> None:
    version = (build / "include/config/kernel.release").read_text().strip()
    # Without depmod, which is due when all modules are there.
    _run([*make, f"INSTALL_MOD_PATH={folder}", "DEPMOD=true", "modules_install"])
    place = folder / "lib/modules" / version / EXTRA
    place.mkdir()
    for module in extra:
        shutil.copy(module, place)
    index_modules(folder, version)
    shutil.copy(build / "arch/x86/boot/bzImage", folder / "vmlinuz")
    shutil.copy(build / ".config", folder / "config")
    shutil.copy(build / "System.map", folder)


def _make(tree: Path, build: Path, compiler: str) -> list[str]:
    return [
        "make", "--no-print-directory", "-C", os.fspath(tree), f"O={build}",
        "ARCH=x86_64", f"CC={compiler}", f"HOSTCC={compiler}",
    ]  # fmt: skip


def _run(argv: list[str], says: Callable[[str], None] = lambda _: None) -> None:
    env = {
        **os.environ,
        **_REPRODUCIBLE,
        **cache_settings(_root(), "2G"),
    }
    done = command.follow(argv, env=env, hint=_HINT, says=says)
    if done.status != 0:
        raise ProvideError(
            f"the debug kernel does not build:\n    {complaints(done.output)}",
            hint=_HINT,
        )


def _as_kernel(target: Path, base: Kernel, debug: DebugBuild) -> Kernel:
    modules = next((target / "lib/modules").iterdir())
    return Kernel(
        version=modules.name,
        package_version=base.package_version,
        image=target / "vmlinuz",
        modules=modules,
        headers=_root() / f"build-{debug.config}",
        source=base.source,
        debug=debug,
    )
