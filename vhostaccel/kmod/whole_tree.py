# SPDX-License-Identifier: Apache-2.0
"""A whole kernel tree that follows kmod/: only files that differ are written.

make compares times, so that after a change of ours only what depends on it is compiled.
"""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from vhostaccel.kmod.layout import KernelPart
from vhostaccel.kmod.patch import apply_patch
from vhostaccel.kmod.tree import copy_pristine, place

_MANIFEST = ".vhostaccel.json"
"""The files of the tree that are not pristine."""


def follow_part(part: KernelPart, pristine: Path, tree: Path) -> tuple[str, ...]:
    """Make a tree what `git am` of the series makes of the pristine one.

    Args:
        part: our files and hunks.
        pristine: the parts of the source that hunks are in.
        tree: a whole source, which an earlier state of our files may be in.

    Returns:
        The files that were written or removed.

    Raises:
        SetupError: If the source lacks a file.
        ProvideError: If a patch does not apply.
    """
    with TemporaryDirectory(prefix="vhostaccel-tree-") as name:
        staged = Path(name)
        copy_pristine(_patched(part), pristine, staged)
        place(part.own, staged)
        for patch in part.patches:
            apply_patch(patch, staged)
        wanted = {
            str(path.relative_to(staged)): path.read_bytes()
            for path in sorted(staged.rglob("*"))
            if path.is_file()
        }
    before = _read_manifest(tree)
    # Whatever cuts this short, the next one knows what may not be pristine.
    _write_manifest(tree, before | set(wanted))
    changed = [
        path for path in sorted(before - set(wanted)) if _undo(path, pristine, tree)
    ]
    for path, content in wanted.items():
        target = tree / path
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            changed.append(path)
    _write_manifest(tree, set(wanted))
    return tuple(changed)


def _patched(part: KernelPart) -> tuple[str, ...]:
    touched = {path for patch in part.patches for path in patch.changes}
    made = {path for patch in part.patches for path in patch.creates}
    return tuple(sorted(touched - made - set(part.own)))


def _undo(path: str, pristine: Path, tree: Path) -> bool:
    if (pristine / path).is_file():
        shutil.copyfile(pristine / path, tree / path)
        return True
    there = (tree / path).exists()
    (tree / path).unlink(missing_ok=True)
    return there


def _read_manifest(tree: Path) -> set[str]:
    try:
        return set(json.loads((tree / _MANIFEST).read_text()))
    except FileNotFoundError:
        return set()


def _write_manifest(tree: Path, paths: set[str]) -> None:
    (tree / _MANIFEST).write_text(json.dumps(sorted(paths), indent=1) + "\n")
