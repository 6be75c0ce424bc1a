# SPDX-License-Identifier: Apache-2.0
"""Proves a written series: `git am` on pristine source, and a build after each patch."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vhostaccel.errors import ProvideError
from vhostaccel.kmod.build import compile_tree
from vhostaccel.kmod.layout import MODULE_FOLDERS, REBUILT, KernelPart
from vhostaccel.kmod.mail import Repository, find_author
from vhostaccel.kmod.tree import copy_pristine, place


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of one patch."""

    patch: str
    applied: bool
    modules: tuple[str, ...]
    """Built after this patch."""
    warnings: int
    error: str
    """Empty when all went well."""


def verify_series(
    patches: tuple[Path, ...],
    part: KernelPart,
    source: Path,
    headers: Path,
    report: Callable[[str], None],
) -> tuple[Trial, ...]:
    """Apply the patches one by one, building after each; stop at the first failure.

    Args:
        patches: the files, without the letter.
        part: how to build out of tree.
        source: pristine source.
        headers: of the kernel to build for.
        report: is told of each patch.
    """
    trials: list[Trial] = []
    with TemporaryDirectory(prefix="vhostaccel-verify-") as name:
        checkout = Repository(Path(name) / "checkout", find_author())
        tree = Path(name) / "build"
        tree.mkdir()
        checkout.start(source)
        copy_pristine(REBUILT, source, tree)
        place(part.build_files, tree)
        for patch in patches:
            report(f"git am and build: {patch.name}")
            trials.append(_try(patch, checkout, tree, headers))
            if trials[-1].error:
                break
    return tuple(trials)


def _try(patch: Path, checkout: Repository, tree: Path, headers: Path) -> Trial:
    applied, output, error = False, "", ""
    try:
        checkout.git("am", "--quiet", os.fspath(patch.resolve()))
        applied = True
        _follow(checkout, tree)
        output = compile_tree(tree, headers)
    except ProvideError as failure:
        error = failure.what
    return Trial(
        patch=patch.name,
        applied=applied,
        modules=tuple(
            name
            for name, folder in MODULE_FOLDERS.items()
            if (tree / folder / f"{name}.ko").exists()
        ),
        warnings=output.count("warning:"),
        error=error,
    )


def _follow(checkout: Repository, tree: Path) -> None:
    """Copy what the last commit changed; the rest of the build tree stays built."""
    changed = checkout.git("diff", "--name-only", "--diff-filter=d", "HEAD~1").split()
    for path in changed:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(checkout.folder / path, tree / path)
