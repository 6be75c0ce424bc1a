# SPDX-License-Identifier: Apache-2.0
"""The kernel's semantic patches (coccicheck) on the C files that we touch."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from vhostaccel import command
from vhostaccel.errors import ProvideError
from vhostaccel.kmod.answers import Finding

QUICK = ("locks", "free", "null")
"""The folders of semantic patches that a push is checked with: of bugs, not style."""

_HINT = "sudo apt-get install --no-install-recommends coccinelle"
_RUN = re.compile(r"^\S*spatch .*--cocci-file (?P<script>\S+)")
_REPORT = re.compile(
    r"^(?P<place>[^:\s]+):(?P<line>\d+):\d+(?:-\d+)?: (?P<message>.*)$"
)


def cocci_is_installed() -> bool:
    """Return whether coccinelle is there."""
    return shutil.which("spatch") is not None


def cocci_scripts(source: Path, folders: Iterable[str] | None = None) -> list[str]:
    """Return the kernel's semantic patches, all or those of some folders.

    The two or so that are programs in OCaml are left out: to translate them takes a
    compiler, and they are about other drivers and about zeros in a pointer's place,
    which sparse finds too.
    """
    root = source / "scripts" / "coccinelle"
    return [
        os.fspath(path.relative_to(root))
        for path in sorted(root.rglob("*.cocci"))
        if (folders is None or path.relative_to(root).parts[0] in folders)
        and ":ocaml" not in path.read_text()
    ]


def cocci_findings(
    places: Iterable[str], tree: Path, source: Path, scripts: Iterable[str]
) -> tuple[Finding, ...]:
    """Return what the semantic patches report of files of a tree.

    Args:
        places: the C files.
        tree: where they are, with the headers beside them.
        source: of the kernel, with its scripts.
        scripts: which semantic patches.

    Raises:
        SetupError: If coccinelle is missing.
        ProvideError: If not every semantic patch could be run.
    """
    with TemporaryDirectory(prefix="vhostaccel-cocci-") as name:
        folder = Path(name)
        _select(folder / "scripts" / "coccinelle", source, scripts)
        _copy_files(folder / "files", tree, places)
        output = _coccicheck(folder, source, tree / "include")
    return read_cocci(output, folder / "files", tuple(scripts))


def read_cocci(
    output: str, files: Path, scripts: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Read findings from what coccicheck printed.

    Raises:
        ProvideError: If it did not run every one of the semantic patches.
    """
    findings, ran = [], ""
    left = set(scripts)
    for line in output.splitlines():
        if started := _RUN.match(line):
            ran = started["script"].partition("/coccinelle/")[2]
            left.discard(ran)
        elif found := _REPORT.match(line.replace(f"{files}/", "")):
            findings.append(
                Finding(
                    tool="coccicheck",
                    place=found["place"],
                    line=int(found["line"]),
                    kind=Path(ran).stem,
                    message=found["message"],
                )
            )
    left -= set(_SKIPPED.findall(output))
    if left or "coccicheck failed" in output:
        raise ProvideError(
            f"coccicheck did not run {', '.join(sorted(left)) or 'to its end'}: "
            f"{output[-300:]}",
            hint=_HINT,
        )
    return tuple(dict.fromkeys(findings))


_SKIPPED = re.compile(r"^Skipping coccinelle SmPL patch: .*/coccinelle/(\S+)$", re.M)


def _coccicheck(folder: Path, source: Path, headers: Path) -> str:
    environment = {
        **os.environ,
        "srctree": os.fspath(folder),
        "KBUILD_EXTMOD": os.fspath(folder / "files"),
        "LINUXINCLUDE": f"-I{headers}",
        "MODE": "report",
        "J": str(os.cpu_count() or 1),
    }
    for name in ("C", "COCCI", "V", "DEBUG_FILE", "SPFLAGS"):
        environment.pop(name, None)
    return command.run(
        ["bash", os.fspath(source / "scripts" / "coccicheck")],
        env=environment,
        hint=_HINT,
        timeout_s=3600,
        check=False,
    ).output


def _select(target: Path, source: Path, scripts: Iterable[str]) -> None:
    for script in scripts:
        (target / script).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / "scripts" / "coccinelle" / script, target / script)


def _copy_files(target: Path, tree: Path, places: Iterable[str]) -> None:
    """Copy the C files, and the headers beside them, which they include by name."""
    for place in places:
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tree / place, target / place)
        for header in (tree / place).parent.glob("*.h"):
            shutil.copyfile(header, (target / place).with_name(header.name))
