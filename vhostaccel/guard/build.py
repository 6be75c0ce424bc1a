# SPDX-License-Identifier: Apache-2.0
"""The guard's object file: compiled by clang once for each state of its source.

It stays beside the source, as a package ships it; who has the package needs no clang.

    guard/bpf/guard.bpf.o        loads on every kernel (CO-RE)
    guard/bpf/guard.bpf.o.key    of which source and compiler it was made
"""

import os
from collections.abc import Callable
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import SetupError
from vhostaccel.lab import storage

FOLDER = Path(__file__).parent / "bpf"
OBJECT = FOLDER / "guard.bpf.o"
_SOURCE = FOLDER / "guard.bpf.c"
_HEADERS = (FOLDER / "kernel.h",)
_KEY = FOLDER / "guard.bpf.o.key"
_FLAGS = (
    "-target", "bpf", "-O2", "-g", "-mcpu=v3",
    "-Wall", "-Wextra", "-Werror", "-ffile-prefix-map={folder}=.",
)  # fmt: skip
_HINT = "sudo apt-get install --no-install-recommends clang llvm libbpf-dev"


def provide_object(report: Callable[[str], None]) -> Path:
    """Return the object file, compiled if its source has changed.

    Raises:
        SetupError: If clang is missing.
        ProvideError: If the source does not compile.
    """
    compiler = command.run(["clang", "--version"], hint=_HINT).output
    sources = b"".join(path.read_bytes() for path in (_SOURCE, *_HEADERS))
    key = storage.hash_key(sources, compiler, *_FLAGS)
    if not OBJECT.exists() or not _KEY.exists() or _KEY.read_text().strip() != key:
        report("guard: compiling")
        partial = OBJECT.with_suffix(".partial")
        command.run(compile_argv(partial), hint=_HINT)
        # The debug sections are ten times what is loaded; BTF stays.
        command.run(["llvm-strip", "-g", os.fspath(partial)], hint=_HINT)
        partial.replace(OBJECT)
        _KEY.write_text(f"{key}\n")
    return OBJECT


def find_object() -> Path:
    """Return the object file.

    Raises:
        SetupError: If it was not compiled.
    """
    if not OBJECT.exists():
        raise SetupError(
            f"the guard's programs are not compiled: there is no {OBJECT}",
            hint="`make setup` compiles them, with clang",
        )
    return OBJECT


def compile_argv(target: Path) -> list[str]:
    """Return the command that compiles the object."""
    flags = [flag.format(folder=FOLDER) for flag in _FLAGS]
    # The kernel's own headers are where the compiler for this machine finds them.
    machine = f"/usr/include/{os.uname().machine}-linux-gnu"
    return [
        "clang", *flags, f"-I{machine}", "-c", os.fspath(_SOURCE), "-o", os.fspath(target)
    ]  # fmt: skip
