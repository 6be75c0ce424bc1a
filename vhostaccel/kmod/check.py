# SPDX-License-Identifier: Apache-2.0
"""Everything a reviewer's machine would find in the kernel part, found first."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vhostaccel.kmod import checkers
from vhostaccel.kmod.answers import Answer, Finding, read_answers, unanswered, unneeded
from vhostaccel.kmod.generated import generated_files, outdated
from vhostaccel.kmod.layout import KernelPart
from vhostaccel.kmod.mail import publish
from vhostaccel.kmod.tree import assemble, copy_pristine, place


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one checker looked at and found."""

    tool: str
    looked_at: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All checks, and what is left to do."""

    checks: tuple[Check, ...]
    answers: tuple[Answer, ...]
    notes: tuple[str, ...]
    """What could not be checked here."""

    @property
    def open(self) -> tuple[Finding, ...]:
        """Return the findings that nothing answers, each once."""
        left = unanswered(self._findings, self.answers)
        return tuple(dict.fromkeys(left))

    @property
    def unneeded(self) -> tuple[Answer, ...]:
        """Return the answers that nothing needs."""
        return unneeded(self._findings, self.answers)

    @property
    def is_clean(self) -> bool:
        """Return whether a reviewer would find nothing."""
        return not self.open and not self.unneeded

    @property
    def _findings(self) -> tuple[Finding, ...]:
        return tuple(finding for check in self.checks for finding in check.findings)


def check_kernel_part(
    part: KernelPart, source: Path, headers: Path, say: Callable[[str], None]
) -> Report:
    """Run every checker.

    Raises:
        SetupError: If a checker's program is missing.
        ProvideError: If a patch does not apply or the build failed.
    """
    notes = []
    if not checkers.sparse_is_installed():
        notes.append("sparse is not installed: sudo apt-get install sparse")
    with TemporaryDirectory(prefix="vhostaccel-check-") as name:
        folder = Path(name)
        patched = folder / "patched"
        patched.mkdir()
        assemble(part, source, patched)
        say("checkpatch.pl on every patch and file")
        checks = [
            check_patches(part, source, folder / "mails"),
            check_files(part, source),
        ]
        say("kernel-doc and the netlink generator")
        checks += [_kernel_doc(part, source, patched), _generated(part, source)]
        say("building with W=1" + ("" if notes else " and sparse"))
        checks.append(_compile(part, source, headers, patched))
    return Report(checks=tuple(checks), answers=read_answers(), notes=tuple(notes))


def check_patches(part: KernelPart, source: Path, folder: Path) -> Check:
    """Run checkpatch.pl on each patch of the series, written into ``folder``."""
    patches = publish(part, source, folder)[1:]
    return Check(
        tool="checkpatch --strict",
        looked_at=f"{len(patches)} patches",
        findings=tuple(
            finding
            for patch in patches
            for finding in checkers.check_patch(patch, source)
        ),
    )


def check_files(part: KernelPart, source: Path) -> Check:
    """Run checkpatch.pl on each file of ours."""
    with TemporaryDirectory() as name:
        tree = Path(name)
        place(part.own, tree)
        places = checkers.our_places(part)
        findings = [checkers.check_file(where, tree, source) for where in places]
    return Check(
        tool="checkpatch --strict --file",
        looked_at=f"{len(places)} files",
        findings=tuple(finding for found in findings for finding in found),
    )


def _kernel_doc(part: KernelPart, source: Path, patched: Path) -> Check:
    changed = sorted({path for patch in part.patches for path in patch.changes})
    before = checkers.kernel_doc_findings(changed, source, source)
    findings = checkers.kernel_doc_findings((*part.own, *changed), patched, source)
    return Check(
        tool="kernel-doc -Wall",
        looked_at="our files, and what is new in others",
        findings=checkers.added(findings, before),
    )


def _generated(part: KernelPart, source: Path) -> Check:
    return Check(
        tool="ynl-gen-c.py",
        looked_at=f"{len(generated_files(part))} files",
        findings=tuple(
            Finding(
                tool="ynl-gen-c.py",
                place=where,
                line=1,
                kind="outdated",
                message="differs from what the generator makes: make -C kmod generate",
            )
            for where in outdated(part, source)
        ),
    )


def _compile(part: KernelPart, source: Path, headers: Path, patched: Path) -> Check:
    findings = checkers.compile_findings(patched, headers)
    foreign = [finding for finding in findings if finding.place not in part.own]
    if foreign:
        pristine = patched.with_name("pristine")
        pristine.mkdir()
        copy_pristine(part.pristine, source, pristine)
        place(part.build_files, pristine)
        findings = checkers.added(
            findings, checkers.compile_findings(pristine, headers)
        )
    sparse = " and sparse" if checkers.sparse_is_installed() else ""
    return Check(
        tool=f"W=1{sparse}",
        looked_at="our files, and what is new in others",
        findings=findings,
    )
