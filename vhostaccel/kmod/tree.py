# SPDX-License-Identifier: Apache-2.0
"""A folder ready to build: pristine files, our files, our hunks, and how to build it."""

import os
import shutil
from pathlib import Path

from vhostaccel.errors import SetupError
from vhostaccel.kmod.layout import KernelPart
from vhostaccel.kmod.patch import apply_patch


def assemble(part: KernelPart, source: Path, tree: Path) -> None:
    """Fill a folder with what a build out of the kernel's own tree needs.

    Args:
        part: our files and hunks.
        source: the pristine source.
        tree: the folder; it exists and is empty.

    Raises:
        SetupError: If the source lacks a file.
        ProvideError: If a patch does not apply.
    """
    copy_pristine(part.pristine, source, tree)
    place(part.own, tree)
    for patch in part.patches:
        apply_patch(patch, tree)
    place(part.build_files, tree)


def copy_pristine(paths: tuple[str, ...], source: Path, tree: Path) -> None:
    """Copy files and folders of the pristine source to the same place in a tree.

    Raises:
        SetupError: If the source lacks one.
    """
    for path in paths:
        origin = source / path
        if origin.is_dir():
            # Modes are not copied: the source may be read-only.
            shutil.copytree(origin, tree / path, copy_function=shutil.copyfile)
        elif origin.is_file():
            _copy(origin, tree / path)
        else:
            raise SetupError(
                f"cannot assemble the kernel part: {source} has no {path}",
                hint="a patch names it; if it is right, add the file to PARTS in "
                "vhostaccel/lab/source.py",
            )


def place(files: dict[str, Path], tree: Path) -> None:
    """Copy files to their places in a tree."""
    for place, path in files.items():
        _copy(path, tree / place)


def build_argv(tree: Path, headers: Path, *settings: str) -> list[str]:
    """Return the command that builds the modules of an assembled tree."""
    return [
        "make", "--no-print-directory", f"-j{os.cpu_count() or 1}",
        "-C", os.fspath(tree), f"KDIR={headers}", *settings, "modules",
    ]  # fmt: skip


def _copy(origin: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(origin, target)
