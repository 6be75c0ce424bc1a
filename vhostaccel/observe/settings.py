# SPDX-License-Identifier: Apache-2.0
"""How the receive path is set: read back from the kernel, and in every mode.

A mode that turns something is believed only as far as this shows it, and so is its undo:
the same names are read while the other modes run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

_NET = Path("/sys/class/net")
_OF_A_PORT = ("threaded", "napi_defer_hard_irqs", "gro_flush_timeout")


def read_settings(
    ports: Sequence[str],
    folder: Path = _NET,
) -> dict[str, str]:
    """Return how the host receives, each setting under a name that tells whose it is.

    Args:
        ports: names of the NIC ports.
        folder: where sysfs shows network devices.
    """
    found = {
        f"{port} {file}": read_setting(folder / port / file)
        for port in ports
        for file in _OF_A_PORT
    }
    return {name: value for name, value in found.items() if value is not None}


def read_setting(path: Path) -> str | None:
    """Return what a file of sysfs holds, or None if there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return None


def settings_between(
    opened: Mapping[str, str], closed: Mapping[str, str]
) -> dict[str, str]:
    """Return what was set all through a window; what changed in it is told as a change."""
    return {
        name: value
        if closed.get(name) == value
        else f"{value}, then {closed.get(name, 'gone')}"
        for name, value in opened.items()
    }
