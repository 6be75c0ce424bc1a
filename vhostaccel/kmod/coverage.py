# SPDX-License-Identifier: Apache-2.0
"""Which lines and branches of our own code the tests take, as gcov counts them.

KUnit's kernel and the debug kernel ``gcov`` are compiled so that they count. Each object
leaves notes (.gcno, of the compiler) and data (.gcda, of a run). The lines of both are
counted together as well; branches are not, as each kernel is compiled its own way.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vhostaccel import command
from vhostaccel.errors import ProvideError
from vhostaccel.kmod.layout import PLACES, KernelPart

COVERAGE = "gcov"
"""The debug kernel that counts."""
NOTES = "gcno"
"""The folder of its result that the notes are in."""

_FOLDERS = (PLACES["nai"], PLACES["vhost"])
_WRAPS = ("malloc", "free", "calloc")
_HINT = "gcov comes with the compiler; `vhostaccel doctor` lists the tools"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was executed of one file."""

    lines: dict[int, bool]
    """Every line that has code, and whether it ran."""
    branches: int
    """Ways out of all conditions; the compiler's, so more than the source shows."""
    branches_taken: int

    @property
    def lines_taken(self) -> int:
        """Return how many lines ran."""
        return sum(self.lines.values())


NOTHING = Taken(lines={}, branches=0, branches_taken=0)
"""What is known of a file that was not measured, or has no code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file, by both ways to test."""

    place: str
    kunit: Taken
    selftests: Taken

    @property
    def lines(self) -> dict[int, bool]:
        """Return every line, and whether it ran in either."""
        lines = dict(self.kunit.lines)
        for line, ran in self.selftests.lines.items():
            lines[line] = lines.get(line, False) or ran
        return lines


def as_rows(kunit: dict[str, Taken], selftests: dict[str, Taken]) -> tuple[Row, ...]:
    """Return what was measured, file by file; those without code are left out."""
    rows = (
        Row(
            place=place,
            kunit=kunit.get(place, NOTHING),
            selftests=selftests.get(place, NOTHING),
        )
        for place in sorted(kunit.keys() | selftests.keys())
    )
    return tuple(row for row in rows if row.lines)


def covered_files(part: KernelPart) -> tuple[str, ...]:
    """Return what is measured: nai.ko, and the client in vhost_net."""
    return tuple(
        place
        for place in sorted(part.own)
        if place.endswith(".c") and Path(place).parent.as_posix() in _FOLDERS
    )


def kunit_options(part: KernelPart) -> tuple[str, ...]:
    """Return what make is told so that KUnit's kernel, a program, counts.

    The linker script of User Mode Linux leaves out the destructors that would write the
    counts, so that the program's end is told to. The kernel has a mangle_path() as well
    as libgcov, which does not call its own.
    """
    counted = (f"CFLAGS_{Path(place).stem}.o=--coverage" for place in _nai(part))
    wraps = " ".join(f"-Wl,--wrap,{name}" for name in _WRAPS)
    gcov = "--coverage -Wl,-z,muldefs -Wl,-fini,__gcov_exit"
    return (*counted, f"LINK_WRAPS={wraps} {gcov}")


def kernel_options(part: KernelPart) -> tuple[str, ...]:
    """Return what make is told so that a kernel with GCOV_KERNEL counts in our code."""
    return tuple(
        f"GCOV_PROFILE_{Path(place).stem}.o=y" for place in covered_files(part)
    )


def keep_notes(part: KernelPart, build: Path, folder: Path) -> None:
    """Copy the notes of a build, which the next one overwrites."""
    for place in covered_files(part):
        notes = (build / place).with_suffix(".gcno")
        if notes.is_file():
            target = (folder / NOTES / place).with_suffix(".gcno")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(notes, target)


def forget_counts(part: KernelPart, build: Path) -> None:
    """Remove the counts of earlier runs, to which the next one would add."""
    for place in covered_files(part):
        (build / place).with_suffix(".gcda").unlink(missing_ok=True)


def of_kunit(part: KernelPart, build: Path, compiler: str) -> dict[str, Taken]:
    """Return what a run of KUnit's kernel has taken, by file.

    Raises:
        SetupError: If gcov is missing.
        ProvideError: If it cannot read what is there, or nothing is.
    """
    found = {
        place: _taken(place, build, build, compiler) for place in _nai(part)
    }  # fmt: skip
    return _some(found, f"KUnit's kernel has left no counts in {build}")


def of_selftests(
    part: KernelPart, kernel: Path, counts: Path, compiler: str
) -> dict[str, Taken]:
    """Return what a run of the selftests has taken, by file.

    Args:
        part: our files.
        kernel: the debug kernel's result, with its notes.
        counts: the folder that the machine has put the counts of its kernel into.
        compiler: that built the kernel.

    Raises:
        SetupError: If gcov is missing.
        ProvideError: If it cannot read what is there, or nothing is.
    """
    found = {
        place: _taken(place, kernel / NOTES, counts, compiler)
        for place in covered_files(part)
    }
    return _some(found, f"the machine has left no counts in {counts}")


def parse_taken(text: str, place: str) -> Taken:
    """Return what gcov's JSON says of a file; what is inlined from headers is left out."""
    lines: dict[int, bool] = {}
    counts: list[int] = []
    for file in json.loads(text)["files"]:
        if not f"/{file['file']}".endswith(f"/{place}"):
            continue
        for line in file["lines"]:
            number = line["line_number"]
            lines[number] = lines.get(number, False) or line["count"] > 0
            counts += [branch["count"] for branch in line["branches"]]
    return Taken(
        lines=lines,
        branches=len(counts),
        branches_taken=sum(count > 0 for count in counts),
    )


def _nai(part: KernelPart) -> list[str]:
    return [
        place for place in covered_files(part) if place.startswith(PLACES["nai"])
    ]  # fmt: skip


def _some(found: dict[str, Taken], missing: str) -> dict[str, Taken]:
    if not any(taken.lines_taken for taken in found.values()):
        raise ProvideError(missing, hint="run it again; the kernel's log says more")
    return found


def _taken(place: str, notes: Path, counts: Path, compiler: str) -> Taken:
    note = (notes / place).with_suffix(".gcno")
    count = (counts / place).with_suffix(".gcda")
    # A file of tables alone has none.
    if not note.is_file():
        return NOTHING
    with TemporaryDirectory(prefix="vhostaccel-gcov-") as name:
        folder = Path(name)
        shutil.copyfile(note, folder / note.name)
        if count.is_file():
            shutil.copyfile(count, folder / count.name)
        said = command.run(
            [compiler.replace("gcc", "gcov"), "--json-format", "--stdout",
             "--branch-probabilities", note.name],
            cwd=folder,
            hint=_HINT,
        ).output  # fmt: skip
    found = [line for line in said.splitlines() if line.startswith("{")]
    if not found or "mismatch" in said:
        raise ProvideError(f"gcov cannot read {count}: {said[:200]}", hint=_HINT)
    return parse_taken(found[0], place)
