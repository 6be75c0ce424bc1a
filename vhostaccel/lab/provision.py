# SPDX-License-Identifier: Apache-2.0
"""What the lab needs made on this machine: the C programs, and which modules."""

import os
from collections.abc import Callable
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import SetupError
from vhostaccel.lab import storage

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = {
    "vfwd": PROJECT / "guest" / "vfwd.c",
    "cpuprobe": PROJECT / "vhostaccel" / "observe" / "cpuprobe.c",
}
"""Each program is one file: it also runs inside guests, where no library is."""

MODULES = (PROJECT / "kmod" / "anchor",)
"""The kernel modules that every run loads into the lab."""

_FLAGS = ["-O2", "-Wall", "-Wextra", "-Werror", "-static"]


def provide_tools(report: Callable[[str], None]) -> dict[str, Path]:
    """Return each C program's binary, compiled once for each state of its source.

    Raises:
        SetupError: If the compiler or a source is missing.
        ProvideError: If a source does not compile.
        StorageError: If the cache folder cannot be written.
    """
    hint = "sudo apt-get install --no-install-recommends gcc libc6-dev"
    compiler = command.run(["gcc", "--version"], hint=hint).output
    return {
        name: _provide_tool(name, source, compiler, report)
        for name, source in SOURCES.items()
    }


def compile_argv(source: Path, binary: Path) -> list[str]:
    """Return the command that compiles one program."""
    return ["gcc", *_FLAGS, "-o", os.fspath(binary), os.fspath(source)]


def _provide_tool(
    name: str, source: Path, compiler: str, report: Callable[[str], None]
) -> Path:
    if not source.is_file():
        raise SetupError(
            f"cannot compile {name}: {source} is missing",
            hint="run from a complete clone; `git status` shows what was removed",
        )
    key = storage.hash_key(source.read_bytes(), compiler, *_FLAGS)
    target = storage.cache_dir() / "tools" / f"{name}-{key}"
    if not target.is_dir():
        report(f"{name}: compiling")
        with storage.atomic_folder(target) as folder:
            command.run(
                compile_argv(source, folder / name),
                hint="sudo apt-get install --no-install-recommends gcc libc6-dev",
            )
    return target / name
