# SPDX-License-Identifier: Apache-2.0
"""C files that the kernel's own generator (YNL) makes of our netlink specification."""

import os
import re
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

from vhostaccel import command
from vhostaccel.kmod.layout import KernelPart
from vhostaccel.kmod.tree import copy_pristine, place

_MARK = re.compile(r"^/\* YNL-GEN (\w+) (header|source) \*/$", re.MULTILINE)
_SPEC = re.compile(r"^/\*\t(Documentation/\S+) \*/$", re.MULTILINE)
_EXTRA = re.compile(r"^/\* YNL-ARG (.*) \*/$", re.MULTILINE)
_GENERATORS = ("tools/net/ynl/pyynl/ynl_gen_c.py", "tools/net/ynl/ynl-gen-c.py")
"""Where newer and older kernels have it."""


def generated_files(part: KernelPart) -> dict[str, Path]:
    """Return those of our files that are generated, by their place in a kernel tree."""
    return {
        place: path
        for place, path in part.own.items()
        if path.suffix in (".c", ".h") and _MARK.search(path.read_text())
    }


def generate(part: KernelPart, source: Path) -> dict[str, str]:
    """Return what the generator makes now, by place in a kernel tree.

    Raises:
        SetupError: If Python or its YAML reader is missing.
        ProvideError: If the specification is wrong.
    """
    wanted = generated_files(part)
    if not wanted:
        return {}
    with TemporaryDirectory() as folder:
        tree = Path(folder)
        # The generator takes the folder with MAINTAINERS for the top of the kernel,
        # and looks for the schemas beside the specification.
        copy_pristine(("MAINTAINERS", "Documentation/netlink"), source, tree)
        place(part.own, tree)
        return {where: _generate(source, tree, where) for where in wanted}


def outdated(part: KernelPart, source: Path) -> tuple[str, ...]:
    """Return the files that differ from what the generator makes now."""
    made = generate(part, source)
    return tuple(
        where for where, text in made.items() if part.own[where].read_text() != text
    )


def regenerate(part: KernelPart, source: Path) -> tuple[str, ...]:
    """Write the files that differ from what the generator makes; return their places."""
    made = generate(part, source)
    stale = outdated(part, source)
    for where in stale:
        part.own[where].write_text(made[where])
    return stale


def _generate(source: Path, tree: Path, where: str) -> str:
    """Make one file, in its place: the generator writes its name into it."""
    present = (tree / where).read_text()
    mark, spec = _MARK.search(present), _SPEC.search(present)
    extra = _EXTRA.search(present)
    assert mark is not None
    assert spec is not None
    generator = next(path for path in _GENERATORS if (source / path).exists())
    command.run(
        # The distribution's Python: ours has no YAML reader.
        ["/usr/bin/python3", os.fspath(source / generator), "--mode", mark[1],
         f"--{mark[2]}", "--spec", os.fspath(tree / spec[1]),
         "-o", os.fspath(tree / where), *shlex.split(extra[1] if extra else "")],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        hint="sudo apt-get install --no-install-recommends python3-yaml "
        f"python3-jsonschema; or {spec[1]} is not valid",
    )  # fmt: skip
    return (tree / where).read_text()
