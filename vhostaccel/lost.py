# SPDX-License-Identifier: Apache-2.0
"""Tells a guest that the lab's emulator has lost from one that the flood has.

What was measured of a guest whose registers the emulator has mixed up says nothing of the
host. A guest that can still say why it ends is not excused, and under hardware
virtualisation none is. docs/limitations.md has what was seen of the fault,
docs/measurement.md the rule.
"""

from collections.abc import Collection

from vhostaccel.errors import GuestError, LostGuestError
from vhostaccel.guests.derailed import LOST_HINT, lost
from vhostaccel.host import Host
from vhostaccel.observe.sample import Sample

_PANIC = "Kernel panic"
"""Guests restart at once where their kernel gives up."""


def require_registers(host: Host) -> None:
    """Look for a guest that cannot answer since its registers are not its own.

    Raises:
        LostGuestError: If there is one.
    """
    for name in host.derailed():
        raise lost(name)


def require_no_restart(
    host: Host,
    before: Sample,
    after: Sample,
    *,
    disturbed: Collection[str],
    emulated: bool,
) -> None:
    """Look for a guest that has restarted by itself between two samples.

    Args:
        host: it runs there.
        before: the earlier sample.
        after: the later one.
        disturbed: guests that were restarted on purpose, perhaps.
        emulated: whether the lab's processor is.

    Raises:
        LostGuestError: If there is one, the lab is emulated, and its kernel said nothing.
        GuestError: If there is one, and it is not so.
    """
    for name, then in before.guests.items():
        now = after.guests.get(name)
        if then is None or now is None or name in disturbed or then.boot == now.boot:
            continue
        what = f"guest {name} has restarted by itself"
        said = host.last_words(name)
        if emulated and _PANIC not in said:
            raise LostGuestError(f"{what} without a word", hint=LOST_HINT)
        raise GuestError(
            f"{what}; last on its console: {said}",
            hint="what the host did to it before is in the lab's console.log",
        )
