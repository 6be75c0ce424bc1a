# SPDX-License-Identifier: Apache-2.0
"""The guard tried on a kernel: its scenes played in a bare machine that boots that one.

The object file is the one that is loaded here, and everywhere else.
"""

import shlex
import shutil
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vhostaccel.errors import LabError, SetupError
from vhostaccel.guard.build import provide_object
from vhostaccel.guard.kernels import provide_guarded_kernel
from vhostaccel.lab.bare import bare_argv, run_bare
from vhostaccel.lab.console import ConsoleLog
from vhostaccel.lab.kernel import Kernel
from vhostaccel.lab.kvm import look_at_kvm

PROJECT = Path(__file__).resolve().parents[2]
_SCENES = PROJECT / "tests" / "contract" / "test_guard_kernel.py"
_SETTLE = Path(__file__).with_name("trial.sh")
_MEMORY_MIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of the guard's scenes on a kernel."""

    kernel: str
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    skipped: tuple[str, ...]
    splats: tuple[str, ...]
    """Headlines of what the kernel complained of."""
    seconds: float
    folder: Path
    """Has console, and what the scenes printed."""

    @property
    def is_good(self) -> bool:
        """Tell whether all scenes were played and passed, and the kernel kept silent."""
        return bool(self.passed) and not (self.failed or self.skipped or self.splats)


def run_trial(series: str, folder: Path, report: Callable[[str], None]) -> Trial:
    """Boot a kernel, play the scenes on it, and return what became of them.

    Args:
        series: one of `kernels.KERNELS`.
        folder: gets console and results; what it held is removed.
        report: is told how far it is.

    Raises:
        SetupError: If this is an installation without tests.
        ProvideError: If the kernel could not be had.
        LabError: If the machine did not end by itself, or played nothing.
    """
    if not _SCENES.exists():
        raise SetupError(
            f"the guard's scenes are not here: there is no {_SCENES}",
            hint="run it in a clone of the project",
        )
    provide_object(report)
    kernel = provide_guarded_kernel(series, report)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "env").write_text(_environment(kernel))
    kvm = look_at_kvm().works
    argv = bare_argv(kernel, folder, _SETTLE, memory_mib=_MEMORY_MIB, kvm=kvm)
    report(f"scenes on {kernel.version} ({'KVM' if kvm else 'TCG'}): {folder}")
    began = time.monotonic()
    run_bare(argv, folder, lambda: [folder / "scenes"])
    return read_trial(kernel.version, folder, time.monotonic() - began)


def read_trial(kernel: str, folder: Path, seconds: float) -> Trial:
    """Return what the files of a run say.

    Raises:
        LabError: If no scene was played.
    """
    console = ConsoleLog(folder / "console")
    try:
        cases = list(ET.parse(folder / "junit.xml").iter("testcase"))
    except (OSError, ET.ParseError):
        cases = []
    if not cases:
        raise LabError(
            f"no scene was played on {kernel}; last on its console:"
            f"\n    {console.tail()}",
            hint=f"{folder} has the console, and in `scenes` what was printed",
        )
    return Trial(
        kernel=kernel,
        passed=_named(cases, lambda tags: not tags),
        failed=_named(cases, lambda tags: bool(tags & {"failure", "error"})),
        skipped=_named(cases, lambda tags: "skipped" in tags),
        splats=console.problems(),
        seconds=seconds,
        folder=folder,
    )


def _environment(kernel: Kernel) -> str:
    values = {
        "TRIAL_modules": kernel.modules.parent,
        "TRIAL_python": Path(sys.executable),
        "TRIAL_folder": PROJECT,
    }
    return "".join(
        f"{name}={shlex.quote(str(value))}\n" for name, value in values.items()
    )


def _named(
    cases: list[ET.Element], wanted: Callable[[set[str]], bool]
) -> tuple[str, ...]:
    outcomes = {"failure", "error", "skipped"}
    return tuple(
        case.get("name", "?")
        for case in cases
        if wanted({child.tag for child in case} & outcomes)
    )
