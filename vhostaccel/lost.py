# SPDX-License-Identifier: Apache-2.0
"""Tells a guest that the lab's emulator has lost from one that the flood has.

What was measured of a guest whose registers the emulator has mixed up says nothing of the
host. Under hardware virtualisation no guest is excused. docs/limitations.md has what was
seen of the fault, docs/measurement.md the rule.
"""

from collections.abc import Collection

from vhostaccel.errors import GuestError, LostGuestError
from vhostaccel.guests.derailed import LOST_HINT, lost
from vhostaccel.host import Host
from vhostaccel.observe.sample import Sample


def require_registers(host: Host) -> None:
    """Look for a guest that cannot answer since its registers are not its own.

    Raises:
        LostGuestError: If there is one.
    """
    for name in host.derailed():
        raise lost(name)


def require_no_restart(
    before: Sample, after: Sample, *, disturbed: Collection[str], emulated: bool
) -> None:
    """Look for a guest that has restarted by itself between two samples.

    Args:
        before: the earlier sample.
        after: the later one.
        disturbed: guests that were restarted on purpose, perhaps.
        emulated: whether the lab's processor is.

    Raises:
        LostGuestError: If there is one, and the lab is emulated.
        GuestError: If there is one, and it is not.
    """
    for name, then in before.guests.items():
        now = after.guests.get(name)
        if then is None or now is None or name in disturbed or then.boot == now.boot:
            continue
        what = f"guest {name} has restarted by itself"
        if emulated:
            raise LostGuestError(what, hint=LOST_HINT)
        raise GuestError(
            what, hint="its console tells why: `/run/vhostaccel` in the lab"
        )
