# SPDX-License-Identifier: Apache-2.0
"""Proof that a debug kernel's detectors fire: one mistake for each, seen on the console.

Booted in the lab without a guest. KUnit's suites are run first; what the console
complains of until then nobody provoked.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vhostaccel.errors import LabError
from vhostaccel.kmod.debug_kernel import companion
from vhostaccel.kmod.kunit_results import Results, read_results
from vhostaccel.lab.kernel import Kernel
from vhostaccel.lab.machine import Machine, boot
from vhostaccel.lab.splats import Splat
from vhostaccel.patience import limit_s
from vhostaccel.scenario.model import LabSpec

_ALWAYS = {"sleep": "atomic sleep", "dma": "DMA-API", "shift": "UBSAN"}
MISTAKES = {
    # Once lockdep has reported, a sleep in atomic context is not told any more, and after
    # a memory error the kernel trusts lockdep no more.
    "kasan": {
        **_ALWAYS,
        "lock-order": "lockdep",
        "leak": "kmemleak",
        "access": "KASAN",
    },
    "kcsan": {"race": "KCSAN", **_ALWAYS},
}
"""The mistakes that kmod/control makes, and who has to report each, by configuration."""

_SUITES = b".kunit_test_suites"
"""Where a module keeps its KUnit suites; the name is in its table of sections."""
_SUITES_FOLDER = "/sys/kernel/debug/kunit"
_CONTROL = "vhostaccel_control"
_NIC_MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
_SEEN_WITHIN_S = 5.0
_POLL_S = 0.2
_LOAD_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What became of one mistake."""

    mistake: str
    detector: str
    seen: str
    """The report's headline; empty when there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was seen in one boot."""

    controls: tuple[Control, ...]
    suites: dict[str, Results]
    """What became of the cases of each KUnit suite."""
    unexpected: tuple[str, ...]
    """Headlines of what nobody provoked."""

    @property
    def holds(self) -> bool:
        """Tell whether every detector fired, tests ran and passed, and all else is quiet."""
        return (
            all(control.seen for control in self.controls)
            and bool(self.suites)
            and all(results.is_good for results in self.suites.values())
            and not self.unexpected
        )


def prove(kernel: Kernel, report: Callable[[str], None]) -> Proof:
    """Boot a debug kernel, run its KUnit suites, and make each mistake once.

    Raises:
        LabError: If it does not boot, or a module cannot be loaded.
    """
    assert kernel.debug is not None
    mistakes = MISTAKES.get(kernel.debug.config, _ALWAYS)
    name = f"prove-{kernel.debug.config}-{int(time.time())}"
    with boot(
        LabSpec(), kernel, name=name, nic_macs=_NIC_MACS, report=report
    ) as machine:
        suites = _run_suites(machine, kernel, report)
        unexpected = tuple(s.headline for s in machine.console.splats() if s.counts)
        controls = []
        for mistake, detector in mistakes.items():
            report(f"mistake {mistake}: {detector} has to report it")
            controls.append(_make(machine, kernel, mistake, detector))
    return Proof(controls=tuple(controls), suites=suites, unexpected=unexpected)


def suite_modules(kernel: Kernel) -> tuple[str, ...]:
    """Return the modules of a kernel that hold KUnit suites, as modprobe knows them."""
    return tuple(
        sorted(
            path.stem
            for path in kernel.modules.rglob("*.ko")
            if _SUITES in path.read_bytes()
        )
    )


def _run_suites(
    machine: Machine, kernel: Kernel, report: Callable[[str], None]
) -> dict[str, Results]:
    for module in suite_modules(kernel):
        report(f"KUnit: {module}")
        _do(machine, ("modprobe", module))
    names = _do(machine, ("ls", _SUITES_FOLDER)).split()
    return {
        name: read_results(_do(machine, ("cat", f"{_SUITES_FOLDER}/{name}/results")))
        for name in names
    }


def _make(machine: Machine, kernel: Kernel, mistake: str, detector: str) -> Control:
    before = machine.console.splats()
    module = str(companion(kernel, _CONTROL))
    _do(machine, ("insmod", module, f"provoke={mistake}"))
    if detector == "kmemleak":
        # While the module is there, so that the report has its function's name.
        _do(machine, (sys.executable, "-m", "vhostaccel.lab.leaks"))
    _do(machine, ("rmmod", _CONTROL))
    seen = _await(machine, detector, before)
    return Control(mistake=mistake, detector=detector, seen=seen)


def _await(machine: Machine, detector: str, before: Sequence[Splat]) -> str:
    known = {(splat.kind, splat.subject) for splat in before}
    deadline = time.monotonic() + limit_s(_SEEN_WITHIN_S)
    while True:
        for splat in machine.console.splats():
            new = (splat.kind, splat.subject) not in known
            if new and splat.kind == detector and splat.counts and _is_control(splat):
                return splat.subject
        if time.monotonic() > deadline:
            return ""
        time.sleep(_POLL_S)


def _is_control(splat: Splat) -> bool:
    return _CONTROL in splat.report or "control_" in splat.report


def _do(machine: Machine, argv: Sequence[str]) -> str:
    said: list[str] = []
    status = machine.channel.call(
        "exec", argv=list(argv), says=said.append, timeout_s=_LOAD_TIMEOUT_S
    )
    if status != 0:
        raise LabError(
            f"`{' '.join(argv)}` ended with {status} in the debug kernel: "
            f"{''.join(said).strip()[-300:]}",
            hint=f"last on its console:\n    {machine.console.tail()}",
        )
    return "".join(said)
