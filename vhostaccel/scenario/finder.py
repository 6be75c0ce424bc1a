# SPDX-License-Identifier: Apache-2.0
"""Which scenario files a command line means."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from vhostaccel.errors import UsageError


def find_scenarios(paths: Sequence[Path]) -> list[Path]:
    """Return the scenario files named, and those below the folders named, sorted.

    Raises:
        UsageError: If a path does not exist, or a folder holds no scenario.
    """
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            below = [file for file in path.rglob("*.toml") if file.is_file()]
            if not below:
                raise UsageError(
                    f"the folder {path} holds no scenario",
                    hint="a scenario is a file <area>/<claim>.toml",
                )
            found.update(below)
        elif path.exists():
            found.add(path)
        else:
            raise UsageError(f"there is no scenario {path}", hint=_nearest(path))
    return sorted(found)


def _nearest(path: Path) -> str:
    """Name what stands where the path stops existing and is spelt most like it."""
    folder, wrong = path.parent, path.name
    while not folder.is_dir() and folder != folder.parent:
        folder, wrong = folder.parent, folder.name
    there = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    close = get_close_matches(wrong, there, n=1, cutoff=0.5)
    if close:
        return f"did you mean {folder / close[0]}?"
    return f"`ls {folder}` shows what is there; or give a folder to run all below it"
