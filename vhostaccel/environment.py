# SPDX-License-Identifier: Apache-2.0
"""What a run ran on, seen from outside the host under test."""

import os
import platform
import subprocess
from pathlib import Path

from vhostaccel import __version__
from vhostaccel.command import run
from vhostaccel.errors import VhostAccelError
from vhostaccel.lab.kvm import look_at_kvm
from vhostaccel.scenario.model import Scenario


def describe_outside(scenario: Scenario) -> dict[str, str]:
    """Return what the run stands on, in the order to be shown."""
    spec = scenario.lab
    return {
        "vhostaccel": f"{__version__} {_git_hash()}",
        "machine": f"{_cpu_model()}, {os.cpu_count()} CPUs",
        "machine kernel": platform.release(),
        "lab": f"{spec.cpus} CPUs, {spec.memory >> 20} MiB, "
        f"{'KVM' if look_at_kvm().works_nested else 'TCG'}",
        "lab QEMU": _qemu_version(),
        "placement": str(spec.placement),
        "guests": f"{scenario.guest.count} {scenario.guest.kind}, "
        f"{scenario.guest.memory >> 20} MiB each",
        "load average before": Path("/proc/loadavg").read_text().rsplit(" ", 2)[0],
    }


def _git_hash() -> str:
    folder = Path(__file__).resolve().parents[1]
    argv = ("git", "-C", str(folder), "describe", "--always", "--dirty")
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return "(not from git)"
    return done.stdout.strip() or "(not from git)"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _qemu_version() -> str:
    try:
        done = run(("qemu-system-x86_64", "--version"), hint="make setup")
    except VhostAccelError:
        return "(none)"
    return done.output.splitlines()[0].removeprefix("QEMU emulator version ")
