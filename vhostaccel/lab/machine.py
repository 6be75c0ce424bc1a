# SPDX-License-Identifier: Apache-2.0
"""The lab as a running machine: boot it, talk to it, watch its console, end it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vhostaccel.errors import LabError, StorageError
from vhostaccel.lab.channel import Channel
from vhostaccel.lab.console import ConsoleLog
from vhostaccel.lab.initramfs import boot_files
from vhostaccel.lab.kernel import Kernel
from vhostaccel.lab.kvm import look_at_kvm
from vhostaccel.lab.processes import ProcessId
from vhostaccel.lab.qemu import WIRES, Boot, LabFiles, qemu_argv
from vhostaccel.patience import set_patience
from vhostaccel.scenario.model import LabSpec

_PACKAGE = Path(__file__).resolve().parents[1]
_BOOT = Path(__file__).with_name("boot")
_MODULES = ("9pnet_virtio", "9p", "overlay")
_SOCKET_TIMEOUT_S = 20.0
_BOOT_TIMEOUT_S = 180.0
_POLL_S = 0.02

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabState:
    """Who runs a lab."""

    keeper: ProcessId
    qemu: ProcessId


def labs_folder() -> Path:
    """Return the folder that holds the folders of this user's running labs."""
    base = os.environ.get("XDG_RUNTIME_DIR") or "/tmp"
    return Path(base) / f"vhostaccel-{os.getuid()}"


def read_state(files: LabFiles) -> LabState | None:
    """Return who runs the lab, or None if nobody does."""
    try:
        state = json.loads(files.state.read_text())
        found = LabState(
            keeper=ProcessId(**state["keeper"]), qemu=ProcessId(**state["qemu"])
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if found.keeper.is_alive() else None


def remove_dead_labs() -> None:
    """Remove the folders of labs whose keeper was killed; QEMU died with it."""
    if not labs_folder().is_dir():
        return
    for folder in labs_folder().iterdir():
        young = time.time() - folder.stat().st_mtime < _SOCKET_TIMEOUT_S
        if read_state(LabFiles(folder=folder)) is None and not young:
            shutil.rmtree(folder, ignore_errors=True)


class Machine:
    """A running lab; end it with `down`, or by leaving the ``with`` block.

    Attributes:
        files: its sockets and files.
        console: what its kernel prints.
        channel: calls to its agent.
    """

    def __init__(
        self, files: LabFiles, state: LabState, keeper: "subprocess.Popen[bytes] | None"
    ) -> None:
        self.files = files
        self.state = state
        self.console = ConsoleLog(files.console)
        self._keeper = keeper
        self.channel = Channel(files.control, self.why_dead)

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def why_dead(self) -> str | None:
        """Return why the lab no longer runs, or None while it does."""
        if self.state.qemu.is_alive():
            return None
        said = "".join(f"its kernel: {line}; " for line in self.console.problems()[-1:])
        return (
            f"QEMU (pid {self.state.qemu.pid}) has ended; {said}last on its console:"
            f"\n    {self.console.tail()}"
        )

    def wire(self, name: str) -> Path:
        """Return the socket of the outer end of a wire."""
        return self.files.wire(name)

    def detach(self) -> None:
        """Let go of a lab that goes on without us."""
        self.channel.close()

    def down(self) -> None:
        """End the lab and wait until nothing of it is left."""
        self.channel.close()
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            with suppress(BrokenPipeError):
                self._keeper.stdin.close()
            self._keeper.wait()
        else:
            end_detached(self.files, self.state)


def end_detached(files: LabFiles, state: LabState) -> None:
    """End a lab that has no owner and wait until nothing of it is left.

    Raises:
        LabError: If its keeper does not end.
    """
    import signal

    state.keeper.send(signal.SIGTERM)
    deadline = time.monotonic() + _SOCKET_TIMEOUT_S
    while state.keeper.is_alive():
        if time.monotonic() > deadline:
            raise LabError(
                f"the lab's keeper (pid {state.keeper.pid}) did not end",
                hint=f"kill -9 {state.keeper.pid}; rm -r {files.folder}",
            )
        time.sleep(_POLL_S)


def boot(
    spec: LabSpec,
    kernel: Kernel,
    *,
    name: str,
    nic_macs: tuple[str, str],
    report: Report,
    detached: bool = False,
) -> Machine:
    """Boot the lab and return it once its agent answers.

    Args:
        spec: size and time base.
        kernel: the kernel under test.
        name: of the lab's folder; a second lab of the same name is refused.
        nic_macs: addresses of the NICs on wire A and wire B.
        report: is told what happens.
        detached: let the lab outlive us; it is then found again by its name.

    Raises:
        LabError: If the lab does not come up.
    """
    remove_dead_labs()
    files = LabFiles(folder=labs_folder() / name)
    kvm = look_at_kvm().works_nested
    _make_folder(files, kernel)
    inputs = Boot(
        kernel_image=kernel.image,
        modules=kernel.modules.parent,
        python=Path(sys.executable),
        source=_PACKAGE.parent,
        patience=kernel.patience,
    )
    set_patience(kernel.patience)
    argv = qemu_argv(spec, files, inputs, kvm=kvm, nic_macs=nic_macs)
    report(f"booting the lab on {kernel.label} ({'KVM' if kvm else 'TCG'})")
    keeper = _start_keeper(files, argv, detached=detached)
    try:
        state = _wait_for_sockets(files, keeper)
        machine = Machine(files, state, None if detached else keeper)
        machine.channel.call("ping", timeout_s=_BOOT_TIMEOUT_S)
    except BaseException:
        keeper.terminate()
        keeper.wait()
        raise
    return machine


def find(name: str) -> Machine:
    """Return a lab that was booted detached.

    Raises:
        LabError: If no lab of that name runs.
    """
    files = LabFiles(folder=labs_folder() / name)
    state = read_state(files)
    if state is None:
        raise LabError(f"no lab named {name} is running", hint="`vhostaccel lab up`")
    return Machine(files, state, None)


def _make_folder(files: LabFiles, kernel: Kernel) -> None:
    try:
        files.folder.parent.mkdir(mode=0o700, exist_ok=True)
        files.folder.mkdir(mode=0o700)
    except FileExistsError:
        raise LabError(
            f"a lab named {files.folder.name} is already running",
            hint="`vhostaccel lab down` ends it",
        ) from None
    except OSError as error:
        raise StorageError(
            f"cannot make the lab's folder {files.folder}: {error.strerror}",
            hint="set XDG_RUNTIME_DIR to a folder that can be written",
        ) from None
    try:
        settings = f"LAB_SETTLE={_BOOT / 'settle'}\n".encode()
        init = (_BOOT / "init").read_bytes()
        archive = boot_files(kernel, _MODULES, init, {"lab.env": settings})
        files.initramfs.write_bytes(archive)
    except BaseException as error:
        shutil.rmtree(files.folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise StorageError(
                f"cannot write {files.initramfs}: {error.strerror}",
                hint="make room, or set XDG_RUNTIME_DIR to another file system",
            ) from None
        raise


def _start_keeper(
    files: LabFiles, argv: list[str], *, detached: bool
) -> "subprocess.Popen[bytes]":
    ownership = "detached" if detached else "owned"
    command = (
        sys.executable, "-m", "vhostaccel.lab.keeper",
        os.fspath(files.folder), ownership, *argv,
    )  # fmt: skip
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if detached else None,
        cwd="/",
        env=os.environ | {"PYTHONPATH": os.fspath(_PACKAGE.parent)},
    )


def _wait_for_sockets(files: LabFiles, keeper: "subprocess.Popen[bytes]") -> LabState:
    wanted = [files.control, files.shell, files.qmp, *map(files.wire, WIRES)]
    deadline = time.monotonic() + _SOCKET_TIMEOUT_S
    while True:
        state = read_state(files)
        if state is not None and all(path.exists() for path in wanted):
            return state
        dead = keeper.poll() is not None or (state and not state.qemu.is_alive())
        if dead or time.monotonic() > deadline:
            raise LabError(
                f"QEMU did not start: {_said(files.log)}",
                hint="`vhostaccel doctor` tells what this host lacks",
            )
        time.sleep(_POLL_S)


def _said(log: Path) -> str:
    try:
        return log.read_text(errors="replace").strip()[-600:] or "it printed nothing"
    except OSError:
        return "it printed nothing"
