# SPDX-License-Identifier: Apache-2.0
"""libvirtd inside the lab, where there is no systemd, D-Bus, udev or cgroup set-up.

Runs in the lab only: it mounts over libvirt's folders and programs.
"""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from vhostaccel.command import run
from vhostaccel.errors import GuestError
from vhostaccel.patience import limit_s

_FOLDER = Path("/run/vhostaccel-libvirt")
_SOCKET = Path("/run/libvirt/libvirt-sock")
_STATE = (
    Path("/var/lib/libvirt"),
    Path("/var/cache/libvirt"),
    Path("/var/log/libvirt"),
    Path("/etc/libvirt"),
)
_QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
_LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
"""
# Every further driver costs seconds of start-up under emulation, and some want D-Bus.
_DRIVERS = ("qemu",)
# libvirt looks these up before it reads that it is to run as root. Debian's package
# libvirt-daemon-system would make them, and would start a service on the host as well.
_USER = "libvirt-qemu"
_USER_ID = 64055
_START_TIMEOUT_S = 60.0
_POLL_S = 0.05


class Libvirtd:
    """A running libvirtd; `stop` ends it."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def stop(self) -> None:
        """End the daemon; guests that still run go on without it."""
        self._process.terminate()
        self._process.wait()


def start_libvirtd(install_hook: Callable[[], object] | None = None) -> Libvirtd:
    """Start libvirtd and return once it takes connections.

    Args:
        install_hook: puts a hook in its place; libvirt looks for hooks when it starts.

    Raises:
        GuestError: If it does not come up; the message has its last words.
    """
    for folder in (*_STATE, _FOLDER):
        folder.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "libvirt", str(folder))
    (_STATE[3] / "qemu.conf").write_text(_QEMU_CONF)
    (_STATE[3] / "qemu" / "networks").mkdir(parents=True)
    (_FOLDER / "libvirtd.conf").write_text(_LIBVIRTD_CONF)
    _hide_other_emulators()
    _add_user()
    if install_hook is not None:
        install_hook()
    log = _FOLDER / "libvirtd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ("libvirtd", "-f", os.fspath(_FOLDER / "libvirtd.conf")),
            env=_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + limit_s(_START_TIMEOUT_S)
    while not _SOCKET.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise GuestError(
                f"libvirtd did not start: {log.read_text(errors='replace')[-500:]}",
                hint="`vhostaccel lab shell`, then `libvirtd -v`",
            )
        time.sleep(_POLL_S)
    return Libvirtd(process)


def _mount(*arguments: str) -> None:
    run(
        ("mount", *arguments), hint="the lab's kernel or root file system is not usable"
    )


def _hide_other_emulators() -> None:
    # libvirt asks every emulator it finds for its capabilities, seconds each here.
    for path in Path("/usr/bin").glob("qemu-system-*"):
        if path.name != "qemu-system-x86_64" and not path.is_symlink():
            _mount("--bind", "/dev/null", os.fspath(path))


def _add_user() -> None:
    for path, entry in (
        (
            Path("/etc/passwd"),
            f"{_USER}:x:{_USER_ID}:{_USER_ID}::/var/lib/libvirt:/bin/false",
        ),
        (Path("/etc/group"), f"{_USER}:x:{_USER_ID}:"),
    ):
        text = path.read_text()
        if f"{_USER}:" not in text:
            path.write_text(f"{text.rstrip()}\n{entry}\n")


def _environment(outer: Mapping[str, str]) -> dict[str, str]:
    for installed in Path("/usr/lib").glob("*/libvirt/connection-driver"):
        chosen = _FOLDER / "connection-driver"
        chosen.mkdir(exist_ok=True)
        for name in _DRIVERS:
            library = installed / f"libvirt_driver_{name}.so"
            if library.exists():
                (chosen / library.name).symlink_to(library)
        return {**outer, "LIBVIRT_DRIVER_DIR": os.fspath(chosen)}
    return dict(outer)
