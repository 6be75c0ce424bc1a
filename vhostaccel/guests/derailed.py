# SPDX-License-Identifier: Apache-2.0
"""Tells when the emulator below the host has lost a guest's registers.

QEMU 10.0's emulation of AMD-V now and then saves the host's registers as the guest's;
it did so in the mode `tap` too, with nothing on lease. The guest never answers again.
Which is seen without doubt: its page tables are then at an address where it has no
memory. docs/limitations.md has the evidence.
"""

import re

from vhostaccel.errors import LostGuestError
from vhostaccel.units import Bytes

LOST_HINT = (
    "run it again: a known fault of QEMU's AMD-V emulation, see docs/limitations.md"
)
_CR3 = re.compile(r"\bCR3=([0-9a-f]+)\b")
_FLAGS = 0xFFF
"""Low bits of CR3 that are no part of the address (AMD64 manual, volume 2, 5.2.1)."""
_HOLE = 2 << 30
"""At most this much below 4 GiB is left to devices, with more memory behind it."""


def is_derailed(registers: str, memory: Bytes) -> bool:
    """Tell whether a guest runs with page tables that its memory cannot hold.

    Args:
        registers: what QEMU's ``info registers`` says of one virtual CPU.
        memory: the guest's.
    """
    found = _CR3.search(registers)
    if found is None:
        return False
    top = memory if memory <= _HOLE else memory + _HOLE
    return int(found[1], 16) & ~_FLAGS >= top


def lost(name: str) -> LostGuestError:
    """Return the error that says so of a guest."""
    return LostGuestError(
        f"the emulator below the lab has lost guest {name}: its page tables are where it "
        "has no memory",
        hint=LOST_HINT,
    )
