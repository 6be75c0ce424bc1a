# SPDX-License-Identifier: Apache-2.0
"""Everything a reviewer's machine would find in the kernel part, found first."""

from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from vhostaccel.kmod import checkers, cocci, ynl
from vhostaccel.kmod.answers import Finding, read_answers
from vhostaccel.kmod.generated import generated_files, outdated
from vhostaccel.kmod.layout import KMOD, KernelPart
from vhostaccel.kmod.mail import publish
from vhostaccel.kmod.report import Check, Report, timed
from vhostaccel.kmod.selftest_form import selftest_files, selftest_findings
from vhostaccel.kmod.tree import assemble, copy_pristine, place
from vhostaccel.kmod.treebuild import touched_sources

_OURS_AND_NEW = "our files, and what is new in others"


def check_kernel_part(
    part: KernelPart,
    source: Path,
    headers: Path,
    say: Callable[[str], None],
    *,
    semantics: Iterable[str] | None = cocci.QUICK,
    more: Iterable[Callable[[], Check]] = (),
) -> Report:
    """Run every checker that is quick, and more if wanted.

    Args:
        part: our files and hunks.
        source: parts of the pristine source.
        headers: of the kernel to build for.
        say: is told of each step.
        semantics: folders of semantic patches to run, None for all.
        more: the long ones; they say what they do themselves.

    Raises:
        SetupError: If a checker's program is missing.
        ProvideError: If a patch does not apply or the build failed.
    """
    with TemporaryDirectory(prefix="vhostaccel-check-") as name:
        folder = Path(name)
        patched = folder / "patched"
        patched.mkdir()
        assemble(part, source, patched)
        checks = [
            timed(check)
            for check in (
                lambda: check_patches(part, source, folder / "mails"),
                lambda: check_files(part, source),
                lambda: _kernel_doc(part, source, patched),
                lambda: _generated(part, source),
                lambda: _schema(part, source),
                _selftests,
            )
        ]
        say(f"building with W=1{_and_sparse()}")
        checks.append(timed(lambda: _compile(part, source, headers, patched)))
        if cocci.cocci_is_installed():
            say("running the kernel's semantic patches")
            checks.append(
                timed(lambda: check_semantics(part, source, patched, semantics))
            )
    checks += [timed(check) for check in more]
    return Report(checks=tuple(checks), answers=read_answers(), notes=missing_tools())


def missing_tools() -> tuple[str, ...]:
    """Return what cannot be checked here, and how to mend that."""
    there = {
        "sparse": checkers.sparse_is_installed(),
        "coccinelle": cocci.cocci_is_installed(),
    }
    return tuple(
        f"{tool} is not installed: sudo apt-get install {tool}"
        for tool, installed in there.items()
        if not installed
    )


def check_patches(
    part: KernelPart, source: Path, folder: Path, kmod: Path = KMOD
) -> Check:
    """Run checkpatch.pl on each patch of the series, written into ``folder``."""
    patches = publish(part, source, folder, kmod)[1:]
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


def check_semantics(
    part: KernelPart,
    source: Path,
    patched: Path,
    folders: Iterable[str] | None = None,
) -> Check:
    """Run the kernel's semantic patches, or some of them and on our files alone."""
    scripts = cocci.cocci_scripts(source, folders)
    places = touched_sources(part)
    if folders is not None:
        places = tuple(place for place in places if place in part.own)
    findings = cocci.cocci_findings(places, patched, source, scripts)
    foreign = sorted({found.place for found in findings} - {*part.own})
    if foreign:
        before = cocci.cocci_findings(foreign, source, source, scripts)
        findings = checkers.added(findings, before)
    return Check(
        tool="coccicheck" + (" (part)" if folders else ""),
        looked_at=f"{len(places)} files, {len(scripts)} semantic patches",
        findings=findings,
    )


def _kernel_doc(part: KernelPart, source: Path, patched: Path) -> Check:
    changed = sorted({path for patch in part.patches for path in patch.changes})
    before = checkers.kernel_doc_findings(changed, source, source)
    findings = checkers.kernel_doc_findings((*part.own, *changed), patched, source)
    return Check(
        tool="kernel-doc -Wall",
        looked_at=_OURS_AND_NEW,
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


def _schema(part: KernelPart, source: Path) -> Check:
    return Check(
        tool="YNL schema",
        looked_at=f"{len(ynl.spec_places(part))} specifications",
        findings=ynl.spec_findings(part, source),
    )


def _selftests() -> Check:
    files = selftest_files()
    return Check(
        tool="selftests' form",
        looked_at=f"{len(files)} files",
        findings=selftest_findings(files, KMOD / "selftests"),
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
    return Check(tool=f"W=1{_and_sparse()}", looked_at=_OURS_AND_NEW, findings=findings)


def _and_sparse() -> str:
    return " and sparse" if checkers.sparse_is_installed() else ""
