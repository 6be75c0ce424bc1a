# SPDX-License-Identifier: Apache-2.0
"""The form that netdev's robots want of selftests: what is listed, and in which order.

A list of a Makefile has one name a line, in order, and ends with a comment; the
configuration is in order; whatever runs is listed, and what is compiled is ignored by
git. Python is checked by ruff with its own defaults, as there.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from vhostaccel import command
from vhostaccel.kmod.answers import Finding
from vhostaccel.kmod.checkers import warning_findings
from vhostaccel.kmod.layout import KMOD

_TOOL = "selftests' form"
_LIST = re.compile(
    r"^(?P<name>TEST_\w+) *(?::|\+)?= *\\\n(?P<lines>(?:.*\\\n)*.*)$", re.M
)
_OPTION = re.compile(r"CONFIG_\w+=(?:[ym]|\d+|\".*\")")
_RUFF = Path(sys.executable).with_name("ruff")
_RUFF_LINE = re.compile(r"^([^:\n]+:\d+:\d+): (?=[A-Z]+\d+ )", re.M)
_HINT = "`make setup` provides ruff"


def selftest_files(kmod: Path = KMOD) -> tuple[Path, ...]:
    """Return the files of the selftests."""
    found = (path for path in (kmod / "selftests").rglob("*") if path.is_file())
    return tuple(sorted(path for path in found if path.parent.name != "__pycache__"))


def selftest_findings(files: tuple[Path, ...], folder: Path) -> tuple[Finding, ...]:
    """Return what is not in the form."""
    told = [
        *_lists(folder / "Makefile"),
        *_options(folder / "config"),
        *_unlisted(files, folder),
    ]
    findings = tuple(
        Finding(
            tool=_TOOL,
            place=os.fspath(path.relative_to(folder.parent)),
            line=line,
            kind="form",
            message=message,
        )
        for path, line, message in told
    )
    return findings + _ruff(
        tuple(path for path in files if path.suffix == ".py"), folder
    )


def _lists(makefile: Path) -> Iterator[tuple[Path, int, str]]:
    text = _read(makefile)
    for found in _LIST.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        lines = found["lines"].splitlines()
        names = [one.strip().removesuffix("\\").strip() for one in lines]
        if not names[-1].startswith("#"):
            yield makefile, line, f"{found['name']} does not end with a comment"
        else:
            names.pop()
        plain = [name for name in names if not name.startswith("$")]
        # Names in folders come after those that are not.
        if plain != sorted(plain, key=lambda name: (name.count("/"), name.lower())):
            yield makefile, line, f"{found['name']} is not in order"
        if any(" " in name for name in plain):
            yield makefile, line, f"{found['name']} has two names in a line"


def _options(config: Path) -> Iterator[tuple[Path, int, str]]:
    before = ""
    for number, line in enumerate(_read(config).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if not _OPTION.fullmatch(line):
            yield config, number, f"no option: {line}"
        key = line.partition("=")[0].replace("_", "")
        if key < before:
            yield config, number, f"not in order: {line}"
        before = key


def _unlisted(files: tuple[Path, ...], folder: Path) -> Iterator[tuple[Path, int, str]]:
    makefile, ignored = _read(folder / "Makefile"), _read(folder / ".gitignore")
    for path in files:
        is_source = path.suffix == ".c"
        is_program = is_source and _names(makefile, path.stem)
        if (
            path.parent == folder
            and path.suffix in (".py", ".sh", ".c")
            and not (is_program or _names(makefile, path.name))
        ):
            yield path, 1, "the Makefile does not name it"
        if is_program and not _names(ignored, path.stem):
            yield path, 1, "git does not ignore what is made of it"


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", text) is not None


def _ruff(scripts: tuple[Path, ...], folder: Path) -> tuple[Finding, ...]:
    if not scripts:
        return ()
    places = [os.fspath(path.relative_to(folder.parent)) for path in scripts]
    output = command.run(
        [os.fspath(_RUFF), "check", "--isolated", "--no-cache",
         "--output-format=concise", *places],
        cwd=folder.parent,
        hint=_HINT,
        check=False,
    ).output  # fmt: skip
    return warning_findings(_RUFF_LINE.sub(r"\1: warning: ", output), _TOOL)


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
