# SPDX-License-Identifier: Apache-2.0
"""The kernel's selftests, run in a small machine of their own, and judged.

A test that fails, is missing or was never begun, a report on the kernel's console, and a
run without any test are all failures.
"""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vhostaccel.errors import LabError
from vhostaccel.kmod.build import provide_modules
from vhostaccel.kmod.debug_kernel import provide_debug_kernel
from vhostaccel.kmod.ktap import Result, read_ktap
from vhostaccel.kmod.layout import read_kernel_part
from vhostaccel.kmod.selftest_tree import programs, provide_selftests
from vhostaccel.lab.console import ConsoleLog
from vhostaccel.lab.initramfs import boot_files
from vhostaccel.lab.kernel import Kernel, provide_kernel
from vhostaccel.lab.qemu import QEMU
from vhostaccel.lab.source import provide_source

PLAIN = "debian"
"""The distribution's kernel; others are debug kernels by their name."""

_INIT = Path(__file__).parents[1] / "lab" / "boot" / "init"
_SETTLE = Path(__file__).with_name("selftest.sh")
_BOOT_MODULES = ("9pnet_virtio", "9p", "overlay")
_MEMORY_MIB = 2048
_TCG_SLOWNESS = 5.0
_SILENCE_S = 900.0
_POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be run, and how."""

    kernel: str = PLAIN
    only: tuple[str, ...] = ()
    """Programs to run; empty for all."""
    settings: tuple[str, ...] = ()
    """NAME=value for the tests' environment."""
    nics: bool = False
    """Run on emulated igb NICs, wired to each other, and not on naisim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a run."""

    kernel: str
    results: tuple[Result, ...]
    splats: tuple[str, ...]
    leaks: str
    seconds: float
    folder: Path

    @property
    def failures(self) -> tuple[Result, ...]:
        """Return the tests that failed or are missing."""
        return tuple(r for r in self.results if r.outcome in ("failed", "missing"))

    @property
    def passed(self) -> int:
        """Return how many passed."""
        return sum(r.outcome == "passed" for r in self.results)

    @property
    def is_good(self) -> bool:
        """Tell whether there were tests, none failed, and the kernel kept silent."""
        return bool(self.passed) and not (self.failures or self.splats or self.leaks)


def run_selftests(
    wishes: Wishes, folder: Path, report: Callable[[str], None]
) -> Outcome:
    """Boot a machine, run the selftests in it, and return what became of them.

    Args:
        wishes: what to run.
        folder: gets console, KTAP and coverage; what it held is removed.
        report: is told how far it is.

    Raises:
        ProvideError: If kernel, modules or tests could not be made.
        LabError: If the machine did not end by itself.
    """
    kernel = _kernel(wishes.kernel, report)
    assert kernel.source is not None
    tests = provide_selftests(read_kernel_part(), kernel.source, report)
    own = "" if kernel.debug else os.fspath(provide_modules(kernel, report))
    chosen = wishes.only or programs(tests)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kvm = _kvm_works()
    (folder / "env").write_text(
        _environment(wishes, kernel, own, tests, chosen, kvm=kvm)
    )
    settle = f"LAB_SETTLE={_SETTLE}\n".encode()
    archive = boot_files(kernel, _BOOT_MODULES, _INIT.read_bytes(), {"lab.env": settle})
    (folder / "initramfs").write_bytes(archive)
    began = time.monotonic()
    report(f"selftests on {kernel.label} ({'KVM' if kvm else 'TCG'}): {folder}")
    _run_machine(_argv(kernel, folder, kvm=kvm, nics=wishes.nics), folder, report)
    return Outcome(
        kernel=kernel.label,
        results=tuple(_results(folder, chosen)),
        splats=ConsoleLog(folder / "console").problems(),
        leaks=_read(folder / "leaks"),
        seconds=time.monotonic() - began,
        folder=folder,
    )


def _kernel(name: str, report: Callable[[str], None]) -> Kernel:
    if name == PLAIN:
        return provide_source(provide_kernel(report), report)
    return provide_debug_kernel(name, report)


def _kvm_works() -> bool:
    flags = Path("/proc/cpuinfo").read_text()
    has = " svm " in flags or " vmx " in flags
    return has and os.access("/dev/kvm", os.R_OK | os.W_OK)


def _environment(
    wishes: Wishes,
    kernel: Kernel,
    own: str,
    tests: Path,
    chosen: tuple[str, ...],
    *,
    kvm: bool,
) -> str:
    slow = kernel.patience * (1 if kvm else _TCG_SLOWNESS)
    values = {
        "SELFTEST_modules": os.fspath(kernel.modules.parent),
        "SELFTEST_own": own,
        "SELFTEST_folder": os.fspath(tests),
        "SELFTEST_programs": " ".join(chosen),
        "KSFT_SLOW": f"{slow:g}",
        **dict(setting.split("=", 1) for setting in wishes.settings),
    }
    if wishes.nics:
        values["NETIF"] = "eth0"
    return "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in values.items()
    )


def _argv(kernel: Kernel, folder: Path, *, kvm: bool, nics: bool) -> list[str]:
    accel = ["kvm"] if kvm else ["tcg,thread=multi,tb-size=512"]
    argv = [
        QEMU,
        "-name", "vhostaccel-selftest",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        "-machine", "q35,usb=off,vmport=off",
        "-accel", *accel, "-cpu", "host" if kvm else "max",
        "-smp", "2", "-m", f"{_MEMORY_MIB}M",
        "-kernel", os.fspath(kernel.image),
        "-initrd", os.fspath(folder / "initramfs"),
        "-append", "console=ttyS0 loglevel=5 panic=-1 net.ifnames=0 "
        # An emulated CPU that waits for its turn must not lose its clock for it.
        "random.trust_cpu=on tsc=reliable",
        "-serial", f"file:{folder / 'console'}",
        "-object", "rng-random,id=rng,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng",
        "-fsdev", "local,id=outside,path=/,security_model=none,readonly=on,"
        "multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=outside,mount_tag=outside",
        "-fsdev", f"local,id=results,path={folder},security_model=none",
        "-device", "virtio-9p-pci,fsdev=results,mount_tag=results",
    ]  # fmt: skip
    return argv + (_nics(folder) if nics else [])


def _nics(folder: Path) -> list[str]:
    """Two NICs with a cable between them."""
    cable = folder / "cable"
    argv = []
    for slot, role in ((1, "server=on"), (2, "server=off")):
        argv += [
            "-netdev", f"stream,id=nic{slot},{role},addr.type=unix,addr.path={cable}",
            "-device", f"pcie-root-port,id=port{slot},chassis={slot},slot={slot}",
            "-device", f"igb,bus=port{slot},netdev=nic{slot},romfile=,"
            f"mac=02:00:00:00:00:0{slot}",
        ]  # fmt: skip
    return argv


def _run_machine(argv: list[str], folder: Path, report: Callable[[str], None]) -> None:
    with (folder / "qemu.log").open("wb") as log:
        machine = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            _watch(machine, folder, report)
        finally:
            if machine.poll() is None:
                machine.send_signal(signal.SIGKILL)
            machine.wait()


def _watch(
    machine: "subprocess.Popen[bytes]", folder: Path, report: Callable[[str], None]
) -> None:
    """Tell each result as it comes; a machine that says nothing for long is ended."""
    told = 0
    heard, last = time.monotonic(), -1
    while machine.poll() is None:
        time.sleep(_POLL_S)
        files = sorted(folder.glob("*.ktap"), key=lambda path: path.stat().st_mtime)
        lines = [
            line
            for path in files
            for line in _read(path).splitlines()
            if line.startswith(("ok ", "not ok "))
        ]
        for line in lines[told:]:
            report(line)
        told = len(lines)
        size = sum(path.stat().st_size for path in (*files, folder / "console"))
        if size != last:
            heard, last = time.monotonic(), size
        if time.monotonic() - heard > _SILENCE_S:
            raise LabError(
                f"the machine was silent for {_SILENCE_S:.0f} s; last on its console:"
                f"\n    {ConsoleLog(folder / 'console').tail()}",
                hint=f"{folder} has its console and what the tests printed",
            )
    if machine.returncode:
        raise LabError(
            f"QEMU ended with {machine.returncode}: {_read(folder / 'qemu.log')}",
            hint="`vhostaccel doctor` tells what this host lacks",
        )


def _results(folder: Path, chosen: tuple[str, ...]) -> list[Result]:
    return [
        result
        for program in chosen
        for result in read_ktap(program, _read(folder / f"{program}.ktap"))
    ]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
