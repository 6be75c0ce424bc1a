# SPDX-License-Identifier: Apache-2.0
"""A wished virtual NIC, as its follower keeps it in mind."""

from dataclasses import dataclass

from vhostaccel.follow.seat import Followed
from vhostaccel.nai.address import Target
from vhostaccel.nai.domain import Vnic

SOON_S = 0.5
NO_DRIVER = "the guest's driver has not taken the virtual NIC yet"


@dataclass(slots=True)
class Nic:
    """A wished virtual NIC."""

    vnic: Vnic
    ifindex: int
    since: float
    """When its state began [s, monotonic]."""
    state: Followed = Followed.WAITING
    detail: str = NO_DRIVER
    pause_s: float = SOON_S
    next_try: float = 0.0
    """Not to be attached before [s, monotonic]."""
    heed: bool = True
    """Whether a request to detach, found as the last reason, was an operator's: not one
    from before our time, nor the end of an attach of ours that took too long."""
    guarded: bool = False
    """Whether it was when last looked at."""

    def age_s(self, now: float) -> float:
        """Return for how long it has had its state [s].

        Args:
            now: the time [s, monotonic].
        """
        return now - self.since

    def target(self, guest: str) -> Target:
        """Return it as what can be attached.

        Args:
            guest: name of its domain.
        """
        return Target(
            tap=self.vnic.tap or "",
            ifindex=self.ifindex,
            mac=self.vnic.mac,
            guest=guest,
            interface=self.vnic.index,
        )
