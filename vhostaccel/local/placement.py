# SPDX-License-Identifier: Apache-2.0
"""Where the datapath of the host under test runs: its interrupts and its threads."""

import os
from collections.abc import Iterable
from pathlib import Path

from vhostaccel.lab.network import Nic
from vhostaccel.lab.state import HostState
from vhostaccel.scenario.model import Placement

DATAPATH_CPU = 0
"""Where NICs interrupt, and everything else is in placement ``one-cpu``."""
_GUEST_CPUS = {Placement.ONE_CPU: "0", Placement.TWO_CPU: "1", Placement.SPREAD: None}


def guest_cpus(placement: Placement) -> str | None:
    """Return where vhost workers and guest threads run; None: wherever the kernel likes."""
    return _GUEST_CPUS[placement]


def put_on_datapath_cpu(nics: Iterable[Nic], state: HostState) -> None:
    """Put interrupts and NAPI threads of the NICs there, those of new queues too.

    Raises:
        LabError: If the kernel refuses.
    """
    for nic in nics:
        for number in (nic.folder / "device" / "msi_irqs").iterdir():
            path = Path("/proc/irq") / number.name / "smp_affinity_list"
            if path.exists() and path.read_text().strip() != str(DATAPATH_CPU):
                state.write(path, str(DATAPATH_CPU))
        for thread in _threads_named(f"napi/{nic.name}-"):
            os.sched_setaffinity(thread, {DATAPATH_CPU})


def _threads_named(prefix: str) -> list[int]:
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = comm.read_text()
        except OSError:
            continue
        if name.startswith(prefix):
            found.append(int(comm.parent.name))
    return found
