# SPDX-License-Identifier: Apache-2.0
"""A patch of kmod/patches: a commit message, a line of three dashes, a diff."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError, SetupError

_FILE = re.compile(r"^--- (\S+).*\n\+\+\+ (\S+).*\n@@", re.MULTILINE)
_ABSENT = "/dev/null"
_HINT = (
    "the first line is the title `subsys: verb ...`, then a blank line, why, "
    "a line `---`, and the diff with a/ and b/ before paths"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One change of files that are not ours."""

    name: str
    title: str
    body: str
    diff: str
    changes: tuple[str, ...]
    """The files it changes; they exist in the pristine source."""
    creates: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return message and diff, as in its file."""
        return f"{self.title}\n\n{self.body}\n---\n{self.diff}"


def read_patch(path: Path) -> Patch:
    """Return the patch that a file holds.

    Raises:
        SetupError: If the file is not of that form.
    """
    return parse_patch(path.name, path.read_text())


def parse_patch(name: str, text: str) -> Patch:
    """Return the patch that a text holds.

    Raises:
        SetupError: If the text is not of that form.
    """
    message, dashes, diff = text.partition("\n---\n")
    title, _, body = message.strip().partition("\n\n")
    if not dashes or "\n" in title or not body.strip():
        raise SetupError(f"cannot read {name}: no title and message", hint=_HINT)
    # A mailed patch has a diffstat here.
    start = re.search(r"^(diff |--- )", diff, re.MULTILINE)
    if start is None:
        raise SetupError(f"cannot read {name}: no diff after `---`", hint=_HINT)
    changes, creates = _touched(name, diff[start.start() :])
    return Patch(
        name=name,
        title=title,
        body=body.strip(),
        diff=diff[start.start() :],
        changes=changes,
        creates=creates,
    )


def apply_patch(patch: Patch, tree: Path) -> None:
    """Apply a patch to a tree, without fuzz.

    Raises:
        SetupError: If the program `patch` is missing.
        ProvideError: If a hunk does not apply.
    """
    diff = tree / f".{patch.name}"
    diff.write_text(patch.diff)
    done = command.run(
        ["patch", "-p1", "-F0", "--forward", "--batch", "--no-backup-if-mismatch",
         "-d", os.fspath(tree), "-i", os.fspath(diff.resolve())],
        hint="sudo apt-get install --no-install-recommends patch",
        check=False,
    )  # fmt: skip
    diff.unlink()
    if done.status != 0:
        raise ProvideError(
            f"{patch.name} does not apply: {_refused(done.output)}",
            hint="make its hunks anew against the source they are for; no fuzz is "
            "allowed, because a hunk in the wrong function compiles too",
        )


def _touched(name: str, diff: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    changes: list[str] = []
    creates: list[str] = []
    for old, new in _FILE.findall(diff):
        if not new.startswith("b/"):
            raise SetupError(f"cannot read {name}: `+++ {new}`", hint=_HINT)
        (creates if old == _ABSENT else changes).append(new.removeprefix("b/"))
    return tuple(changes), tuple(creates)


def _refused(output: str) -> str:
    told = [line for line in output.splitlines() if "FAILED" in line or "can't" in line]
    return "; ".join(told) or output.strip()
