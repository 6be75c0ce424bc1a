# SPDX-License-Identifier: Apache-2.0
"""How the receive path is set: read back from the kernel, and in every mode.

A mode that turns something is believed only as far as this shows it, and so is its undo:
the same names are read while the other modes run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

_NET = Path("/sys/class/net")
_PROC = Path("/proc")
_OF_A_PORT = ("threaded", "napi_defer_hard_irqs", "gro_flush_timeout")


def read_settings(
    ports: Sequence[str],
    taps: Sequence[str],
    guests: Mapping[int, str],
    folder: Path = _NET,
    proc: Path = _PROC,
) -> dict[str, str]:
    """Return how the host receives, each setting under a name that tells whose it is.

    The kernel does not show how long a vhost worker busy-polls; what QEMU asks it for
    stands in QEMU's command line.

    Args:
        ports: names of the NIC ports.
        taps: names of the guests' ends on the host.
        guests: names of the guests by process id.
        folder: where sysfs shows network devices.
        proc: where processes are shown.
    """
    found = {
        f"{port} {file}": read_setting(folder / port / file)
        for port in ports
        for file in _OF_A_PORT
    }
    found |= {f"{tap} is a": _kind(folder / tap) for tap in taps}
    found |= {
        f"{name} poll-us": _poll_us(proc / str(pid)) for pid, name in guests.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def _kind(device: Path) -> str | None:
    files = {"tun_flags": "tap", "macvtap": "macvtap"}
    return next(
        (kind for file, kind in files.items() if (device / file).exists()), None
    )


def _poll_us(process: Path) -> str | None:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    said = [word.partition(".poll-us=")[2] for word in words if ".poll-us=" in word]
    return ", ".join(said) or "0"


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
