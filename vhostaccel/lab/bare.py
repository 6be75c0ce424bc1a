# SPDX-License-Identifier: Apache-2.0
"""A bare machine: a kernel, this machine's files under a layer, one program, and an end.

The folder of a run is shared with it, and holds what both sides say:

    initramfs    what it boots from
    console      what its kernel prints
    qemu.log     what QEMU prints
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from vhostaccel.errors import LabError
from vhostaccel.lab.console import ConsoleLog
from vhostaccel.lab.initramfs import boot_files
from vhostaccel.lab.kernel import Kernel
from vhostaccel.lab.qemu import QEMU

_INIT = Path(__file__).with_name("boot") / "init"
_BOOT_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
SILENCE_S = 900.0
"""So long a machine that works may say nothing."""
_POLL_S = 0.5


def bare_argv(
    kernel: Kernel, folder: Path, settle: Path, *, memory_mib: int, kvm: bool
) -> list[str]:
    """Write what the machine boots from; return the command line that starts it.

    Args:
        kernel: it is booted with this one.
        folder: is shared with it as ``results``.
        settle: its program, the path of a shell script.
        memory_mib: what it has [MiB].
        kvm: whether hardware virtualisation can be used.
    """
    settings = {"lab.env": f"LAB_SETTLE={settle}\n".encode()}
    archive = boot_files(kernel, _BOOT_MODULES, _INIT.read_bytes(), settings)
    (folder / "initramfs").write_bytes(archive)
    accel = ["kvm"] if kvm else ["tcg,thread=multi,tb-size=512"]
    return [
        QEMU,
        "-name", "vhostaccel-bare",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        "-machine", "q35,usb=off,vmport=off",
        "-accel", *accel, "-cpu", "host" if kvm else "max",
        "-smp", "2", "-m", f"{memory_mib}M",
        "-kernel", os.fspath(kernel.image),
        "-initrd", os.fspath(folder / "initramfs"),
        "-append", "console=ttyS0 loglevel=5 panic=-1 net.ifnames=0 "
        # An emulated CPU that waits for its turn must not lose its clock for it, nor be
        # told that it has locked up: that takes two minutes then, and not 20 seconds.
        f"random.trust_cpu=on tsc=reliable watchdog_thresh={10 if kvm else 60}",
        "-serial", f"file:{folder / 'console'}",
        "-object", "rng-random,id=rng,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng",
        "-fsdev", "local,id=outside,path=/,security_model=none,readonly=on,"
        "multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=outside,mount_tag=outside",
        "-fsdev", f"local,id=results,path={folder},security_model=none",
        "-device", "virtio-9p-pci,fsdev=results,mount_tag=results",
    ]  # fmt: skip


def run_bare(
    argv: Sequence[str],
    folder: Path,
    look: Callable[[], Sequence[Path]],
    *,
    silence_s: float = SILENCE_S,
) -> None:
    """Run a machine until it ends by itself.

    Args:
        argv: what starts it.
        folder: the one shared with it.
        look: is called now and then, and returns the files that grow while it works.
        silence_s: it is ended when none of them has grown for so long [s].

    Raises:
        LabError: If it was silent for long, or QEMU failed.
    """
    with (folder / "qemu.log").open("wb") as log:
        machine = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            _watch(machine, folder, look, silence_s)
        finally:
            if machine.poll() is None:
                machine.send_signal(signal.SIGKILL)
            machine.wait()


def _watch(
    machine: "subprocess.Popen[bytes]",
    folder: Path,
    look: Callable[[], Sequence[Path]],
    silence_s: float,
) -> None:
    heard, last = time.monotonic(), -1
    while machine.poll() is None:
        time.sleep(_POLL_S)
        growing = (*look(), folder / "console")
        size = sum(path.stat().st_size for path in growing if path.exists())
        if size != last:
            heard, last = time.monotonic(), size
        if time.monotonic() - heard > silence_s:
            raise LabError(
                f"the machine was silent for {silence_s:.0f} s; last on its console:"
                f"\n    {ConsoleLog(folder / 'console').tail()}",
                hint=f"{folder} has its console and what the tests printed",
            )
    if machine.returncode:
        said = (folder / "qemu.log").read_text(errors="replace")
        raise LabError(
            f"QEMU ended with {machine.returncode}: {said}",
            hint="`vhostaccel doctor` tells what this host lacks",
        )
