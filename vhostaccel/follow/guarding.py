# SPDX-License-Identifier: Apache-2.0
"""The guard at the NIC, as a follower sees it and uses it."""

from collections.abc import Collection
from contextlib import suppress

from vhostaccel.errors import GuardError
from vhostaccel.guard.client import Guard, attach_whole
from vhostaccel.guard.model import Guarded
from vhostaccel.guard.subject import find_wish
from vhostaccel.modes.auto import Asked, guard_gainfully
from vhostaccel.nai.address import Target
from vhostaccel.nai.model import Lease
from vhostaccel.nai.netdevs import Netdevs


class Guarding:
    """What the guard does for taps, as last seen.

    Args:
        guard: the guard's keeper.
        netdevs: the host's network devices.
    """

    def __init__(self, guard: Guard, netdevs: Netdevs) -> None:
        self._guard = guard
        self._netdevs = netdevs
        self._seen: dict[int, Guarded] = {}

    def look(self) -> None:
        """See what is guarded; a keeper that does not answer has changed nothing."""
        with suppress(GuardError, OSError):
            standing = self._guard.standing()
            guests = () if standing is None else standing.guests
            self._seen = {guarded.wish.tap_ifindex: guarded for guarded in guests}

    def detail(self, tap_ifindex: int) -> str | None:
        """Return how a tap is guarded, in words; None if it is not."""
        guarded = self._seen.get(tap_ifindex)
        return None if guarded is None else _words(guarded)

    def take(self, target: Target, leases: Collection[Lease], why: str | None) -> str:
        """Guard a virtual NIC; return how, in words.

        Args:
            target: which one.
            leases: the frame queues on lease.
            why: why it gets no better mode; None where this one was wished for.

        Raises:
            VhostAccelError: If it cannot be guarded; nothing is changed then.
        """
        try:
            if why is None:
                wish = find_wish(self._netdevs, target)
                guarded = attach_whole(self._guard, wish)
            else:
                asked = Asked(target=target)
                guarded = guard_gainfully(
                    asked, self._guard, self._netdevs, leases, why=why
                )
        except OSError as error:
            raise GuardError(
                f"the guard's keeper cannot be spoken to: {error.strerror or error}",
                hint="see `journalctl -t vhostaccel-guard`",
            ) from None
        self._seen[target.ifindex] = guarded
        return _words(guarded)


def _words(guarded: Guarded) -> str:
    wish = guarded.wish
    return f"xdp at {wish.port}" + (f" ({wish.why})" if wish.why else "")
