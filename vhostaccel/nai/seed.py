# SPDX-License-Identifier: Apache-2.0
"""How far a lease of mode seed does what it is for."""

from dataclasses import dataclass

from vhostaccel.nai.family import Mode, SeedBar


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """How far the hardware writes to the guest's own buffers, in mode seed."""

    level: Mode
    """The mode that the lease works in now."""
    bar: SeedBar
    """Why that is not seed."""
    pinned: int
    """Memory of the guest that the lease holds now [B]."""

    def __str__(self) -> str:
        """Return ``960 KiB pinned``, or ``copies (log)``."""
        if self.level is not Mode.SEED:
            return f"copies ({self.bar.value})"
        return f"{self.pinned // 1024} KiB pinned"
