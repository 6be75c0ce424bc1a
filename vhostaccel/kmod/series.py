# SPDX-License-Identifier: Apache-2.0
"""The kernel part as patches to be mailed: which ones, in which order, with which words.

kmod/series.toml lists them; every file and every patch of kmod/ is in exactly one::

    prefix = "PATCH net-next"

    [[patch]]
    patch = "0001-tun-....patch"  # hunks and message
    add = ["vhost/net_nai.c"]  # files of ours that come with them

    [[patch]]
    title = "net: nai: ..."  # or a message here, and files alone
    body = '''...'''
    add = ["nai/*"]
"""

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from vhostaccel.errors import SetupError
from vhostaccel.kmod.layout import KMOD, KernelPart
from vhostaccel.kmod.patch import Patch

_KEYS = ({"patch", "add"}, {"title", "body", "add"})
_HINT = "vhostaccel/kmod/series.py tells the form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One patch of the series."""

    title: str
    body: str
    hunks: Patch | None
    own: dict[str, Path]
    """The files of ours that it adds, by their place in a kernel tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All patches, in order, and the letter before them."""

    prefix: str
    changes: tuple[Change, ...]
    cover_title: str
    cover_body: str


def read_series(part: KernelPart, kmod: Path = KMOD) -> Series:
    """Return the series that kmod/series.toml and kmod/cover-letter.txt describe.

    Raises:
        SetupError: If a file or patch is in none or in two, or the form is not kept.
    """
    listed = tomllib.loads((kmod / "series.toml").read_text())
    changes = tuple(_change(entry, part, kmod) for entry in listed["patch"])
    _require_each_once(changes, part)
    title, _, body = (kmod / "cover-letter.txt").read_text().partition("\n\n")
    return Series(
        prefix=listed["prefix"],
        changes=changes,
        cover_title=title,
        cover_body=body.strip(),
    )


def _change(entry: dict[str, Any], part: KernelPart, kmod: Path) -> Change:
    name = entry.get("patch") or entry.get("title")
    if not any(entry.keys() <= keys for keys in _KEYS) or not name:
        raise SetupError(
            f"kmod/series.toml: an entry has the keys {', '.join(entry)}", hint=_HINT
        )
    own = _added(entry.get("add", []), part, kmod)
    if "patch" not in entry:
        return Change(
            title=entry["title"], body=entry["body"].strip(), hunks=None, own=own
        )
    found = [patch for patch in part.patches if patch.name == entry["patch"]]
    if not found:
        raise SetupError(
            f"kmod/series.toml: there is no patch {entry['patch']}", hint=_HINT
        )
    return Change(title=found[0].title, body=found[0].body, hunks=found[0], own=own)


def _added(patterns: list[str], part: KernelPart, kmod: Path) -> dict[str, Path]:
    own: dict[str, Path] = {}
    for pattern in patterns:
        found = {
            place: path
            for place, path in part.own.items()
            if fnmatch(str(path.relative_to(kmod)), pattern)
        }
        if not found:
            raise SetupError(f"kmod/series.toml: no file is {pattern}", hint=_HINT)
        own |= found
    return own


def _require_each_once(changes: tuple[Change, ...], part: KernelPart) -> None:
    used = [place for change in changes for place in change.own]
    used += [change.hunks.name for change in changes if change.hunks]
    wanted = [*part.own, *(patch.name for patch in part.patches)]
    wrong = [name for name in wanted if used.count(name) != 1]
    if wrong:
        raise SetupError(
            f"kmod/series.toml: not in exactly one patch: {', '.join(wrong)}",
            hint="add each to the patch that first needs it",
        )
