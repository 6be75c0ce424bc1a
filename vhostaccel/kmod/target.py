# SPDX-License-Identifier: Apache-2.0
"""The host whose modules are to be replaced, and what it must have for that."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vhostaccel import command
from vhostaccel.errors import SetupError
from vhostaccel.kmod.inuse import module_uses
from vhostaccel.lab.kernel import SERIES

DKMS_HINT = "sudo apt-get install --no-install-recommends dkms"


class Runner(Protocol):
    """Runs a program, as `command.run` does."""

    def __call__(
        self, argv: list[str], *, hint: str, timeout_s: float = ..., check: bool = ...
    ) -> command.Finished:
        """Run a program to its end and return what it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The host to change."""

    kernel: str
    """The kernel to build for, as `uname -r` prints it."""
    root: Path = Path("/")
    run: Runner = command.run
    running: str = field(default_factory=lambda: os.uname().release)
    user: int = field(default_factory=os.geteuid)

    def has(self, program: str) -> bool:
        """Return whether a program of the system is there."""
        places = (
            self.root / place / program for place in ("usr/sbin", "sbin", "usr/bin")
        )
        return any(path.exists() for path in places)


def require_installable(target: Target, *, reload: bool) -> None:
    """Refuse what cannot succeed, before anything is changed.

    Raises:
        SetupError: If rights, DKMS or headers are missing, the kernel is of another
            series, or modules in use were to be loaded anew.
    """
    require_root(target)
    require_series(target)
    if not target.has("dkms"):
        raise SetupError("cannot install: DKMS is not installed", hint=DKMS_HINT)
    if not (target.root / "lib/modules" / target.kernel / "build").exists():
        raise SetupError(
            f"cannot build for kernel {target.kernel}: its headers are not installed",
            hint=f"sudo apt-get install linux-headers-{target.kernel}",
        )
    if reload:
        require_reloadable(target)


def require_series(target: Target) -> None:
    """Refuse a kernel that the patches are not for.

    Raises:
        SetupError: If it is of another series.
    """
    if not target.kernel.startswith(f"{SERIES}."):
        raise SetupError(
            f"cannot install for kernel {target.kernel}: the patches are for {SERIES}",
            hint=f"boot a {SERIES} kernel, or name an installed one with --kernel",
        )


def require_root(target: Target) -> None:
    """Refuse another user than root.

    Raises:
        SetupError: If it is another.
    """
    if target.user != 0:
        raise SetupError(
            "cannot change this host's kernel modules: not root",
            hint="run it with sudo; --dry-run shows the steps without",
        )


def require_reloadable(target: Target) -> None:
    """Refuse to load modules anew that are in use.

    Raises:
        SetupError: If one is, or the target kernel does not run.
    """
    hint = "leave out --reload: the next boot loads them"
    if target.kernel != target.running:
        raise SetupError(
            f"cannot reload: {target.running} runs, not {target.kernel}", hint=hint
        )
    busy = [use for use in module_uses(target.root) if use.users]
    if busy:
        told = "; ".join(str(use) for use in busy)
        raise SetupError(
            f"cannot reload modules in use: {told}",
            hint=f"stop the guests and set the interfaces down, or {hint}",
        )
