# SPDX-License-Identifier: Apache-2.0
"""Builds within a whole kernel tree: everything on, other compilers, 32 bits.

A configuration with everything as a module (allmodconfig) compiles what ours leaves
out. Only the folders that we touch are built, without a link, which is what it takes
to see every warning. The first time a configuration is made ready, which takes
minutes; later builds compile the touched files alone.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError
from vhostaccel.kmod.answers import Finding
from vhostaccel.kmod.build import complaints
from vhostaccel.kmod.checkers import warning_findings
from vhostaccel.kmod.layout import KernelPart

_CROWDED = ("drivers/net", "net")
"""Folders with much that is not ours: of these only the touched files are built."""

_CONFIG = """\
CONFIG_WERROR=n
CONFIG_DEBUG_INFO_NONE=y
CONFIG_GCC_PLUGINS=n
CONFIG_MODULE_SIG=n
CONFIG_KASAN=n
CONFIG_UBSAN=n
CONFIG_KCOV=n
CONFIG_GCOV_KERNEL=n
"""
"""Warnings are for us to count; the rest takes more packages, or time, and finds its
mistakes only when the kernel runs."""

_DIVISION = re.compile(r"\b(__u?(?:div|mod)di3)\b")
_HINT = "`vhostaccel doctor` lists the tools; setup/kernel-checks.packages names them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to compile."""

    name: str
    title: str
    settings: tuple[str, ...] = ()
    """For make, whatever it makes."""
    checker: tuple[str, ...] = ()
    """For make, when our files are compiled."""
    controls: tuple[str, ...] = ()
    """Whose planted mistakes it has to find."""
    is_32bit: bool = False


GCC = Variant(
    name="gcc",
    title="gcc, allmodconfig, W=1, sparse",
    checker=("C=1", "CF=-D__CHECK_ENDIAN__"),
    controls=("W=1", "sparse"),
)
GCC_ALONE = Variant(name="gcc-alone", title="gcc, allmodconfig, W=1", controls=("W=1",))
CLANG = Variant(
    name="clang",
    title="clang 19 (LLVM=1), allmodconfig, W=1",
    settings=("LLVM=-19",),
    controls=("clang",),
)
I386 = Variant(
    name="i386",
    title="gcc, i386 allmodconfig, W=1",
    settings=("ARCH=i386",),
    controls=("W=1", "i386"),
    is_32bit=True,
)
VARIANTS = (GCC, CLANG, I386)


def touched_sources(part: KernelPart) -> tuple[str, ...]:
    """Return the kernel's C files that are ours or that a patch changes."""
    changed = {path for patch in part.patches for path in patch.changes}
    return kernel_sources(sorted({*part.own, *changed}))


def kernel_sources(places: Iterable[str]) -> tuple[str, ...]:
    """Return the C files among places in a tree that are compiled into a kernel."""
    return tuple(
        place
        for place in places
        if place.endswith(".c") and not place.startswith("tools/")
    )


def build_targets(sources: Iterable[str]) -> tuple[str, ...]:
    """Return what make is to build so that the sources are compiled."""
    folders = {_folder(source) for source in sources} - {*_CROWDED}
    alone = [
        source.removesuffix(".c") + ".o"
        for source in sources
        if _folder(source) in _CROWDED
    ]
    top = [
        one for one in folders if not any(one.startswith(f"{up}/") for up in folders)
    ]
    return (*(f"{folder}/" for folder in sorted(top)), *sorted(alone))


def build_findings(
    variant: Variant,
    tree: Path,
    out: Path,
    sources: tuple[str, ...],
    *,
    anew: bool = True,
) -> tuple[Finding, ...]:
    """Compile the sources and what is beside them, and return what is warned of.

    Args:
        variant: how.
        tree: the whole source.
        out: the folder for the objects; not in the tree.
        sources: files of the tree.
        anew: compile all of it, not only what was changed since.

    Raises:
        ProvideError: If the configuration cannot be made ready, or a source was left
            out without a word.
    """
    prepare(variant, tree, out)
    targets = build_targets(sources)
    if anew:
        _forget(out, targets)
    done = _make(variant, tree, out, "-k", "W=1", *variant.checker, *targets)
    findings = warning_findings(_shortened(done.output, tree), variant.name)
    left_out = uncompiled(out, sources)
    if (left_out or done.status != 0) and "error: " not in done.output:
        raise ProvideError(
            f"{variant.title}: not compiled: {', '.join(left_out) or 'something'}:\n"
            f"    {complaints(_shortened(done.output, tree))}",
            hint=_HINT,
        )
    if variant.is_32bit:
        findings += division_findings(out, sources)
    return findings


def uncompiled(out: Path, sources: Iterable[str]) -> tuple[str, ...]:
    """Return the sources of which there is no object."""
    return tuple(source for source in sources if not _object(out, source).exists())


def prepare(variant: Variant, tree: Path, out: Path) -> None:
    """Make a configuration with everything on ready to compile files.

    Raises:
        ProvideError: If it failed.
    """
    out.mkdir(parents=True, exist_ok=True)
    given = out / ".given.config"
    given.write_text(_CONFIG)
    for wanted in (
        (f"KCONFIG_ALLCONFIG={given}", "allmodconfig"),
        ("modules_prepare",),
    ):
        done = _make(variant, tree, out, *wanted)
        if done.status != 0:
            raise ProvideError(
                f"{variant.title}: make {wanted[-1]} failed:\n"
                f"    {complaints(_shortened(done.output, tree))}",
                hint=_HINT,
            )


def division_findings(out: Path, sources: Iterable[str]) -> tuple[Finding, ...]:
    """Return the divisions of 64 bits that a kernel of 32 bits could not link."""
    findings = []
    for source in sources:
        made = _object(out, source)
        if not made.exists():
            continue
        listed = command.run(["nm", "-u", os.fspath(made)], hint=_HINT).output
        findings += [
            Finding(
                tool="i386",
                place=source,
                line=1,
                kind="division",
                message=f"divides 64 bits by {name}, which no kernel has: div_u64()",
            )
            for name in sorted(set(_DIVISION.findall(listed)))
        ]
    return tuple(findings)


def _make(variant: Variant, tree: Path, out: Path, *wanted: str) -> command.Finished:
    argv = [
        "make", "--no-print-directory", f"-j{os.cpu_count() or 1}", "-C",
        os.fspath(tree), f"O={out}", *variant.settings, *wanted,
    ]  # fmt: skip
    return command.run(argv, hint=_HINT, timeout_s=3600, check=False)


def _forget(out: Path, targets: Iterable[str]) -> None:
    """Remove what was compiled before: only a compilation warns."""
    for target in targets:
        if target.endswith("/"):
            for made in (out / target).rglob("*.o"):
                made.unlink()
        else:
            (out / target).unlink(missing_ok=True)


def _folder(source: str) -> str:
    return source.rpartition("/")[0]


def _object(out: Path, source: str) -> Path:
    return out / (source.removesuffix(".c") + ".o")


def _shortened(output: str, tree: Path) -> str:
    # make prints the folder that a link in the path leads to.
    return output.replace(f"{tree.resolve()}/", "").replace("../", "")
