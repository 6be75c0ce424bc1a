# SPDX-License-Identifier: Apache-2.0
"""Which of the modules are loaded, whose build they are, and what uses them now."""

from dataclasses import dataclass
from pathlib import Path

from vhostaccel.kmod.layout import MODULES

_IFF_UP = 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleUse:
    """A module as the running kernel has it."""

    name: str
    loaded: bool
    out_of_tree: bool
    """Built out of the kernel's own tree: what vhostaccel, or another package, built."""
    users: tuple[str, ...]

    def __str__(self) -> str:
        if not self.loaded:
            return f"{self.name}: not loaded"
        build = "built out of tree" if self.out_of_tree else "the kernel's own"
        return f"{self.name}: loaded, {build}, {'; '.join(self.users) or 'not in use'}"


def module_uses(root: Path = Path("/")) -> tuple[ModuleUse, ...]:
    """Return what the running kernel says of each module that the kernel part brings."""
    return tuple(_read(root, name) for name in MODULES)


def _read(root: Path, name: str) -> ModuleUse:
    folder = root / "sys/module" / name
    # Parameters of what is built in have a folder too, but no state.
    if not (folder / "initstate").exists():
        return ModuleUse(name=name, loaded=False, out_of_tree=False, users=())
    return ModuleUse(
        name=name,
        loaded=True,
        out_of_tree="O" in (folder / "taint").read_text(),
        users=(*_holders(folder), *_references(folder), *_interfaces(root, name)),
    )


# One of ours that needs another of ours goes first, so it does not keep that.
def _holders(folder: Path) -> list[str]:
    names = sorted(path.name for path in (folder / "holders").glob("*"))
    return [f"needed by module {name}" for name in names if name not in MODULES]


def _references(folder: Path) -> list[str]:
    held = len(list((folder / "holders").glob("*")))
    count = int((folder / "refcnt").read_text()) - held
    return [f"{count} open or persistent uses"] if count > 0 else []


# A driver has no reference from its interfaces, and they vanish with it.
def _interfaces(root: Path, name: str) -> list[str]:
    found = (root / "sys/bus/pci/drivers" / name).glob("*/net/*")
    busy = []
    for path in sorted(found):
        if int((path / "flags").read_text(), 16) & _IFF_UP:
            busy.append(f"interface {path.name} is up")
        elif (path / "master").exists():
            busy.append(f"interface {path.name} is part of another")
    return busy
