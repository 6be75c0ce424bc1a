# SPDX-License-Identifier: Apache-2.0
"""The kernel's selftests, run in a small machine of their own, and judged.

A test that fails, is missing or was never begun, a report on the kernel's console, and a
run without any test are all failures.
"""

import os
import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vhostaccel.kmod.build import provide_modules
from vhostaccel.kmod.debug_kernel import provide_debug_kernel
from vhostaccel.kmod.ktap import Result, read_ktap
from vhostaccel.kmod.layout import read_kernel_part
from vhostaccel.kmod.selftest_tree import programs, provide_selftests
from vhostaccel.lab.bare import SILENCE_S, bare_argv, run_bare
from vhostaccel.lab.console import ConsoleLog
from vhostaccel.lab.kernel import Kernel, provide_kernel
from vhostaccel.lab.kvm import look_at_kvm
from vhostaccel.lab.source import provide_source

PLAIN = "debian"
"""The distribution's kernel; others are debug kernels by their name."""

_SETTLE = Path(__file__).with_name("selftest.sh")
_MEMORY_MIB = 2048
_TCG_SLOWNESS = 5.0
_FAR_END = {
    "NETIF": "eth0",
    "SELFTEST_peer": "eth1",
    "LOCAL_V4": "192.0.2.1",
    "REMOTE_V4": "192.0.2.2",
    "REMOTE_TYPE": "netns",
    "REMOTE_ARGS": "far",
}
"""Where the other end of the cable is, as drivers/net/README.rst of the tests has it."""


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

    @property
    def silence_s(self) -> float:
        """Return for how long the machine may say nothing, as a fuzzer does [s]."""
        given = dict(setting.split("=", 1) for setting in self.settings)
        return SILENCE_S + float(given.get("KSFT_FUZZ_SECONDS", 0))


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
    kvm = look_at_kvm().works
    (folder / "env").write_text(
        _environment(wishes, kernel, own, tests, chosen, kvm=kvm)
    )
    argv = bare_argv(kernel, folder, _SETTLE, memory_mib=_MEMORY_MIB, kvm=kvm)
    began = time.monotonic()
    report(f"selftests on {kernel.label} ({'KVM' if kvm else 'TCG'}): {folder}")
    nics = _nics() if wishes.nics else []
    run_bare(
        argv + nics,
        folder,
        Teller(folder, report).look,
        silence_s=wishes.silence_s,
    )
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
        values |= _FAR_END
    return "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in values.items()
    )


def _nics() -> list[str]:
    """Two NICs with a cable between them.

    A hub passes frames by itself. A stream socket to oneself loses its place in a flood,
    and then the connection.
    """
    argv = []
    for slot in (1, 2):
        argv += [
            "-netdev", f"hubport,id=nic{slot},hubid=0",
            "-device", f"pcie-root-port,id=port{slot},chassis={slot},slot={slot}",
            "-device", f"igb,bus=port{slot},netdev=nic{slot},romfile=,"
            f"mac=02:00:00:00:00:0{slot}",
        ]  # fmt: skip
    return argv


class Teller:
    """Tells each result once, as it comes.

    Args:
        folder: where the results are written.
        report: is told.
    """

    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        self._folder = folder
        self._report = report
        self._told = 0

    def look(self) -> list[Path]:
        """Tell what is new; return the files that grow."""
        files = sorted(
            self._folder.glob("*.ktap"), key=lambda path: path.stat().st_mtime
        )
        lines = [
            line
            for path in files
            for line in _read(path).splitlines()
            if line.startswith(("ok ", "not ok "))
        ]
        for line in lines[self._told :]:
            self._report(line)
        self._told = len(lines)
        return files


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
