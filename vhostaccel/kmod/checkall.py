# SPDX-License-Identifier: Apache-2.0
"""The long checks: whole kernels, other compilers, 32 bits, the next kernel.

kernel/<version>.check/tree      the kernel part within the whole source
kernel/<version>.check/gcc       objects of one way to compile, and of each other
kernel/<version>.check/*.json    what the pristine source is warned of

The next kernel has the same beside its tree.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from vhostaccel.kmod.check import check_patches
from vhostaccel.kmod.checkers import added
from vhostaccel.kmod.control import PLANTED_C, require_seen
from vhostaccel.kmod.known import build_lock, known_findings
from vhostaccel.kmod.layout import KernelPart
from vhostaccel.kmod.nextkernel import NEXT_SERIES, NextKernel, provide_next
from vhostaccel.kmod.port import Port, make_port
from vhostaccel.kmod.report import Check
from vhostaccel.kmod.treebuild import (
    CLANG,
    GCC_ALONE,
    VARIANTS,
    Variant,
    build_findings,
    touched_sources,
)
from vhostaccel.kmod.whole_tree import follow_part
from vhostaccel.lab import storage
from vhostaccel.lab.kernel import Kernel
from vhostaccel.lab.source import provide_whole_source

Say = Callable[[str], None]

NEXT_VARIANTS = (GCC_ALONE, CLANG)
"""How the part is compiled in the next kernel, which asks for a newer sparse than
Debian 12 and 13 have."""


_PLANTED = "net/vhostaccel_planted.c"


@contextmanager
def long_checks(
    part: KernelPart, kernel: Kernel, say: Say
) -> Iterator[tuple[Callable[[], Check], ...]]:
    """Provide the long checks: in this machine's kernel, then in the next."""
    assert kernel.source is not None
    pristine = kernel.source
    folder = storage.cache_dir() / "kernel" / f"{kernel.package_version}.check"

    def within(variant: Variant) -> Check:
        tree = provide_whole_source(kernel, folder / "tree", say)
        return compile_check(variant, part, pristine, tree, say)

    with TemporaryDirectory(prefix="vhostaccel-next-") as name:
        upcoming = _Next(Path(name), say)
        yield (
            *(partial(within, variant) for variant in VARIANTS),
            upcoming.check_patches,
            *(partial(upcoming.compile, variant) for variant in NEXT_VARIANTS),
        )


def compile_check(
    variant: Variant, part: KernelPart, pristine: Path, tree: Path, say: Say
) -> Check:
    """Compile the kernel part within a whole kernel source.

    Args:
        variant: how.
        part: our files and hunks.
        pristine: the parts of the source that hunks are in.
        tree: all of the source; objects are left beside it.
        say: is told of it.

    Raises:
        StorageError: If it does not fit on the disk.
        ProvideError: If a patch does not apply, or the build cannot be made ready.
    """
    say(f"compiling: {variant.title}")
    sources = touched_sources(part)
    shown = replace(part, own={**part.own, _PLANTED: PLANTED_C})
    with storage.alone(build_lock(tree)):
        follow_part(shown, pristine, tree)
        out = tree.with_name(variant.name)
        findings = build_findings(variant, tree, out, (*sources, _PLANTED))
        require_seen(variant.title, variant.controls, findings, _PLANTED)
        findings = tuple(found for found in findings if found.place != _PLANTED)
        if any(finding.place not in part.own for finding in findings):
            old = tuple(path for path in sources if path not in part.own)
            findings = added(findings, known_findings(variant, pristine, tree, old))
    return Check(
        tool=variant.title,
        looked_at=f"{len(sources)} files, what is beside them",
        findings=findings,
    )


class _Next:
    """The kernel part in the next kernel; made when first asked for."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say

    def check_patches(self) -> Check:
        """Write the series for the next kernel, and run its checkpatch.pl."""
        self._say(f"the series for Linux {NEXT_SERIES}")
        mails, port = self._folder / "mails", self._port
        return _of_next(check_patches(port.part, self._kernel.parts, mails, port.kmod))

    def compile(self, variant: Variant) -> Check:
        """Compile the kernel part within the next kernel."""
        part, kernel = self._port.part, self._kernel
        return _of_next(
            compile_check(variant, part, kernel.parts, kernel.tree, self._say)
        )

    @cached_property
    def _kernel(self) -> NextKernel:
        return provide_next(self._say)

    @cached_property
    def _port(self) -> Port:
        return make_port(self._folder / "port", self._kernel.parts)


def _of_next(check: Check) -> Check:
    return replace(check, tool=f"{NEXT_SERIES}: {check.tool}")
