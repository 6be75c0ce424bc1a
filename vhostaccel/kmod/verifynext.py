# SPDX-License-Identifier: Apache-2.0
"""The series for the next kernel: written, and proved patch by patch."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from vhostaccel.errors import ProvideError
from vhostaccel.kmod.answers import Finding
from vhostaccel.kmod.checkers import added
from vhostaccel.kmod.known import build_lock, known_findings
from vhostaccel.kmod.layout import KernelPart
from vhostaccel.kmod.mail import Repository, find_author, publish
from vhostaccel.kmod.nextkernel import NextKernel, provide_next
from vhostaccel.kmod.port import make_port
from vhostaccel.kmod.treebuild import (
    GCC_ALONE,
    build_findings,
    build_targets,
    kernel_sources,
    uncompiled,
)
from vhostaccel.kmod.verify import Trial
from vhostaccel.kmod.whole_tree import follow_part
from vhostaccel.lab import storage

_SOURCE = re.compile(r"^\+\+\+ b/(\S+\.c)$", re.MULTILINE)


def publish_next(output: Path, report: Callable[[str], None]) -> tuple[Path, ...]:
    """Write the series for the next kernel into a folder.

    Returns:
        The letter and the patches, in order.

    Raises:
        SetupError: If a difference names what is not there.
        StorageError: If the folder cannot be written.
        ProvideError: If there is no source, or a patch does not apply.
    """
    kernel = provide_next(report)
    with TemporaryDirectory(prefix="vhostaccel-next-") as name:
        port = make_port(Path(name), kernel.parts)
        return publish(port.part, kernel.parts, output, port.kmod)


def verify_next(
    patches: tuple[Path, ...], report: Callable[[str], None]
) -> tuple[Trial, ...]:
    """Apply the patches one by one, compiling after each; stop at the first failure."""
    kernel = provide_next(report)
    trials: list[Trial] = []
    with (
        TemporaryDirectory(prefix="vhostaccel-verify-") as name,
        storage.alone(build_lock(kernel.tree)),
    ):
        checkout = Repository(Path(name), find_author())
        checkout.start(kernel.parts)
        known = known_findings(
            GCC_ALONE, kernel.parts, kernel.tree, _old_sources(patches, kernel)
        )
        for patch in patches:
            report(f"git am and compile: {patch.name}")
            trials.append(_try(patch, checkout, kernel, known))
            if trials[-1].error:
                break
    return tuple(trials)


def _old_sources(patches: tuple[Path, ...], kernel: NextKernel) -> tuple[str, ...]:
    named = {path for patch in patches for path in _SOURCE.findall(patch.read_text())}
    old = (path for path in sorted(named) if (kernel.parts / path).exists())
    return kernel_sources(old)


def _try(
    patch: Path, checkout: Repository, kernel: NextKernel, known: tuple[Finding, ...]
) -> Trial:
    trial = Trial(patch=patch.name, applied=False, modules=(), warnings=0, error="")
    try:
        checkout.git("am", "--quiet", os.fspath(patch.resolve()))
        trial = replace(trial, applied=True)
        return _compile(trial, checkout, kernel, known)
    except ProvideError as failure:
        return replace(trial, error=failure.what)


def _compile(
    trial: Trial, checkout: Repository, kernel: NextKernel, known: tuple[Finding, ...]
) -> Trial:
    """Compile what was changed, and say how much of it is warned of anew."""
    changed = checkout.git("diff", "--name-only", "--diff-filter=d", "pristine").split()
    sources = kernel_sources(changed)
    if not sources:
        return trial
    here = {path: checkout.folder / path for path in changed}
    part = KernelPart(own=here, patches=(), build_files={})
    follow_part(part, kernel.parts, kernel.tree)
    out = kernel.tree.with_name(GCC_ALONE.name)
    findings = added(
        build_findings(GCC_ALONE, kernel.tree, out, sources, anew=False), known
    )
    left_out = uncompiled(out, sources)
    told = "; ".join(str(finding) for finding in findings[:3])
    return replace(
        trial,
        modules=build_targets(sources),
        warnings=len(findings),
        error=f"not compiled: {', '.join(left_out)}: {told}" if left_out else "",
    )
