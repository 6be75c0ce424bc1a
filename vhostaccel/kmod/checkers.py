# SPDX-License-Identifier: Apache-2.0
"""The kernel's own checkers, run on our files and patches, and what they find.

They end with 0 whether they find something or not, so what they print is counted.
"""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError
from vhostaccel.kmod.answers import Finding
from vhostaccel.kmod.build import compile_tree
from vhostaccel.kmod.layout import KernelPart

_PERL = "sudo apt-get install --no-install-recommends perl"
_CHECKPATCH = re.compile(
    r"^(?P<place>[^:\n]*):(?P<line>\d*): (?:ERROR|WARNING|CHECK):(?P<kind>\w+): "
    r"(?P<message>.*)$",
    re.MULTILINE,
)
_TOTAL = re.compile(
    r"total: (\d+) errors, (\d+) warnings, (?:(\d+) checks, )?\d+ lines"
)
_COMPILER = re.compile(
    r"^(?P<place>[^:\s]+):(?P<line>\d+)(?::\d+)?: (?:warning|error): (?P<message>.*)$",
    re.MULTILINE,
)


def check_patch(patch: Path, source: Path) -> tuple[Finding, ...]:
    """Return what checkpatch.pl finds in a patch file."""
    output = _checkpatch(source, "--showfile", patch.name, cwd=patch.parent)
    return tuple(
        # What it says of a message has no file.
        found if found.place else replace(found, place=patch.name)
        for found in checkpatch_findings(output)
    )


def check_file(place: str, tree: Path, source: Path) -> tuple[Finding, ...]:
    """Return what checkpatch.pl finds in a file of ours, at its place in a tree."""
    output = _checkpatch(source, "--file", place, cwd=tree)
    return checkpatch_findings(output)


def checkpatch_findings(output: str) -> tuple[Finding, ...]:
    """Read findings from what checkpatch.pl printed, and hold them against its sum.

    Raises:
        ProvideError: If it did not come to an end, or printed what we cannot read.
    """
    findings = tuple(
        Finding(
            tool="checkpatch",
            place=found["place"],
            line=int(found["line"] or 0),
            kind=found["kind"],
            message=found["message"],
        )
        for found in _CHECKPATCH.finditer(output)
    )
    totals = _TOTAL.findall(output)
    counted = sum(int(number or 0) for total in totals for number in total)
    if not totals or counted != len(findings):
        raise ProvideError(
            f"checkpatch.pl counts {counted} findings in {len(totals)} files, "
            f"{len(findings)} could be read: {output[-300:]}",
            hint="run it by hand; its form of output may have changed",
        )
    return findings


def compile_findings(tree: Path, headers: Path) -> tuple[Finding, ...]:
    """Return what the compiler (W=1) and, if there, sparse warn of in a tree."""
    settings = ["W=1"]
    if sparse_is_installed():
        settings += ["C=1", "CF=-D__CHECK_ENDIAN__"]
    output = compile_tree(tree, headers, *settings).replace(f"{tree}/", "")
    return warning_findings(output, "compiler")


def sparse_is_installed() -> bool:
    """Return whether the build can run sparse."""
    return shutil.which("sparse") is not None


def kernel_doc_findings(
    places: Iterable[str], tree: Path, source: Path
) -> tuple[Finding, ...]:
    """Return what kernel-doc finds in the comments of C files of a tree."""
    wanted = [place for place in places if place.endswith((".c", ".h"))]
    done = command.run(
        [os.fspath(source / "scripts" / "kernel-doc"), "-none", "-Wall", *wanted],
        cwd=tree,
        hint=_PERL,
        check=False,
    )
    return warning_findings(done.output, "kernel-doc")


def warning_findings(output: str, tool: str) -> tuple[Finding, ...]:
    """Read findings in the form of a compiler's warnings."""
    return tuple(
        Finding(
            tool=tool,
            place=found["place"],
            line=int(found["line"]),
            kind=_flag(found["message"]) or tool,
            message=found["message"],
        )
        for found in _COMPILER.finditer(output)
    )


def added(
    findings: tuple[Finding, ...], before: tuple[Finding, ...]
) -> tuple[Finding, ...]:
    """Return the findings that were not there before, wherever in the file they are."""
    known = Counter((finding.place, finding.message) for finding in before)
    new = []
    for finding in findings:
        where = (finding.place, finding.message)
        if known[where] > 0:
            known[where] -= 1
        else:
            new.append(finding)
    return tuple(new)


def our_places(part: KernelPart) -> tuple[str, ...]:
    """Return our files that checkpatch.pl judges: not what is generated or data."""
    return tuple(
        place for place in part.own if not place.startswith("Documentation/netlink")
    )


# It leaves a cache of names in the folder it runs in.
def _checkpatch(source: Path, *arguments: str, cwd: Path) -> str:
    script = source / "scripts" / "checkpatch.pl"
    argv = [
        os.fspath(script), f"--root={source}", "--strict", "--show-types", "--emacs",
        "--color=never", *arguments,
    ]  # fmt: skip
    return command.run(argv, cwd=cwd, hint=_PERL, check=False).output


def _flag(message: str) -> str:
    named = re.search(r"\[-W([\w=+-]+)\]$", message)
    return named[1] if named else ""
