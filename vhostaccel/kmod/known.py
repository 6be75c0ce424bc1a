# SPDX-License-Identifier: Apache-2.0
"""What a pristine source is warned of: found once, kept beside the whole source."""

import json
from dataclasses import dataclass
from pathlib import Path

from vhostaccel import command
from vhostaccel.codec import from_plain, to_plain
from vhostaccel.kmod.answers import Finding
from vhostaccel.kmod.layout import KernelPart
from vhostaccel.kmod.treebuild import Variant, build_findings
from vhostaccel.kmod.whole_tree import follow_part
from vhostaccel.lab import storage

NOTHING = KernelPart(own={}, patches=(), build_files={})
"""No kernel part: a tree that follows it is pristine."""

_TOOLS = ("gcc", "clang-19", "sparse")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The findings, as they are kept."""

    findings: tuple[Finding, ...]


def known_findings(
    variant: Variant, pristine: Path, tree: Path, sources: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Return what the pristine files, and those beside them, are warned of.

    Args:
        variant: how they are compiled.
        pristine: the parts of the source that hunks are in.
        tree: all of the source; it is pristine afterwards, or as it was.
        sources: the C files.
    """
    key = storage.hash_key(repr(variant), *sources, *_versions())
    kept = tree.with_name(f"{variant.name}-{key}.json")
    if not kept.exists():
        follow_part(NOTHING, pristine, tree)
        out = tree.with_name(variant.name)
        found = _Known(findings=build_findings(variant, tree, out, sources))
        storage.write_atomic(kept, json.dumps(to_plain(found)).encode())
    return from_plain(_Known, json.loads(kept.read_bytes())).findings


def build_lock(tree: Path) -> Path:
    """Return the lock of whoever builds in a whole source, and beside it."""
    return tree.with_name(".lock")


def _versions() -> list[str]:
    return [
        command.run([tool, "--version"], hint=f"install {tool}").output
        for tool in _TOOLS
    ]
