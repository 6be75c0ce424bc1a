# SPDX-License-Identifier: Apache-2.0
"""Stock vhost-net under guests that libvirt starts otherwise: two more baselines."""

from vhostaccel.command import run
from vhostaccel.errors import SkipError, VhostAccelError
from vhostaccel.guests.plan import Link
from vhostaccel.modes.mode import Tap


class TapBusyPoll(Tap):
    """As ``tap``; the vhost worker looks for more work a while before it sleeps."""

    name = "tap-busypoll"
    link = Link.BUSY_TAP


class Macvtap(Tap):
    """NIC, softirq, macvtap ring, vhost worker: no bridge, and a NIC of its own."""

    name = "macvtap"
    link = Link.MACVTAP

    def prepare(self) -> None:
        """As `Tap.prepare`.

        Raises:
            SkipError: If the kernel has no macvtap.
        """
        super().prepare()
        try:
            run(("modprobe", "macvtap"), hint="the kernel has no module macvtap")
        except VhostAccelError as error:
            raise SkipError(error.what, hint=error.hint) from None
