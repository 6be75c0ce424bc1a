# SPDX-License-Identifier: Apache-2.0
"""The drivers of the host under test: the distribution's, or the project's over them."""

from pathlib import Path

from vhostaccel.command import run

OWN = ("nai", "tun", "igb", "vhost_net")
"""The project's modules, each after those it needs."""

IN_KERNEL = "in-kernel"
"""Stands for the folder of the project's modules when the kernel was built with them."""


def load(folder: str | None) -> None:
    """Load what the datapath runs on.

    Args:
        folder: holds the project's modules, or `IN_KERNEL`; None for the
            distribution's.

    Raises:
        VhostAccelError: If the kernel has no such module, or refuses one.
    """
    for module in ("bridge", _kvm_module()):
        _modprobe(module)
    if folder is None:
        for module in ("igb", "tun"):
            _modprobe(module)
        return
    if folder == IN_KERNEL:
        for module in OWN:
            _modprobe(module)
        return
    for module in OWN:
        path = Path(folder) / f"{module}.ko"
        for needed in _needs(path):
            _modprobe(needed)
        run(
            ("insmod", str(path)),
            hint="`vhostaccel kmod build` makes it for this kernel",
        )


def describe(folder: str | None) -> dict[str, str]:
    """Return whose drivers these are, for the record."""
    if folder is None:
        return {"modules": "the distribution's"}
    where = "the kernel itself" if folder == IN_KERNEL else Path(folder).name
    return {"modules": f"{', '.join(OWN)} of {where}"}


def _needs(path: Path) -> list[str]:
    listed = run(
        ("modinfo", "-F", "depends", str(path)),
        hint="`vhostaccel kmod build` makes it anew",
    ).output
    return [name for name in listed.strip().split(",") if name and name not in OWN]


def _modprobe(module: str) -> None:
    run(("modprobe", module), hint=f"the kernel has no module {module}")


def _kvm_module() -> str:
    flags = Path("/proc/cpuinfo").read_text()
    return "kvm-intel" if " vmx " in flags else "kvm-amd"
