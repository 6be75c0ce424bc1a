# SPDX-License-Identifier: Apache-2.0
"""Whether this host's processor can run the code of virtual machines."""

import os
from dataclasses import dataclass
from pathlib import Path

_DEVICE = "/dev/kvm"
_CPUINFO = Path("/proc/cpuinfo")
_MODULES = Path("/sys/module")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kvm:
    """What stands between a machine and hardware virtualisation."""

    device_opens: bool
    cpu_virtualises: bool
    nests: bool

    @property
    def works(self) -> bool:
        """Tell whether a machine can have it that runs no others inside."""
        return self.cpu_virtualises and self.device_opens

    @property
    def works_nested(self) -> bool:
        """Tell whether the lab can have it, which is itself a hypervisor."""
        return self.works and self.nests


def look_at_kvm() -> Kvm:
    """Return what this host has."""
    flags = _CPUINFO.read_text(errors="replace").split()
    return Kvm(
        device_opens=os.access(_DEVICE, os.R_OK | os.W_OK) and _opens(_DEVICE),
        cpu_virtualises="svm" in flags or "vmx" in flags,
        nests=any(
            path.read_text().strip() in ("1", "Y")
            for path in _MODULES.glob("kvm_*/parameters/nested")
        ),
    )


def _opens(device: str) -> bool:
    try:
        os.close(os.open(device, os.O_RDWR))
    except OSError:
        return False
    return True
