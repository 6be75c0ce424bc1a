# SPDX-License-Identifier: Apache-2.0
"""Our hook among libvirt's: put there, found, and removed."""

import os
import shlex
import sys
from pathlib import Path

from vhostaccel.errors import StorageError

HOOKS = Path("/etc/libvirt/hooks")
_NAME = "50-vhostaccel"
_SCRIPT = Path(__file__).with_name("hook.sh")


def hook_text(python: str = sys.executable) -> str:
    """Return the hook for an installed Python."""
    return _SCRIPT.read_text().replace("@PYTHON@", shlex.quote(python))


def install_hook(hooks: Path = HOOKS) -> bool:
    """Put the hook in its place, or bring it up to date.

    Args:
        hooks: libvirt's folder of hooks.

    Returns:
        Whether libvirt has to be started anew: it looks for hooks only when it starts,
        and there was none of its QEMU driver.

    Raises:
        StorageError: If it cannot be written.
    """
    folder = hooks / "qemu.d"
    path = folder / _NAME
    unseen = not _any_hook(hooks)
    text = hook_text()
    try:
        if path.exists() and path.read_text() == text and os.access(path, os.X_OK):
            return False
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the folder: libvirt runs whatever is in it.
        beside = hooks / f".{_NAME}.new"
        beside.write_text(text)
        beside.chmod(0o755)
        beside.rename(path)
    except OSError as error:
        raise _not_written(path, error) from None
    return unseen


def hook_installed(hooks: Path = HOOKS) -> bool:
    """Say whether the hook is in its place."""
    return os.access(hooks / "qemu.d" / _NAME, os.X_OK)


def remove_hook(hooks: Path = HOOKS) -> None:
    """Take the hook away, and the folder if nothing else is in it.

    Raises:
        StorageError: If it cannot be removed.
    """
    path = hooks / "qemu.d" / _NAME
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(path, error) from None
    if path.parent.is_dir() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def _any_hook(hooks: Path) -> bool:
    folder = hooks / "qemu.d"
    candidates = [hooks / "qemu", *(folder.iterdir() if folder.is_dir() else ())]
    return any(path.is_file() and os.access(path, os.X_OK) for path in candidates)


def _not_written(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot change libvirt's hook {path}: {error.strerror}",
        hint="run it as root, with sudo",
    )
