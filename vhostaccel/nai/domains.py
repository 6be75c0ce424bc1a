# SPDX-License-Identifier: Apache-2.0
"""The domains of this host's libvirt, asked for when they are needed.

Nothing that a libvirt hook runs may import this: libvirt waits for its hook.
"""

import time

from vhostaccel.errors import GuestError
from vhostaccel.guests.hypervisor import Hypervisor
from vhostaccel.nai.domain import Domain, read_domain


def running_domains() -> tuple[Domain, ...]:
    """Return the running domains.

    Raises:
        GuestError: If libvirt does not answer.
    """
    hypervisor = Hypervisor()
    try:
        return tuple(map(read_domain, hypervisor.running()))
    finally:
        hypervisor.close()


class RememberedDomains:
    """The running domains as they were a short while ago, for who asks all the time.

    Args:
        seconds: how old an answer may be [s].
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: tuple[Domain, ...] = ()
        self._asked: float | None = None

    def __call__(self) -> tuple[Domain, ...]:
        """Return the domains; none where libvirt does not answer."""
        now = time.monotonic()
        if self._asked is None or now - self._asked > self._seconds:
            self._asked = now
            try:
                self._known = running_domains()
            except GuestError:
                self._known = ()
        return self._known
