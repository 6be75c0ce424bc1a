# SPDX-License-Identifier: Apache-2.0
"""The drivers of the host under test: the distribution's, or the project's over them."""

from pathlib import Path

from vhostaccel.command import run

OWN = ("nai", "tun", "igb", "vhost_net")
"""The project's modules, each after those it needs."""


def load(folder: Path | None) -> None:
    """Load what the datapath runs on.

    Args:
        folder: holds the project's modules; None for the distribution's.

    Raises:
        VhostAccelError: If the kernel has no such module, or refuses one.
    """
    for module in ("bridge", _kvm_module()):
        _modprobe(module)
    if folder is None:
        for module in ("igb", "tun"):
            _modprobe(module)
        return
    for module in OWN:
        path = folder / f"{module}.ko"
        for needed in _needs(path):
            _modprobe(needed)
        run(
            ("insmod", str(path)),
            hint="`vhostaccel kmod build` makes it for this kernel",
        )


def describe(folder: str | None) -> dict[str, str]:
    """Return whose drivers these are, for the record."""
    own = f"{', '.join(OWN)} of {Path(folder).name}" if folder else "the distribution's"
    return {"modules": own}


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
