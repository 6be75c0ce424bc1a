# SPDX-License-Identifier: Apache-2.0
"""The kernel part as a newer kernel takes it: kmod/ with the differences applied.

kmod/patches/7.2/ holds them::

    port.toml        which patches of patches/6.12 are not needed, and which lines of
                     the others read otherwise
    own.diff         what changes in our own files, paths as in kmod/
    0003-....diff    takes the place of the diff in the patch with that name, where
                     nearly all of it is other

port.toml::

    [[drop]]
    patch = "0021-....patch"
    why = "..."

    [[replace]]
    patch = "0010-....patch"
    why = "..."
    old = "..."  # once in the diff
    new = "..."

Messages are those of the patches in patches/6.12. The generated files are made anew,
by the newer kernel's generator.
"""

import re
import shutil
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError, SetupError
from vhostaccel.kmod.generated import regenerate
from vhostaccel.kmod.layout import KMOD, KernelPart, read_kernel_part
from vhostaccel.kmod.nextkernel import NEXT_SERIES
from vhostaccel.kmod.patch import read_patch
from vhostaccel.lab.kernel import SERIES

_OTHERS = shutil.ignore_patterns("__pycache__", "*.o", "*.ko")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """The kernel part for another series of kernels."""

    kmod: Path
    """A folder like kmod/."""
    part: KernelPart


def make_port(folder: Path, source: Path, kmod: Path = KMOD) -> Port:
    """Lay out kmod/ for the newer kernel.

    Args:
        folder: where; it is filled.
        source: the newer kernel's source, for its generator.
        kmod: the kernel part as it is.

    Raises:
        SetupError: If a difference names what is not there.
        ProvideError: If one does not apply.
    """
    ported = folder / "kmod"
    shutil.copytree(kmod, ported, ignore=_OTHERS)
    differences = kmod / "patches" / NEXT_SERIES
    patches = ported / "patches" / SERIES
    for diff in sorted(differences.glob("0*.diff")):
        _replace(patches / f"{diff.stem}.patch", diff)
    listed = tomllib.loads((differences / "port.toml").read_text())
    for entry in listed.get("replace", []):
        _reword(patches / entry["patch"], entry["old"], entry["new"])
    for entry in listed.get("drop", []):
        _drop(entry["patch"], ported, patches)
    _change_own(differences / "own.diff", ported)
    regenerate(read_kernel_part(ported), source)
    return Port(kmod=ported, part=read_kernel_part(ported))


def _replace(patch: Path, diff: Path) -> None:
    if not patch.exists():
        raise SetupError(
            f"patches/{NEXT_SERIES}/{diff.name} takes the place of nothing",
            hint=f"give it the name of the patch in patches/{SERIES} that it is for",
        )
    patch.write_text(replace(read_patch(patch), diff=diff.read_text()).text)


def _reword(patch: Path, old: str, new: str) -> None:
    given = read_patch(patch)
    if given.diff.count(old) != 1:
        raise SetupError(
            f"patches/{NEXT_SERIES}/port.toml replaces lines that are not once in "
            f"{patch.name}: {old.strip()[:70]}",
            hint=f"make them those of patches/{SERIES}",
        )
    patch.write_text(replace(given, diff=given.diff.replace(old, new)).text)


def _drop(name: str, ported: Path, patches: Path) -> None:
    series = ported / "series.toml"
    entry = rf'^\[\[patch\]\]\npatch = "{re.escape(name)}"\n(?=\n|\[\[|\Z)'
    text, found = re.subn(entry, "", series.read_text(), flags=re.MULTILINE)
    if found != 1 or not (patches / name).exists():
        raise SetupError(
            f"patches/{NEXT_SERIES}/port.toml drops {name}, which is no patch of the "
            "series, or one with files",
            hint="see kmod/series.toml",
        )
    (patches / name).unlink()
    series.write_text(text)


def _change_own(diff: Path, ported: Path) -> None:
    done = command.run(
        ["patch", "-p1", "-F0", "--forward", "--batch", "--no-backup-if-mismatch",
         "-d", str(ported), "-i", str(diff.resolve())],
        hint="sudo apt-get install --no-install-recommends patch",
        check=False,
    )  # fmt: skip
    if done.status != 0:
        raise ProvideError(
            f"patches/{NEXT_SERIES}/own.diff does not apply: {done.output.strip()}",
            hint="make its hunks anew: they are against the files of kmod/",
        )
