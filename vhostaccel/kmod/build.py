# SPDX-License-Identifier: Apache-2.0
"""Our modules, those for tests too: made once for each state of their sources.

modules/nai-<key>/nai.ko ...    in the cache folder; the key names all inputs
modules/nai-<key>/debug/        the same with debug information

A new one is kept beside the few that were used last; older ones are removed.
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError
from vhostaccel.kmod.layout import MODULE_FOLDERS, KernelPart, read_kernel_part
from vhostaccel.kmod.sign import Signing, sign_module
from vhostaccel.kmod.tree import assemble, build_argv
from vhostaccel.lab import storage
from vhostaccel.lab.kernel import Kernel, module_compiler
from vhostaccel.lab.source import provide_source

_PEAK_BYTES = 200 << 20
_SHOWN_LINES = 12
_KEPT = 3
_HINT = "`vhostaccel doctor` lists the tools; the sources are in kmod/"
_COMPLAINT = re.compile(
    r"error:|ERROR:|undefined!|No rule to make|not found|No such file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """Modules that are ready to load."""

    kernel: str
    folder: Path
    modules: dict[str, Path]
    signed_with: Path | None
    """The certificate."""
    fresh: bool
    """Built now, not found in the cache."""


def provide_modules(kernel: Kernel, report: Callable[[str], None]) -> Path:
    """Return the folder with nai.ko and all others for a kernel.

    Raises:
        SetupError: If a tool or a source file is missing.
        StorageError: If they do not fit on the disk.
        ProvideError: If a patch does not apply or the build failed.
    """
    return build_modules(kernel, report).folder


def build_modules(
    kernel: Kernel, report: Callable[[str], None], signing: Signing | None = None
) -> Built:
    """Build the modules for a kernel, signed if a key is given, or find them built.

    Raises:
        SetupError: If a tool or a source file is missing.
        StorageError: If they do not fit on the disk.
        ProvideError: If a patch does not apply, or the build or a signature failed.
    """
    part = read_kernel_part()
    key = build_key(kernel, part, compiler_version(kernel), signing)
    target = storage.cache_dir() / "modules" / f"nai-{key}"
    fresh = not target.is_dir()
    if fresh:
        storage.require_space(target, _PEAK_BYTES, "building the kernel modules")
        pristine = provide_source(kernel, report).source
        assert pristine is not None
        report(f"modules {', '.join(MODULE_FOLDERS)}: building for {kernel.version}")
        with storage.atomic_folder(target) as folder:
            tree = folder / "tree"
            tree.mkdir()
            assemble(part, pristine, tree)
            compile_tree(tree, kernel.headers)
            _collect(tree, folder, kernel, signing)
    storage.note_use(target)
    if fresh:
        storage.keep_last_used(target.parent.glob("nai-*"), _KEPT)
    return Built(
        kernel=kernel.version,
        folder=target,
        modules={name: target / f"{name}.ko" for name in MODULE_FOLDERS},
        signed_with=signing.cert if signing else None,
        fresh=fresh,
    )


def build_key(
    kernel: Kernel, part: KernelPart, compiler: str, signing: Signing | None
) -> str:
    """Return a short hash of everything that decides what the modules look like."""
    signed = (signing.key, signing.cert.read_bytes()) if signing else ()
    return storage.hash_key(
        kernel.version, kernel.package_version, compiler, *part.content, *signed
    )


def compiler_version(kernel: Kernel) -> str:
    """Return what the kernel's compiler says of itself.

    Raises:
        SetupError: If it is not installed.
    """
    compiler = module_compiler(kernel)
    package = compiler.rpartition("-gnu-")[2]
    hint = f"sudo apt-get install --no-install-recommends {package}"
    return command.run([compiler, "--version"], hint=hint).output


def cached_compiler(kernel: Kernel) -> str:
    """Return the kernel's compiler as CC= takes it, through ccache where that is."""
    compiler = module_compiler(kernel)
    return f"ccache {compiler}" if shutil.which("ccache") else compiler


def cache_settings(folder: Path, size: str) -> dict[str, str]:
    """Return the environment that keeps ccache's results in a folder.

    Args:
        folder: it is below this one.
        size: what it may hold, as ccache reads it: ``1G``.
    """
    return {"CCACHE_DIR": os.fspath(folder / "ccache"), "CCACHE_MAXSIZE": size}


def compile_tree(tree: Path, headers: Path, *settings: str) -> str:
    """Build the modules of an assembled tree and return what the build printed.

    Raises:
        ProvideError: If it failed; the message quotes the compiler.
    """
    argv = build_argv(tree, headers, *settings)
    done = command.run(argv, hint=_HINT, timeout_s=1800, check=False)
    if done.status != 0:
        told = complaints(done.output.replace(f"{tree}/", ""))
        raise ProvideError(f"the kernel modules do not build:\n    {told}", hint=_HINT)
    return done.output


def complaints(output: str) -> str:
    """Return the lines of a build's output that say why it failed."""
    lines = [line for line in output.splitlines() if line.strip()]
    wanted = [n for n, line in enumerate(lines) if _COMPLAINT.search(line)]
    # The compiler shows the source line below each error.
    near = sorted({n + k for n in wanted for k in range(3) if n + k < len(lines)})
    shown = [lines[n] for n in near] or lines
    return "\n    ".join(shown[:_SHOWN_LINES] if near else shown[-_SHOWN_LINES:])


def _collect(tree: Path, folder: Path, kernel: Kernel, signing: Signing | None) -> None:
    """Keep the modules of a tree: to load, and as built, for the lines behind an oops."""
    for name in MODULE_FOLDERS:
        made = folder / "debug" / f"{name}.ko"
        made.parent.mkdir(exist_ok=True)
        (tree / MODULE_FOLDERS[name] / f"{name}.ko").rename(made)
        module = folder / f"{name}.ko"
        command.run(
            # As distributions ship them; types (BTF) stay.
            ["strip", "--strip-debug", "-o", os.fspath(module), os.fspath(made)],
            hint="sudo apt-get install --no-install-recommends binutils",
        )
        if signing:
            sign_module(module, signing, kernel.headers)
    shutil.rmtree(tree)
